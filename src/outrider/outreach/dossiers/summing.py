"""A dossier put together: the facts of its level, and its summary in sentences."""

from collections.abc import Iterator
from itertools import islice

from outrider.outreach.dossiers.conversing import Exchange, channels_of, facts_of_exchange, facts_of_standing
from outrider.outreach.dossiers.recounting import company_name, facts_of_company, facts_of_record, names_of
from outrider.outreach.dossiers.values import (
    LONGEST_FACT,
    LONGEST_SUMMARY,
    MOST_FACTS,
    Fact,
    Findings,
    Level,
    Record,
)
from outrider.outreach.dossiers.wording import counted, day, quoted


def told_facts(findings: Findings, level: int) -> list[Fact]:
    """Give the facts of a level, at most as many as a dossier holds."""
    return [
        Fact(one.text[:LONGEST_FACT], one.source, one.event_id)
        for one in islice(_facts(findings, level), MOST_FACTS)
    ]


def told_summary(findings: Findings, level: int) -> str:
    """Give the summary: one sentence at the first level, all that matters at the last."""
    return " ".join(_sentences(findings, level))[:LONGEST_SUMMARY]


def _facts(findings: Findings, level: int) -> Iterator[Fact]:
    yield from facts_of_record(findings.record)
    if findings.colleagues is not None:
        yield from facts_of_company(findings.record, findings.colleagues)
    if findings.said is not None:
        exchange = Exchange(findings.said)
        if level >= Level.WHOLE:
            # the conversation may be long, and how it stands must not be what is left out
            yield from facts_of_standing(exchange)
        yield from facts_of_exchange(exchange)


def _sentences(findings: Findings, level: int) -> Iterator[str]:
    yield _who(findings.record)
    if level >= Level.WHOLE:
        yield _standing(findings.record)
    if findings.colleagues is not None and findings.colleagues.count:
        yield f"Also known at the company: {names_of(findings.colleagues)}."
    if findings.said is not None:
        yield from _conversation(Exchange(findings.said), level)


def _who(record: Record) -> str:
    name = company_name(record)
    at = f" of {name}" if name is not None else ""
    return f"{record.name}{at} has been known here since {day(record.created_at)}."


def _standing(record: Record) -> str:
    scores = [
        f"{word} {score} of 100"
        for word, score in (("a fit of", record.fit_score), ("an urgency of", record.urgency_score))
        if score is not None
    ]
    told = f", with {' and '.join(scores)}" if scores else ""
    listed = f" and on the list “{record.list_name}”" if record.list_name is not None else ""
    return f"They are {record.qualification_status.replace('_', ' ')}{listed}{told}."


def _conversation(exchange: Exchange, level: int) -> Iterator[str]:
    last = exchange.last
    if last is None:
        yield "Nothing was said yet."
        return
    ours, theirs = exchange.ours, exchange.theirs
    counts = f"{counted(len(ours), 'message')} of ours and {counted(len(theirs), 'message')} of theirs"
    yield f"{counts}, the last on {day(last.at)}."
    if level < Level.WHOLE:
        return
    yield from _reception(exchange)
    if not theirs:
        yield "They have never written."
        return
    words = f": {quoted(theirs[0].words)}" if theirs[0].words else "."
    yield f"They last wrote by {channels_of(theirs[:1])} on {day(theirs[0].at)}{words}"
    yield "We wrote last." if last.is_ours else "They wait for an answer."


def _reception(exchange: Exchange) -> Iterator[str]:
    counts = [
        (len(exchange.reached(event_type)), word)
        for event_type, word in (
            ("message.delivered", "delivered"),
            ("message.opened", "opened"),
            ("message.clicked", "clicked"),
        )
    ]
    known = [f"{count:,} {word}" for count, word in counts if count]
    if known:
        yield f"Of our messages {', '.join(known)}."
    failed = exchange.reached("message.failed")
    if failed:
        yield f"{counted(len(failed), 'message')} could not be delivered, the last on {day(failed[0][1].at)}."
    for event_type, word in (("message.unsubscribed", "unsubscribed"), ("message.complained", "complained")):
        for end in exchange.all_of(event_type)[:1]:
            yield f"They {word} on {day(end.at)}: write no more."
