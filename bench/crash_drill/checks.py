"""The promises, held against the evidence. A violation is a sentence; the drill fails on the first one."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bench.crash_drill.evidence import Arrivals, Evidence, Record
from bench.crash_drill.traffic import Acknowledged
from bench.crash_drill.victims import Kill

# A request that was sent before a kill may be read by the sink a little after it: at most so much to excuse one
# repeat, and so much to be counted as in flight.
_GRACE_SECONDS = 0.5
_COUNTED_SECONDS = 0.1
_SHOWN = 5


@dataclass
class Verdict:
    """The figures, and what contradicts the promises."""

    acknowledged: int = 0
    stored: int = 0
    delivered: int = 0
    duplicated: int = 0
    lost: int = 0
    in_flight_at_kills: int = 0
    duplicated_after: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def blame(self, what: str, cases: Iterable[str]) -> None:
        """Note a broken promise with its first cases."""
        found = list(cases)
        if found:
            shown = ", ".join(found[:_SHOWN])
            self.violations.append(f"{what}: {len(found)} ({shown}{', ...' if len(found) > _SHOWN else ''})")


def judge(acknowledged: Acknowledged, evidence: Evidence, kills: list[Kill]) -> Verdict:
    """Hold everything that was acknowledged against the log and the sink."""
    verdict = Verdict(acknowledged=acknowledged.count)
    _check_presence(verdict, acknowledged, evidence)
    _check_order(verdict, evidence)
    _check_repeats(verdict, evidence, kills)
    if evidence.log.unfinished:
        verdict.violations.append(f"{evidence.log.unfinished} deliveries are unfinished")
    given_up = (
        f"{name} {record.state}"
        for name, record in evidence.log.deliveries.items()
        if record.state != "succeeded"
    )
    verdict.blame("deliveries that did not succeed", given_up)
    return verdict


def _check_presence(verdict: Verdict, acknowledged: Acknowledged, evidence: Evidence) -> None:
    """Once in the log, under the id that was given; at the sink, as itself and as a webhook."""
    log = evidence.log
    messages = acknowledged.messages
    not_stored = {text for text, event_id in messages.items() if log.outbound.get(text) != [event_id]}
    not_stored |= {text for text in acknowledged.inbound if len(log.inbound.get(text, ())) != 1}
    unsent = {text for text in messages if text not in evidence.platform.times}
    untold = {text for text in messages if text not in evidence.outbound_hooks.times}
    untold |= {text for text in acknowledged.inbound if text not in evidence.inbound_hooks.times}
    verdict.blame("acknowledged, but not exactly once in the log", not_stored)
    verdict.blame("acknowledged, but never sent to the platform", unsent)
    verdict.blame("acknowledged, but its webhook never came", untold)
    verdict.stored = verdict.acknowledged - len(not_stored)
    verdict.delivered = verdict.acknowledged - len(unsent | untold)
    verdict.lost = len(not_stored | unsent | untold)


def _check_order(verdict: Verdict, evidence: Evidence) -> None:
    """In each conversation first arrivals came in the order of acceptance, which is the log's."""
    sides = (
        ("messages", evidence.log.outbound, evidence.platform),
        ("inbound webhooks", evidence.log.inbound, evidence.inbound_hooks),
    )
    for name, stored, arrived in sides:
        verdict.blame(f"{name} not accepted in their client's order", _disordered(stored))
        verdict.blame(f"{name} not arrived in order", _disordered(arrived.times))


def _disordered(texts: Iterable[str]) -> Iterator[str]:
    """Texts that come after a later one of their conversation."""
    latest: dict[str, str] = {}
    for text in texts:
        conversation, _, number = text.rpartition(" ")
        if number < latest.get(conversation, ""):
            yield f"{text} after {latest[conversation]}"
        latest[conversation] = max(number, latest.get(conversation, ""))


def _check_repeats(verdict: Verdict, evidence: Evidence, kills: list[Kill]) -> None:
    """A repeat has its first id, a kill between itself and the arrival before, and was in flight at one."""
    moments = [kill.at for kill in kills]
    for name, arrived in evidence.arrivals.items():
        verdict.duplicated += arrived.repeats
        verdict.duplicated_after.update(_blamed_kills(arrived, kills))
        verdict.blame(
            f"{name} with several idempotency ids",
            (text for text, ids in arrived.ids.items() if len(ids) > 1),
        )
        verdict.blame(
            f"{name} without an idempotency id", (text for text, ids in arrived.ids.items() if "" in ids)
        )
        verdict.blame(f"{name} repeated without a kill before it", _unexplained(arrived, moments))
        verdict.in_flight_at_kills += _in_flight(arrived, evidence.log.deliveries, moments)
    if verdict.duplicated > verdict.in_flight_at_kills:
        verdict.violations.append(
            f"{verdict.duplicated} duplicates, but {verdict.in_flight_at_kills} deliveries in flight at the kills"
        )


def _unexplained(arrived: Arrivals, moments: list[float]) -> Iterator[str]:
    for text, times in arrived.times.items():
        for before, after in itertools.pairwise(times):
            if not any(before - _GRACE_SECONDS <= moment <= after for moment in moments):
                yield f"{text} after {after - before:.2f} s"


def _in_flight(arrived: Arrivals, records: dict[str, Record], moments: list[float]) -> int:
    """Attempts that had come to the sink before a kill, since the kill before it, and were recorded after it."""
    count = 0
    spans = list(itertools.pairwise((0.0, *moments)))
    for text, times in arrived.times.items():
        ended = (records[name].finished_at.timestamp() for name in arrived.ids[text] if name in records)
        last = max(ended, default=float("inf"))
        count += sum(
            any(before < at <= moment + _COUNTED_SECONDS for at in times) and moment < last
            for before, moment in spans
        )
    return count


def _blamed_kills(arrived: Arrivals, kills: list[Kill]) -> Iterator[str]:
    """For each repeat the victim of the first kill after the arrival before it."""
    for times in arrived.times.values():
        for before, after in itertools.pairwise(times):
            between = (kill for kill in kills if before - _GRACE_SECONDS <= kill.at <= after)
            first = next(between, None)
            if first is not None:
                yield first.victim
