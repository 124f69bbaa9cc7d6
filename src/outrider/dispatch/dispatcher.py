"""The dispatcher: hands due work to its handler and records the end of each attempt.

It owns shards, starts what its lanes say is next, and lets the appender record every end together with its
facts, which counts only while the shard's epoch holds. It promises at-least-once delivery and, per
conversation, the order of acceptance.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.database.pools import Pool
from outrider.core.errors import Unavailable
from outrider.core.ids import time_of
from outrider.core.metrics import Metrics
from outrider.dispatch import cross_tenant
from outrider.dispatch.lanes import LaneLimits, Lanes
from outrider.dispatch.leases import Beat, LeaseLimits, Leases
from outrider.dispatch.reading import QueueReader, ReadingEffects
from outrider.dispatch.values import Ended, Handler, Work
from outrider.events.appending import Appender, PoisonedItem
from outrider.events.values import Append, DeliveryOutcome, Flushed, Verdict

# No attempt runs longer than this. In conversations the limit is shorter: there a new owner waits it out before
# it goes on where an owner vanished.
ATTEMPT_SECONDS = 66.0
ORDERED_ATTEMPT_SECONDS = 25.0
_BROKEN_RETRY_SECONDS = 60.0
_BROKEN_RETRY_MAX_SECONDS = 3_600.0
_NO_DATABASE_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class DispatchEffects:
    """What the dispatcher needs from outside; `candidate_patterns` as for the appender.

    `database_now` tells the database's time, with the offset that `set_clock_offset` is told of.
    """

    pool: Pool
    heartbeats: Pool
    appender: Appender
    handlers: Mapping[str, Handler]
    candidate_patterns: Callable[[str], tuple[str, ...]]
    set_clock_offset: Callable[[int], None]
    database_now: Callable[[], datetime]
    metrics: Metrics


class Dispatcher:
    """One per process that works; see the module."""

    def __init__(
        self,
        effects: DispatchEffects,
        process: UUID,
        *,
        role: str,
        limits: LaneLimits | None = None,
        lease_limits: LeaseLimits | None = None,
    ) -> None:
        self._effects = effects
        self._lanes = Lanes(limits)
        self.leases = Leases(
            effects.heartbeats, process, role=role, on_beat=self._on_beat, limits=lease_limits
        )
        self._reading = QueueReader(
            ReadingEffects(
                pool=effects.pool,
                handlers=effects.handlers,
                candidate_patterns=effects.candidate_patterns,
                database_now=effects.database_now,
                pump=self._pump,
                may_read=lambda: not self.leases.is_fenced,
            ),
            self._lanes,
        )
        self._attempts: dict[asyncio.Task[None], Work] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_closing = False

    async def start(self) -> None:
        """Join the other processes and begin."""
        await self.leases.start()
        self._reader = asyncio.create_task(self._reading.run(), name="dispatch-reader")

    async def close(self, patience: float) -> None:
        """Start nothing new, let attempts finish for `patience` seconds, hand the shards back."""
        self._is_closing = True
        if self._reader is not None:
            self._reader.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._attempts:
            await asyncio.wait(list(self._attempts), timeout=patience)
        cut = dict(self._attempts)
        for task in cut:
            task.cancel()
        if cut:
            log.warning("dispatch.cut_off", outcome="failed", attempts=len(cut))
            await asyncio.wait(list(cut), timeout=1)
        await self.leases.close({work.row.shard for work in cut.values()})

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        return self._lanes.in_flight

    async def neglected_seconds(self) -> float:
        """For how long the oldest due work has waited that this process should have begun; asks the database."""
        return await cross_tenant.select_neglected_age(
            self._effects.pool, list(self._reading.shards), self._lanes.attended(monotonic())
        )

    @property
    def shards_owned(self) -> int:
        """Shards that are leased to this process."""
        return len(self._reading.shards)

    def on_flushed(self, flushed: Flushed) -> None:
        """Take this process's own appends, in commit order, without asking the database."""
        self._unblock_cancelled(flushed)
        self._reading.on_flushed(flushed)
        self._pump()

    def on_appended_elsewhere(self, position: int) -> None:
        """Another process committed up to `position`."""
        self._reading.on_appended_elsewhere(position)

    def _unblock_cancelled(self, flushed: Flushed) -> None:
        for item in flushed.items:
            if item.outcome is not None and item.outcome.epoch is None:
                self._lanes.unblock(item.outcome.delivery_id, monotonic())

    def _on_beat(self, beat: Beat) -> None:
        self._effects.set_clock_offset(beat.offset_ms)
        shards = self._reading.shards
        for number in set(shards) - set(beat.owned):
            self._reading.disown(number)
            self._lanes.drop_shard(number)
        now = monotonic()
        for number, epoch in beat.owned.items():
            known = shards.get(number)
            if known is not None and known.epoch == epoch:
                continue
            if known is not None:
                self._lanes.drop_shard(number)
            self._reading.own(number, epoch)
            if beat.taken.get(number):
                self._lanes.quarantine(number, now + ORDERED_ATTEMPT_SECONDS)
        self._give_back_extras(beat.live_workers)
        self._reading.wake()
        self._pump()

    def _give_back_extras(self, live_workers: int) -> None:
        share = -(-64 // max(1, live_workers))
        shards = self._reading.shards
        staying = [number for number, shard in shards.items() if not shard.is_leaving]
        for number in staying[share:]:
            shards[number].is_leaving = True
            self._lanes.drop_shard(number)
        for number, shard in shards.items():
            if shard.is_leaving and not self._lanes.in_flight_by_shard.get(number):
                self.leases.give_back(number)

    def _pump(self) -> None:
        if self._is_closing or self.leases.is_fenced:
            return
        now = monotonic()
        next_timer = self._lanes.wake(now)
        while (work := self._lanes.next(now)) is not None:
            task = asyncio.create_task(self._attempt(work))
            self._attempts[task] = work
            task.add_done_callback(self._attempts.pop)
        if next_timer is not None and (
            self._timer is None or self._timer.cancelled() or self._timer.when() > next_timer
        ):
            if self._timer is not None:
                self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, next_timer - now), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()

    async def _attempt(self, work: Work) -> None:
        ended: Ended | None = None
        verdict = Verdict.STALE
        is_left = False
        try:
            ended = await self._ended(work)
            try:
                verdict = await self._recorded(ended)
            except PoisonedItem as error:
                log.error("delivery.not_recorded", outcome="failed", delivery_id=work.row.id)
                ended = _broken(work, error, self._effects.database_now())
                verdict = await self._recorded(ended)
        except (PoisonedItem, Unavailable) as error:
            is_left = True
            log.error("delivery.left", outcome="failed", reason=str(error), delivery_id=work.row.id)
        finally:
            self._end(work, ended, verdict, is_left=is_left)

    async def _recorded(self, ended: Ended) -> Verdict:
        return (await self._effects.appender.append(ended.append, patience=None)).verdict

    async def _ended(self, work: Work) -> Ended:
        limit = ATTEMPT_SECONDS if work.row.ordering_key is None else ORDERED_ATTEMPT_SECONDS
        try:
            async with asyncio.timeout(limit):
                return await self._effects.handlers[work.row.kind].attempt(work)
        except Exception as error:  # noqa: BLE001 -- a bug in a handler must not lose the work
            log.exception("delivery.broken", error, delivery_id=work.row.id)
            return _broken(work, error, self._effects.database_now())

    def _end(self, work: Work, ended: Ended | None, verdict: Verdict, *, is_left: bool) -> None:
        self._reading.on_ended(work)
        outcome = ended.append.outcome if ended is not None else None
        is_recorded = verdict == Verdict.APPENDED and outcome is not None
        self._lanes.end(
            work,
            monotonic(),
            is_retried=is_left or (ended is not None and ended.retry_at is not None),
            pause_seconds=ended.pause_seconds if ended is not None else None,
            has_failed=outcome is not None
            and outcome.result != "succeeded"
            and ended is not None
            and ended.is_target_at_fault,
        )
        if is_left:
            # the queue does not know that it comes back
            seconds = _broken_seconds(work, self._effects.database_now())
            asyncio.get_running_loop().call_later(seconds, self._take_again, work)
        result = outcome.result if is_recorded and outcome is not None else "stale"
        self._effects.metrics.deliveries_total.add(work.row.kind, result)
        if outcome is not None and outcome.duration_ms is not None:
            self._effects.metrics.delivery_seconds.observe(outcome.duration_ms / 1000, work.row.kind)
        self._pump()

    def _take_again(self, work: Work) -> None:
        shard = self._reading.shards.get(work.row.shard)
        if shard is not None and shard.epoch == work.epoch and not shard.is_leaving:
            self._lanes.add(work, monotonic())
            self._pump()


def _broken(work: Work, error: Exception, now: datetime) -> Ended:
    """A handler failed by itself: the work stays as it is and comes back; no attempt of its schedule is used up."""
    row = work.row
    is_database = isinstance(error, (Unavailable, *DATABASE_FAULTS)) and not isinstance(error, TimeoutError)
    seconds = _NO_DATABASE_RETRY_SECONDS if is_database else _broken_seconds(work, now)
    outcome = DeliveryOutcome(
        shard=row.shard,
        epoch=work.epoch,
        position=row.position,
        delivery_id=row.id,
        number=row.attempts,
        result="broken",
        final_state=None,
        reason=None,
        next_state=None,
        due_at=now + timedelta(seconds=seconds),
        started_at=None,
        duration_ms=None,
        status_code=None,
        detail=None,
        release_fragment=None,
    )
    append = Append(application_id=row.application_id, event_id=row.id, outcome=outcome, is_new_fact=False)
    return Ended(append, retry_at=outcome.due_at)


def _broken_seconds(work: Work, now: datetime) -> float:
    """Later and later: what is old already has been tried often."""
    age = (now - time_of(work.row.event_id)).total_seconds()
    return min(max(age / 2, _BROKEN_RETRY_SECONDS), _BROKEN_RETRY_MAX_SECONDS)
