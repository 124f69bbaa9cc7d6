"""Reads the queue into memory, forward from where it was: what other processes appended, what was deferred
and what was scheduled.

Appends of this process are handed over without asking the database as long as none is missing between them.
What does not fit into memory stays behind, for a whole shard or for one target, and is read in its order when
there is room again: a target with a backlog holds up no other.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Pool
from outrider.dispatch import cross_tenant
from outrider.dispatch.backlogs import FIRST_ID, LAST_ID, Backlog, Backlogs
from outrider.dispatch.lanes import HEAD_SECONDS, Lanes
from outrider.dispatch.values import Handler, QueueRow, Work
from outrider.events.values import AppendedDelivery, Flushed

_POLL_SECONDS = 0.5
_BACKSTOP_SECONDS = 2.0
_SHARD_LOADED = 4_000
_READ_ROWS = 200
_BACKLOG_ROWS = 500
_DUE_ROWS = 1_000
# A due time is decided before the commit that makes it visible, which takes less than this but for a disk
# that stands still: all that is due is looked for from time to time.
_DUE_OVERLAP = timedelta(seconds=20)
_LOOK_BACK_SECONDS = 300.0
_FAN_OUT_CHUNK = 500
_LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(slots=True)
class Shard:
    """A shard that this process owns. `is_behind`: the queue holds work that is not in memory."""

    epoch: int
    position: int = 0
    last_id: UUID = FIRST_ID
    is_behind: bool = True
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class ReadingEffects:
    """What reading needs of the dispatcher; `pump` is told that there may be something to attempt."""

    pool: Pool
    handlers: Mapping[str, Handler]
    candidate_patterns: Callable[[str], tuple[str, ...]]
    database_now: Callable[[], datetime]
    pump: Callable[[], None]
    may_read: Callable[[], bool]


class QueueReader:
    """The shards of one process and how far each was read."""

    def __init__(self, effects: ReadingEffects, lanes: Lanes) -> None:
        self._effects = effects
        self._lanes = lanes
        self.shards: dict[int, Shard] = {}
        self._backlogs = Backlogs(lanes)
        self._known_until = 0
        self._committed = 0
        self._is_reading = False
        self._during_read: list[Flushed] = []
        self._finished: set[UUID] = set()
        self._due_since = _LONG_AGO
        self._is_due_reset = False
        self._looked_back_at = 0.0
        self._is_forward_wanted = True
        self._read_forward_at = 0.0
        self._wake = asyncio.Event()

    def own(self, number: int, epoch: int) -> None:
        """Begin with a shard from the oldest of its work."""
        self.shards[number] = Shard(epoch)
        self._backlogs.forget_shard(number)
        self._look_at_all_due()
        self._is_forward_wanted = True

    def disown(self, number: int) -> None:
        """Somebody else owns the shard now."""
        del self.shards[number]
        self._backlogs.forget_shard(number)

    def wake(self) -> None:
        """Read now."""
        self._wake.set()

    def on_flushed(self, flushed: Flushed) -> None:
        """Take this process's own appends, in commit order, without asking the database."""
        if flushed.last_position is not None:
            self._committed = max(self._committed, flushed.last_position)
        if self._is_reading:
            self._during_read.append(flushed)
        else:
            self._hand_over(flushed)

    def on_appended_elsewhere(self, position: int) -> None:
        """Another process committed up to `position`: read forward."""
        self._committed = max(self._committed, position)
        self._want_forward()

    def on_ended(self, work: Work) -> None:
        """An attempt has ended: a read that began before must not bring its work back; there is room for more."""
        if self._is_reading:
            self._finished.add(work.row.id)
        elif self._backlogs.is_readable(work.row.target_id) or self._has_room_in(work.row.shard):
            self._wake.set()

    async def run(self) -> None:
        """Read until cancelled, whatever goes wrong."""
        while True:
            self._wake.clear()
            try:
                if self.shards and self._effects.may_read():
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
            shard = self.shards.get(delivery.shard)
            if shard is None or shard.is_leaving or delivery.id in self._finished:
                # what was read and done while its flush waited to be told of is not done again
                continue
            is_released = first is None or delivery.position <= first
            if not is_released and (not is_gapless or shard.is_behind or delivery.due_at is not None):
                # the reader finds it, the scheduled one at its time by the database's clock
                continue
            row = _row_of(delivery)
            if self._is_shard_full(delivery.shard):
                if not is_released:
                    self._fall_behind(shard, first or 0)
            elif self._backlogs.has_room_for(row):
                cargo = self._effects.handlers[delivery.kind].handed(items.get(delivery.event_id), delivery)
                self._lanes.add(Work(row, shard.epoch, cargo), now)

    @staticmethod
    def _fall_behind(shard: Shard, position: int) -> None:
        """Memory is full for this shard: what comes after `position` is read when there is room again."""
        if not shard.is_behind:
            shard.is_behind = True
            shard.position, shard.last_id = position, LAST_ID

    def _is_shard_full(self, number: int) -> bool:
        return self._lanes.loaded_by_shard.get(number, 0) >= _SHARD_LOADED

    def _look_at_all_due(self) -> None:
        self._due_since, self._is_due_reset = _LONG_AGO, True
        self._looked_back_at = monotonic()

    async def _read(self) -> None:
        self._is_reading = True
        self._finished.clear()
        try:
            is_stale = monotonic() - self._read_forward_at > _BACKSTOP_SECONDS
            if self._is_forward_wanted or is_stale or self._has_room_behind():
                await self._read_forward()
            if monotonic() - self._looked_back_at > _LOOK_BACK_SECONDS:
                self._look_at_all_due()
            await self._read_due()
            await self._read_backlogs()
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
            self._effects.pump()

    def _want_forward(self) -> None:
        self._is_forward_wanted = True
        self._wake.set()

    def _has_room_behind(self) -> bool:
        return any(self._has_room_in(number) for number in self.shards)

    def _has_room_in(self, number: int) -> bool:
        shard = self.shards.get(number)
        if shard is None or not shard.is_behind:
            return False
        return self._lanes.loaded_by_shard.get(number, 0) < _SHARD_LOADED // 2

    async def _read_forward(self) -> None:
        self._is_forward_wanted = False
        self._read_forward_at = monotonic()
        until = self._committed
        reading = {
            number: shard
            for number, shard in self.shards.items()
            if not shard.is_leaving and not self._is_shard_full(number)
        }
        for number in self.shards.keys() - reading.keys():
            self._fall_behind(self.shards[number], self._known_until)
        if not reading:
            return
        new = [number for number, shard in reading.items() if shard.position == 0]
        if new:
            await self._learn_deferred_heads(new)
        cursors = [
            (number, *((shard.position, shard.last_id) if shard.is_behind else (self._known_until, LAST_ID)))
            for number, shard in reading.items()
        ]
        epochs = {number: shard.epoch for number, shard in reading.items()}
        rows = await cross_tenant.select_forward(self._effects.pool, cursors, _READ_ROWS)
        await self._load(self._backlogs.with_room(rows), epochs)
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
                (row.position, row.id) if shard.is_behind and row else (until, LAST_ID)
            )
            if shard.is_behind and not self._is_shard_full(number):
                self._want_forward()
        self._known_until = until

    async def _learn_deferred_heads(self, shards: list[int]) -> None:
        heads = await cross_tenant.select_deferred_heads(self._effects.pool, shards)
        now = monotonic()
        for target_id, key, head, remaining in heads:
            # the head itself ends the wait once it is loaded
            self._lanes.block(target_id, key, head, now + min(max(0.0, remaining) + 10.0, HEAD_SECONDS))

    async def _read_due(self) -> None:
        epochs = {number: shard.epoch for number, shard in self.shards.items() if not shard.is_leaving}
        if not epochs:
            return
        asked_at = self._effects.database_now()
        if asked_at < self._due_since:
            # the clock was ahead for a while: what came due since then was not looked for
            self._look_at_all_due()
        since, self._is_due_reset = self._due_since, False
        rows = await cross_tenant.select_due(self._effects.pool, since, list(epochs), _DUE_ROWS)
        await self._load(self._backlogs.with_room(rows), epochs)
        if self._is_due_reset:
            # a shard came while this was read: its rows are older than where this read began
            return
        if len(rows) == _DUE_ROWS and rows[-1].due_at is not None:
            self._due_since = max(since, rows[-1].due_at - timedelta(microseconds=1))
            self._wake.set()
        else:
            self._due_since = max(since, asked_at - _DUE_OVERLAP)

    async def _read_backlogs(self) -> None:
        for backlog in self._backlogs.readable():
            shard = self.shards.get(backlog.shard)
            if shard is None or shard.is_leaving:
                continue
            epochs = {backlog.shard: shard.epoch}
            if backlog.position is not None:
                await self._read_ready_backlog(backlog, backlog.position, epochs)
            if backlog.has_due:
                await self._read_due_backlog(backlog, epochs)
            self._backlogs.settle(backlog)

    async def _read_ready_backlog(self, backlog: Backlog, position: int, epochs: Mapping[int, int]) -> None:
        rows = await cross_tenant.select_forward_of(
            self._effects.pool, backlog.shard, backlog.target_id, (position, backlog.last_id), _BACKLOG_ROWS
        )
        taken = await self._load(rows, epochs, until_full=True)
        if taken == len(rows) < _BACKLOG_ROWS:
            backlog.position = None
        elif taken:
            backlog.stand_behind(rows[taken - 1])
            self._wake.set()

    async def _read_due_backlog(self, backlog: Backlog, epochs: Mapping[int, int]) -> None:
        # those in memory stand in the queue, too, and may be the first
        limit = _BACKLOG_ROWS + self._lanes.loaded_of(backlog.target_id)
        rows = await cross_tenant.select_due_of(self._effects.pool, backlog.shard, backlog.target_id, limit)
        new = [row for row in rows if row.id not in self._lanes.loaded]
        taken = await self._load(new, epochs, until_full=True)
        backlog.has_due = taken < len(new) or len(rows) == limit
        if backlog.has_due and taken:
            self._wake.set()

    async def _load(
        self, rows: Sequence[QueueRow], epochs: Mapping[int, int], *, until_full: bool = False
    ) -> int:
        """Add rows that are not in memory, did not end while they were read, and are still ours to attempt.

        Returns how many rows were dealt with: all of them, or (`until_full`) as far as their target has room.
        """
        wanted: dict[str, list[QueueRow]] = {}
        for row in rows:
            if row.id not in self._lanes.loaded:
                wanted.setdefault(row.kind, []).append(row)
        works: dict[UUID, Work] = {}
        for kind, kind_rows in wanted.items():
            for row, cargo in zip(kind_rows, await self._effects.handlers[kind].load(kind_rows), strict=True):
                works[row.id] = Work(row, epochs[row.shard], cargo)
        now = monotonic()
        taken = 0
        for row in rows:
            if until_full and self._lanes.is_full(row.target_id):
                break
            taken += 1
            work, shard = works.get(row.id), self.shards.get(row.shard)
            is_ours = shard is not None and not shard.is_leaving and shard.epoch == epochs[row.shard]
            if work is not None and is_ours and row.id not in self._finished:
                self._lanes.add(work, now)
        self._effects.pump()
        return taken

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
