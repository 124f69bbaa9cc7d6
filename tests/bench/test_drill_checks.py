"""The crash drill's checks must see what they are there to see."""

from datetime import UTC, datetime

from bench.crash_drill.checks import judge
from bench.crash_drill.evidence import Arrivals, Evidence, Log, Record
from bench.crash_drill.traffic import Acknowledged
from bench.crash_drill.victims import Kill

KILL_AT = 100.0


def evidence_of(*texts: str, finished_at: float = 50.0) -> tuple[Acknowledged, Evidence]:
    """Everything as promised: each text is one message, in the log, sent and told once, a second apart."""
    acknowledged = Acknowledged(messages={text: f"id of {text}" for text in texts}, inbound={"sender n00000"})
    platform, outbound, inbound = Arrivals(), Arrivals(), Arrivals()
    for second, text in enumerate(texts):
        platform.add(text, 10.0 + second, f"message {text}")
        outbound.add(text, 11.0 + second, f"webhook {text}")
    inbound.add("sender n00000", 10.0, "webhook of the sender")
    record = Record("succeeded", datetime.fromtimestamp(finished_at, UTC))
    names = [
        name for arrived in (platform, outbound, inbound) for ids in arrived.ids.values() for name in ids
    ]
    log = Log(
        outbound={text: [f"id of {text}"] for text in texts},
        inbound={"sender n00000": ["some id"]},
        deliveries=dict.fromkeys(names, record),
        unfinished=0,
    )
    return acknowledged, Evidence(log, platform, outbound, inbound)


def kills() -> list[Kill]:
    return [Kill("server 1", KILL_AT, 60, 1.0)]


def test_kept_promises_are_not_blamed() -> None:
    acknowledged, evidence = evidence_of("chat n00000", "chat n00001")

    verdict = judge(acknowledged, evidence, kills())

    assert verdict.violations == []
    assert (verdict.acknowledged, verdict.stored, verdict.delivered, verdict.lost) == (3, 3, 3, 0)


def test_a_message_that_is_not_in_the_log_is_lost() -> None:
    acknowledged, evidence = evidence_of("chat n00000", "chat n00001")
    del evidence.log.outbound["chat n00001"]

    verdict = judge(acknowledged, evidence, kills())

    assert (verdict.stored, verdict.lost) == (2, 1)
    assert "not exactly once in the log" in verdict.violations[0]


def test_a_message_that_is_twice_in_the_log_is_blamed() -> None:
    acknowledged, evidence = evidence_of("chat n00000")
    evidence.log.outbound["chat n00000"].append("another id")

    assert "not exactly once in the log" in judge(acknowledged, evidence, kills()).violations[0]


def test_a_message_that_never_came_to_the_platform_is_lost() -> None:
    acknowledged, evidence = evidence_of("chat n00000", "chat n00001")
    del evidence.platform.times["chat n00001"]

    verdict = judge(acknowledged, evidence, kills())

    assert (verdict.delivered, verdict.lost) == (2, 1)
    assert "never sent to the platform" in verdict.violations[0]


def test_an_inbound_webhook_of_which_nobody_was_told_is_lost() -> None:
    acknowledged, evidence = evidence_of("chat n00000")
    evidence.inbound_hooks.times.clear()

    verdict = judge(acknowledged, evidence, kills())

    assert verdict.lost == 1
    assert "its webhook never came" in verdict.violations[0]


def test_a_first_arrival_out_of_order_is_blamed() -> None:
    acknowledged, evidence = evidence_of("chat n00001", "other n00000", "chat n00000")
    for text in ("chat n00001", "other n00000"):  # accepted in order all the same
        evidence.log.outbound[text] = evidence.log.outbound.pop(text)

    violations = judge(acknowledged, evidence, kills()).violations

    assert violations == ["messages not arrived in order: 1 (chat n00000 after n00001)"]


def test_a_repeat_over_a_kill_is_a_duplicate_and_no_violation() -> None:
    acknowledged, evidence = evidence_of("chat n00000", finished_at=130.0)
    evidence.platform.add("chat n00000", 125.0, "message chat n00000")

    verdict = judge(acknowledged, evidence, kills())

    assert verdict.duplicated == 1
    assert verdict.in_flight_at_kills >= 1
    assert verdict.violations == []


def test_a_repeat_with_no_kill_before_it_is_blamed() -> None:
    acknowledged, evidence = evidence_of("chat n00000")
    evidence.platform.add("chat n00000", 20.0, "message chat n00000")

    violations = judge(acknowledged, evidence, kills()).violations

    assert any("repeated without a kill before it" in violation for violation in violations)
    assert any("deliveries in flight at the kills" in violation for violation in violations)


def test_a_repeat_under_another_id_is_blamed() -> None:
    acknowledged, evidence = evidence_of("chat n00000", finished_at=130.0)
    evidence.platform.add("chat n00000", 125.0, "another id")

    violations = judge(acknowledged, evidence, kills()).violations

    assert any("several idempotency ids" in violation for violation in violations)


def test_a_delivery_that_was_given_up_is_blamed() -> None:
    acknowledged, evidence = evidence_of("chat n00000")
    evidence.log.deliveries["message chat n00000"] = Record("failed", datetime.fromtimestamp(50.0, UTC))

    assert "did not succeed" in judge(acknowledged, evidence, kills()).violations[-1]
