"""The dispatcher: hands due work to its handler and records the end of each attempt.

The owner of a shard gets its own process's appends straight after their commit; what other processes
appended, what was deferred and what was scheduled is read from the queue, forward from where it was. Every
end is recorded by the appender together with its facts, and counts only while the shard's epoch holds. It
promises at-least-once delivery and, per conversation, the order of acceptance.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Pool
from outrider.core.errors import Unavailable
from outrider.core.metrics import Metrics
from outrider.dispatch import cross_tenant
from outrider.dispatch.lanes import HEAD_SECONDS, LaneLimits, Lanes
from outrider.dispatch.leases import Beat, LeaseLimits, Leases
from outrider.dispatch.values import Ended, Handler, QueueRow, Work
from outrider.events.appending import Appender, PoisonedItem
from outrider.events.values import Append, AppendedDelivery, DeliveryOutcome, Flushed, Verdict

# No attempt runs longer than this. In conversations the limit is shorter: there a new owner waits it out before
# it goes on where an owner vanished.
ATTEMPT_SECONDS = 66.0
ORDERED_ATTEMPT_SECONDS = 25.0
_POLL_SECONDS = 0.5
_BACKSTOP_SECONDS = 2.0
_SHARD_LOADED = 2_000
_READ_ROWS = 200
_DUE_ROWS = 1_000
# Longer than any commit takes: a due time is decided before the commit that makes it visible.
_DUE_OVERLAP = timedelta(seconds=20)
_BROKEN_RETRY_SECONDS = 60
_BROKEN_RETRY_MAX_SECONDS = 3_600
_NO_DATABASE_RETRY_SECONDS = 2
_FAN_OUT_CHUNK = 500
_FIRST_ID = UUID(int=0)
_LAST_ID = UUID(int=(1 << 128) - 1)


@dataclass(slots=True)
class _Shard:
    """A shard that this process owns. `is_behind`: the queue holds work that is not in memory."""

    epoch: int
    position: int = 0
    last_id: UUID = _FIRST_ID
    is_behind: bool = True
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class DispatchEffects:
    """What the dispatcher needs from outside; `candidate_patterns` as for the appender.

    `database_now` tells the database's time, with the offset that `set_clock_offset` is told of.
    """

    pool: Pool
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
        self._shards: dict[int, _Shard] = {}
        self.leases = Leases(effects.pool, process, role=role, on_beat=self._on_beat, limits=lease_limits)
        self._known_until = 0
        self._committed = 0
        self._is_reading = False
        self._during_read: list[Flushed] = []
        self._finished: set[UUID] = set()
        self._due_since = datetime.fromtimestamp(0, UTC)
        self._is_due_reset = False
        self._is_forward_wanted = True
        self._read_forward_at = 0.0
        self._wake = asyncio.Event()
        self._attempts: dict[asyncio.Task[None], Work] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_closing = False

    async def start(self) -> None:
        """Join the other processes and begin."""
        await self.leases.start()
        self._reader = asyncio.create_task(self._run(), name="dispatch-reader")

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

    @property
    def shards_owned(self) -> int:
        """Shards that are leased to this process."""
        return len(self._shards)

    def on_flushed(self, flushed: Flushed) -> None:
        """Take this process's own appends, in commit order, without asking the database."""
        if flushed.last_position is not None:
            self._committed = max(self._committed, flushed.last_position)
        self._unblock_cancelled(flushed)
        if self._is_reading:
            self._during_read.append(flushed)
        else:
            self._hand_over(flushed)
        self._pump()

    def on_appended_elsewhere(self, position: int) -> None:
        """Another process committed up to `position`: read forward."""
        self._committed = max(self._committed, position)
        self._want_forward()

    def _hand_over(self, flushed: Flushed) -> None:
        first, last = flushed.previous_position, flushed.last_position
        is_gapless = first == self._known_until
        if first is not None and last is not None:
            if is_gapless:
                self._known_until = last
            elif last > self._known_until:
                self._want_forward()
        if flushed.deliveries:
            self._take_handed(flushed, first, is_gapless=is_gapless)

    def _take_handed(self, flushed: Flushed, first: int | None, *, is_gapless: bool) -> None:
        now = monotonic()
        items = {event.id: item for item in flushed.items for event in item.events}
        items |= {item.event_id: item for item in flushed.items}
        for delivery in flushed.deliveries:
            shard = self._shards.get(delivery.shard)
            if shard is None or shard.is_leaving:
                continue
            is_released = first is None or delivery.position <= first
            if not is_released and (not is_gapless or shard.is_behind or delivery.due_at is not None):
                # the reader finds it, the scheduled one at its time by the database's clock
                continue
            if self._lanes.loaded_by_shard.get(delivery.shard, 0) >= _SHARD_LOADED:
                if not is_released:
                    self._fall_behind(shard, first or 0)
                continue
            cargo = self._effects.handlers[delivery.kind].handed(items.get(delivery.event_id), delivery)
            self._lanes.add(Work(_row_of(delivery), shard.epoch, cargo), now)

    @staticmethod
    def _fall_behind(shard: _Shard, position: int) -> None:
        """Memory is full for this shard: what comes after `position` is read when there is room again."""
        if not shard.is_behind:
            shard.is_behind = True
            shard.position, shard.last_id = position, _LAST_ID

    def _unblock_cancelled(self, flushed: Flushed) -> None:
        for item in flushed.items:
            if item.outcome is not None and item.outcome.epoch is None:
                self._lanes.unblock(item.outcome.delivery_id, monotonic())

    def _on_beat(self, beat: Beat) -> None:
        self._effects.set_clock_offset(beat.offset_ms)
        for number in set(self._shards) - set(beat.owned):
            del self._shards[number]
            self._lanes.drop_shard(number)
        now = monotonic()
        for number, epoch in beat.owned.items():
            known = self._shards.get(number)
            if known is not None and known.epoch == epoch:
                continue
            if known is not None:
                self._lanes.drop_shard(number)
            self._shards[number] = _Shard(epoch)
            if beat.taken.get(number):
                self._lanes.quarantine(number, now + ORDERED_ATTEMPT_SECONDS)
            self._due_since, self._is_due_reset = datetime.fromtimestamp(0, UTC), True
            self._is_forward_wanted = True
        self._give_back_extras(beat.live_workers)
        self._wake.set()
        self._pump()

    def _give_back_extras(self, live_workers: int) -> None:
        share = -(-64 // max(1, live_workers))
        staying = [number for number, shard in self._shards.items() if not shard.is_leaving]
        for number in staying[share:]:
            self._shards[number].is_leaving = True
            self._lanes.drop_shard(number)
        for number, shard in self._shards.items():
            if shard.is_leaving and not self._lanes.in_flight_by_shard.get(number):
                self.leases.give_back(number)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                if self._shards and not self.leases.is_fenced:
                    await self._read()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the next read must come
                if isinstance(error, STATEMENT_FAULTS):
                    reason = f"{type(error).__name__}: {error}"
                    log.warning("dispatch.read_failed", outcome="failed", reason=reason)
                else:
                    log.exception("dispatch.broken", error)
                self._is_forward_wanted = True
                await asyncio.sleep(_POLL_SECONDS)
            # not wait_for: it may swallow the cancellation that ends this loop
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()

    async def _read(self) -> None:
        self._is_reading = True
        self._finished.clear()
        try:
            is_stale = monotonic() - self._read_forward_at > _BACKSTOP_SECONDS
            if self._is_forward_wanted or is_stale or self._has_room_behind():
                await self._read_forward()
            await self._read_due()
            await self._expand_fan_outs()
        finally:
            self._is_reading = False
            waiting, self._during_read = self._during_read, []
            for flushed in waiting:
                if (
                    flushed.last_position is None
                    or flushed.last_position > self._known_until
                    or flushed.deliveries
                ):
                    self._hand_over(flushed)
            self._pump()

    def _want_forward(self) -> None:
        self._is_forward_wanted = True
        self._wake.set()

    def _has_room_behind(self) -> bool:
        return any(
            shard.is_behind and self._lanes.loaded_by_shard.get(number, 0) < _SHARD_LOADED // 2
            for number, shard in self._shards.items()
        )

    async def _read_forward(self) -> None:
        self._is_forward_wanted = False
        self._read_forward_at = monotonic()
        until = self._committed
        reading = {
            number: shard
            for number, shard in self._shards.items()
            if not shard.is_leaving and self._lanes.loaded_by_shard.get(number, 0) < _SHARD_LOADED
        }
        for number in self._shards.keys() - reading.keys():
            self._fall_behind(self._shards[number], self._known_until)
        if not reading:
            return
        new = [number for number, shard in reading.items() if shard.position == 0]
        if new:
            await self._learn_deferred_heads(new)
        cursors = [
            (number, *((shard.position, shard.last_id) if shard.is_behind else (self._known_until, _LAST_ID)))
            for number, shard in reading.items()
        ]
        epochs = {number: shard.epoch for number, shard in reading.items()}
        rows = await cross_tenant.select_forward(self._effects.pool, cursors, _READ_ROWS)
        await self._load(rows, epochs)
        # commit order is position order: whatever is below a visible position was visible too
        until = max(until, self._known_until, max((row.position for row in rows), default=0))
        last_rows: dict[int, tuple[int, QueueRow]] = {}
        for row in rows:
            count, _ = last_rows.get(row.shard, (0, row))
            last_rows[row.shard] = (count + 1, row)
        for number, shard in reading.items():
            count, row = last_rows.get(number, (0, None))
            shard.is_behind = count >= _READ_ROWS
            shard.position, shard.last_id = (
                (row.position, row.id) if shard.is_behind and row else (until, _LAST_ID)
            )
            if shard.is_behind and self._lanes.loaded_by_shard.get(number, 0) < _SHARD_LOADED:
                self._want_forward()
        self._known_until = until

    async def _learn_deferred_heads(self, shards: list[int]) -> None:
        heads = await cross_tenant.select_deferred_heads(self._effects.pool, shards)
        now = monotonic()
        for target_id, key, head, remaining in heads:
            # the head itself ends the wait once it is loaded
            self._lanes.block(target_id, key, head, now + min(max(0.0, remaining) + 10.0, HEAD_SECONDS))

    async def _read_due(self) -> None:
        epochs = {number: shard.epoch for number, shard in self._shards.items() if not shard.is_leaving}
        if not epochs:
            return
        since, self._is_due_reset = self._due_since, False
        asked_at = self._effects.database_now()
        rows = await cross_tenant.select_due(self._effects.pool, since, list(epochs), _DUE_ROWS)
        await self._load(rows, epochs)
        if self._is_due_reset:
            # a shard came while this was read: its rows are older than where this read began
            return
        if len(rows) == _DUE_ROWS and rows[-1].due_at is not None:
            self._due_since = max(since, rows[-1].due_at - timedelta(microseconds=1))
            self._wake.set()
        else:
            self._due_since = max(since, asked_at - _DUE_OVERLAP)

    async def _load(self, rows: list[QueueRow], epochs: Mapping[int, int]) -> None:
        """Add rows that are not in memory, did not end while they were read, and are still ours to attempt."""
        wanted: dict[str, list[QueueRow]] = {}
        for row in rows:
            if row.id not in self._lanes.loaded:
                wanted.setdefault(row.kind, []).append(row)
        works: dict[UUID, Work] = {}
        for kind, kind_rows in wanted.items():
            for row, cargo in zip(kind_rows, await self._effects.handlers[kind].load(kind_rows), strict=True):
                works[row.id] = Work(row, epochs[row.shard], cargo)
        now = monotonic()
        for row in rows:
            work, shard = works.get(row.id), self._shards.get(row.shard)
            is_ours = shard is not None and not shard.is_leaving and shard.epoch == epochs[row.shard]
            if work is not None and is_ours and row.id not in self._finished:
                self._lanes.add(work, now)
        self._pump()

    async def _expand_fan_outs(self) -> None:
        for application_id, position, event_id, event_type in await cross_tenant.select_fan_outs(
            self._effects.pool
        ):
            patterns = self._effects.candidate_patterns(event_type)
            is_done = False
            while not is_done:
                is_done = await cross_tenant.expand_fan_out(
                    self._effects.pool, application_id, position, event_id, patterns, _FAN_OUT_CHUNK
                )
            self._wake.set()

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
        try:
            ended = await self._ended(work)
            try:
                verdict = await self._recorded(ended)
            except PoisonedItem as error:
                log.error("delivery.not_recorded", outcome="failed", delivery_id=work.row.id)
                ended = _broken(work, error, self._effects.database_now())
                verdict = await self._recorded(ended)
        except (PoisonedItem, Unavailable) as error:
            log.error("delivery.left", outcome="failed", reason=str(error), delivery_id=work.row.id)
        finally:
            self._end(work, ended, verdict)

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

    def _end(self, work: Work, ended: Ended | None, verdict: Verdict) -> None:
        if self._is_reading:
            self._finished.add(work.row.id)
        outcome = ended.append.outcome if ended is not None else None
        is_recorded = verdict == Verdict.APPENDED and outcome is not None
        self._lanes.end(
            work,
            monotonic(),
            is_retried=ended is not None and ended.retry_at is not None,
            pause_seconds=ended.pause_seconds if ended is not None else None,
            has_failed=outcome is not None
            and outcome.result != "succeeded"
            and ended is not None
            and ended.is_target_at_fault,
        )
        result = outcome.result if is_recorded and outcome is not None else "stale"
        self._effects.metrics.deliveries_total.add(work.row.kind, result)
        if outcome is not None and outcome.duration_ms is not None:
            self._effects.metrics.delivery_seconds.observe(outcome.duration_ms / 1000, work.row.kind)
        self._pump()


def _row_of(delivery: AppendedDelivery) -> QueueRow:
    return QueueRow(
        delivery.application_id,
        delivery.shard,
        delivery.position,
        delivery.id,
        delivery.kind,
        delivery.event_id,
        delivery.target_id,
        delivery.ordering_key,
        "ready",
        0,
        delivery.due_at,
        delivery.expires_at,
    )


def _broken(work: Work, error: Exception, now: datetime) -> Ended:
    """A handler failed by itself: the work stays as it is, and comes back later and later."""
    row = work.row
    if isinstance(error, (Unavailable, *STATEMENT_FAULTS)) and not isinstance(error, TimeoutError):
        seconds = _NO_DATABASE_RETRY_SECONDS
    else:
        seconds = min(_BROKEN_RETRY_SECONDS * 2 ** min(row.attempts, 10), _BROKEN_RETRY_MAX_SECONDS)
    outcome = DeliveryOutcome(
        shard=row.shard,
        epoch=work.epoch,
        position=row.position,
        delivery_id=row.id,
        number=row.attempts + 1,
        result="broken",
        final_state=None,
        reason=None,
        next_state=None,
        due_at=now + timedelta(seconds=seconds),
        started_at=now,
        duration_ms=0,
        status_code=None,
        detail=f"internal error ({type(error).__name__})",
        release_fragment=None,
    )
    append = Append(application_id=row.application_id, event_id=row.id, outcome=outcome, is_new_fact=False)
    return Ended(append, retry_at=outcome.due_at)
