"""What the researcher writes of given findings: facts and sentences, always the same, and never too many."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from outrider.core.ids import first_id_at
from outrider.outreach.dossiers.summing import told_facts, told_summary
from outrider.outreach.dossiers.values import (
    LONGEST_FACT,
    LONGEST_SUMMARY,
    MOST_FACTS,
    Colleague,
    Colleagues,
    Findings,
    Outcome,
    Record,
    Said,
)

ADA = Record(
    id=UUID(int=1),
    name="Ada Lovelace",
    email="Ada@engines.example",
    addresses=[("email", "ada@engines.example"), ("phone", "+14155550123"), ("telegram", "adal")],
    qualification_status="qualified",
    fit_score=80,
    urgency_score=None,
    created_at=datetime(2026, 3, 3, tzinfo=UTC),
    company_id=UUID(int=2),
    company_name="Analytical Engines",
    company_domain="engines.example",
    list_name="Spring",
    list_source="csv",
    list_goal="Show the mill",
)
BOB = Colleague("Bob", "bob@engines.example", "not_yet")


def at(day: int) -> tuple[UUID, datetime]:
    moment = datetime(2026, 11, day, 9, tzinfo=UTC)
    return first_id_at(moment), moment


def outcome(day: int, word: str, detail: str | None = None) -> Outcome:
    event_id, moment = at(day)
    return Outcome(event_id, f"message.{word}", moment, detail)


def said(
    day: int, *outcomes: Outcome, ours: bool = True, words: str | None = "Hello", reply: bool = False
) -> Said:
    event_id, moment = at(day)
    return Said(event_id, ours, "email", moment, words, reply, outcomes)


CONVERSATION = [
    said(9, ours=False, words="Is it ready?"),
    said(7, ours=False, words="Tell me\nmore", reply=True),
    said(5, outcome(5, "sent"), outcome(6, "delivered"), outcome(6, "opened"), words="The mill " * 40),
    said(3, outcome(4, "failed", "mailbox full")),
    said(1, outcome(2, "delivered"), outcome(2, "clicked", "https://engines.example/mill"), words=None),
]


def texts(findings: Findings, level: int) -> list[str]:
    return [fact.text for fact in told_facts(findings, level)]


def test_the_first_level_is_the_record() -> None:
    findings = Findings(ADA, None, None)

    assert texts(findings, 1) == [
        "Ada Lovelace is reached at Ada@engines.example.",
        "Also reached by phone at +14155550123.",
        "Also reached by Telegram at adal.",
        "Known here since 3 March 2026.",
        "Qualification: qualified.",
        "Fit score: 80 of 100.",
        "On the list “Spring”, imported from CSV.",
        "What the list is for: Show the mill",
    ]
    assert told_summary(findings, 1) == (
        "Ada Lovelace of Analytical Engines (engines.example) has been known here since 3 March 2026."
    )
    assert {fact.source for fact in told_facts(findings, 1)} == {"contact", "list"}


def test_the_second_level_adds_the_company_and_who_is_known_there() -> None:
    alone = Findings(ADA, Colleagues([], 0), None)
    several = Findings(ADA, Colleagues([BOB, BOB], 9), None)

    assert texts(alone, 2)[-2:] == [
        "Works at Analytical Engines (engines.example).",
        "Nobody else at Analytical Engines (engines.example) is known here.",
    ]
    assert texts(several, 2)[-3:-1] == [
        "9 colleagues at Analytical Engines (engines.example) known here.",
        "Bob (bob@engines.example) works there too: not yet.",
    ]
    assert told_summary(several, 2).endswith("Also known at the company: Bob, Bob and 7 more.")


def test_the_third_level_adds_what_was_said_each_with_its_event() -> None:
    findings = Findings(ADA, Colleagues([], 0), CONVERSATION)

    facts = [fact for fact in told_facts(findings, 3) if fact.source == "log"]

    assert [(fact.text, fact.event_id) for fact in facts] == [
        ("We sent 3 messages by e-mail, the last on 5 November 2026.", at(5)[0]),
        ("2 messages of ours were delivered, the last on 6 November 2026.", at(6)[0]),
        ("1 message of ours was opened, the last on 6 November 2026.", at(6)[0]),
        ("1 message of ours was clicked, the last on 2 November 2026.", at(2)[0]),
        ("1 message of ours failed, the last on 4 November 2026.", at(4)[0]),
        ("They sent 2 messages by e-mail, the last on 9 November 2026.", at(9)[0]),
        ("1 message of theirs answered ours, the last on 7 November 2026.", at(7)[0]),
        ("A message failed on 4 November 2026: mailbox full", at(4)[0]),
        ("Clicked https://engines.example/mill on 2 November 2026.", at(2)[0]),
        ("They wrote by e-mail on 9 November 2026: “Is it ready?”", at(9)[0]),
        ("They answered by e-mail on 7 November 2026: “Tell me more”", at(7)[0]),
        (f"We wrote by e-mail on 5 November 2026: “{('The mill ' * 40)[:159].rstrip()}…”", at(5)[0]),
        ("We wrote by e-mail on 3 November 2026: “Hello”", at(3)[0]),
        ("We wrote by e-mail on 1 November 2026, without words.", at(1)[0]),
    ]
    assert told_summary(findings, 3).endswith(
        "3 messages of ours and 2 messages of theirs, the last on 9 November 2026."
    )


def test_the_fourth_level_says_how_it_all_stands() -> None:
    findings = Findings(ADA, Colleagues([BOB], 1), CONVERSATION)

    assert told_summary(findings, 4) == (
        "Ada Lovelace of Analytical Engines (engines.example) has been known here since 3 March 2026. "
        "They are qualified and on the list “Spring”, with a fit of 80 of 100. "
        "Also known at the company: Bob. "
        "3 messages of ours and 2 messages of theirs, the last on 9 November 2026. "
        "Of our messages 2 delivered, 1 opened, 1 clicked. "
        "1 message could not be delivered, the last on 4 November 2026. "
        "They last wrote by e-mail on 9 November 2026: “Is it ready?” They wait for an answer."
    )
    assert "The last word is theirs, since 9 November 2026: it has no answer." in texts(findings, 4)
    assert set(texts(findings, 3)) < set(texts(findings, 4))


def test_silence_and_refusal_are_told() -> None:
    silent = Findings(ADA, Colleagues([], 0), [])
    refused = Findings(
        ADA, Colleagues([], 0), [said(2, outcome(3, "complained"), outcome(4, "unsubscribed"))]
    )

    assert texts(silent, 4)[-1] == "Nothing was said yet, by us or by them."
    assert told_summary(silent, 4).endswith("Nothing was said yet.")
    assert "Unsubscribed on 4 November 2026." in texts(refused, 4)
    assert "They unsubscribed on 4 November 2026: write no more." in told_summary(refused, 4)
    assert told_summary(refused, 4).endswith("They have never written.")


@given(
    st.text(max_size=3_000),
    st.lists(st.tuples(st.booleans(), st.text(max_size=500) | st.none()), max_size=200),
    st.integers(1, 4),
)
def test_whatever_is_found_a_dossier_keeps_its_bounds(
    name: str, told: list[tuple[bool, str | None]], level: int
) -> None:
    record = Record(**{field: getattr(ADA, field) for field in ADA.__slots__} | {"name": name})  # type: ignore[arg-type]
    findings = Findings(
        record, Colleagues([BOB], 1), [said(1, ours=ours, words=words) for ours, words in told]
    )

    facts, summary = told_facts(findings, level), told_summary(findings, level)

    assert len(facts) <= MOST_FACTS
    assert all(0 < len(fact.text) <= LONGEST_FACT for fact in facts)
    assert 0 < len(summary) <= LONGEST_SUMMARY
    assert (facts, summary) == (told_facts(findings, level), told_summary(findings, level))
