"""What may be attempted next: order, fairness, concurrency, pauses and circuit breaking, all in memory.

Only the owner of a shard dispatches its targets, so this is plain state of one process without locks. Work
of one conversation (target and ordering key) is attempted one at a time in the order in which it was added;
targets take turns; a failing target is probed by one attempt at a time; some slots are kept for first
attempts, so that a backlog of retries never delays fresh work. Times are the event loop's (monotonic).
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from outrider.dispatch.values import Work, shard_of

# A deferred head lets the rest of its conversation pass after this long (design §8).
HEAD_SECONDS = 120.0
_BREAKER_FAILURES = 20
_BREAKER_MAX_SECONDS = 60.0
_RETRY_TURN = 4
# How much work of one target comes into memory, and how much of one that does not get rid of it.
_TARGET_LOADED = 1_000
_STRUGGLING_LOADED = 20


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Attempts at once, and how many of them may be retries.

    A target may use half of what the others leave free, so that no number of slow targets takes every slot.
    """

    slots: int = 1_024
    retry_slots: int = 768


@dataclass(slots=True)
class _Conversation:
    """`current` is under way or next; `blocked_by` was deferred and goes first once it is back."""

    queue: deque[Work] = field(default_factory=deque)
    current: UUID | None = None
    blocked_by: UUID | None = None
    blocked_until: float = 0.0


@dataclass(slots=True)
class _Target:
    id: UUID
    fresh: deque[Work] = field(default_factory=deque)
    retries: deque[Work] = field(default_factory=deque)
    conversations: dict[int, _Conversation] = field(default_factory=dict)
    in_flight: int = 0
    paused_until: float = 0.0
    failures: int = 0
    breaker_level: int = 0
    turn: int = 0
    is_in_ring: bool = False
    is_without_slot: bool = False

    @property
    def is_idle(self) -> bool:
        """Nothing to remember of it."""
        return not (
            self.fresh
            or self.retries
            or self.conversations
            or self.in_flight
            or self.failures
            or self.paused_until
        )


class Lanes:
    """The works in memory and whose turn it is."""

    def __init__(self, limits: LaneLimits | None = None) -> None:
        self._limits = limits or LaneLimits()
        self._targets: dict[UUID, _Target] = {}
        self._ring: deque[_Target] = deque()
        # targets that have nothing but retries while all slots for retries are taken
        self._without_slot: deque[_Target] = deque()
        self._timers: list[tuple[float, int, UUID, int | None]] = []
        self._timer_number = 0
        self._in_flight = 0
        self._retries_in_flight = 0
        self._quarantined: dict[int, float] = {}
        self.loaded: dict[UUID, Work] = {}
        self.loaded_by_shard: dict[int, int] = {}
        self._loaded_by_target: dict[UUID, int] = {}
        self.in_flight_by_shard: dict[int, int] = {}

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        return self._in_flight

    def loaded_of(self, target_id: UUID) -> int:
        """How much work of a target is in memory."""
        return self._loaded_by_target.get(target_id, 0)

    def is_full(self, target_id: UUID, coming: int = 0) -> bool:
        """Whether a target has so much work in memory, or coming, that more would only take the room of others."""
        return self.loaded_of(target_id) + coming >= self._room_of(target_id)

    def has_much_room(self, target_id: UUID) -> bool:
        """Whether it is worth while to read on for a target."""
        return self.loaded_of(target_id) <= self._room_of(target_id) // 2

    def attended(self, now: float) -> list[UUID]:
        """The targets that are at work, or rest for a reason of their own."""
        return [
            target.id for target in self._targets.values() if target.in_flight or target.paused_until > now
        ]

    def quarantine(self, shard: int, until: float) -> None:
        """Hold the shard's conversations until an attempt of its vanished owner must have ended."""
        self._quarantined[shard] = until

    def block(self, target_id: UUID, ordering_key: int, head: UUID, until: float) -> None:
        """A conversation's head is deferred (learnt from the database under a new owner)."""
        conversation = self._target(target_id).conversations.setdefault(ordering_key, _Conversation())
        conversation.blocked_by = head
        until = max(until, self._quarantined.get(shard_of(target_id), 0.0))
        self._hold(target_id, ordering_key, conversation, until)

    def unblock(self, head: UUID, now: float) -> None:
        """A deferred head will not come back: it was cancelled."""
        for target in self._targets.values():
            for ordering_key, conversation in list(target.conversations.items()):
                if conversation.blocked_by == head:
                    conversation.blocked_by = None
                    conversation.blocked_until = self._quarantined.get(shard_of(target.id), 0.0)
                    self._promote(target, ordering_key, conversation, now)

    def add(self, work: Work, now: float) -> None:
        """Take work that is due; known work is left as it is."""
        row = work.row
        if row.id in self.loaded:
            return
        self.loaded[row.id] = work
        self.loaded_by_shard[row.shard] = self.loaded_by_shard.get(row.shard, 0) + 1
        self._loaded_by_target[row.target_id] = self.loaded_of(row.target_id) + 1
        target = self._target(row.target_id)
        if row.ordering_key is None:
            self._offer(target, work)
            return
        conversation = target.conversations.get(row.ordering_key)
        quarantined_until = self._quarantined.get(row.shard, 0.0)
        if conversation is None:
            conversation = target.conversations[row.ordering_key] = _Conversation()
            if quarantined_until > now:
                self._hold(row.target_id, row.ordering_key, conversation, quarantined_until)
        if conversation.blocked_by == row.id:
            conversation.blocked_by = None
            conversation.blocked_until = 0.0
            if quarantined_until > now:
                self._hold(row.target_id, row.ordering_key, conversation, quarantined_until)
            conversation.queue.appendleft(work)
        else:
            conversation.queue.append(work)
        self._promote(target, row.ordering_key, conversation, now)

    def next(self, now: float) -> Work | None:
        """The next work to attempt, its slot taken; None when nothing may start now."""
        if self._in_flight >= self._limits.slots:
            return None
        for _ in range(len(self._ring)):
            target = self._ring.popleft()
            work = self._pick(target, now)
            if work is None:
                target.is_in_ring = False
                self._await_slot(target)
                continue
            self._ring.append(target)
            target.in_flight += 1
            self._in_flight += 1
            shard = work.row.shard
            self.in_flight_by_shard[shard] = self.in_flight_by_shard.get(shard, 0) + 1
            if work.row.attempts:
                self._retries_in_flight += 1
            return work
        return None

    def end(
        self, work: Work, now: float, *, is_retried: bool, pause_seconds: float | None, has_failed: bool
    ) -> None:
        """Free the slot. `is_retried`: the work comes back later; `has_failed`: the target did not answer well."""
        row = work.row
        self._forget(work)
        self._in_flight -= 1
        self.in_flight_by_shard[row.shard] -= 1
        if row.attempts:
            self._retries_in_flight -= 1
        target = self._target(row.target_id)
        target.in_flight -= 1
        self._judge(target, now, pause_seconds=pause_seconds, has_failed=has_failed)
        if row.ordering_key is not None and row.ordering_key in target.conversations:
            conversation = target.conversations[row.ordering_key]
            if conversation.current == row.id:
                conversation.current = None
            if is_retried:
                conversation.blocked_by = row.id
                self._hold(row.target_id, row.ordering_key, conversation, now + HEAD_SECONDS)
            self._promote(target, row.ordering_key, conversation, now)
        self._enter_ring(target)
        if row.attempts:
            self._pass_slot_on(now)
        if target.is_idle:
            self._targets.pop(target.id, None)

    def drop_shard(self, shard: int) -> None:
        """Forget the shard's work that has not begun: somebody else owns it now."""
        for work in [work for work in self.loaded.values() if work.row.shard == shard]:
            self._forget(work)
        for target in self._targets.values():
            if shard_of(target.id) == shard:
                target.fresh.clear()
                target.retries.clear()
                target.conversations.clear()
        self._quarantined.pop(shard, None)

    def wake(self, now: float) -> float | None:
        """Act on what has become due by now; returns when to call again, None for never."""
        while self._timers and self._timers[0][0] <= now:
            _, _, target_id, ordering_key = heapq.heappop(self._timers)
            target = self._targets.get(target_id)
            if target is None:
                continue
            if ordering_key is not None:
                conversation = target.conversations.get(ordering_key)
                if conversation is not None:
                    self._promote(target, ordering_key, conversation, now)
            elif target.paused_until <= now:
                target.paused_until = 0.0
            self._enter_ring(target)
            if target.is_idle:
                self._targets.pop(target_id, None)
        return self._timers[0][0] if self._timers else None

    def _target(self, target_id: UUID) -> _Target:
        target = self._targets.get(target_id)
        if target is None:
            target = self._targets[target_id] = _Target(target_id)
        return target

    def _forget(self, work: Work) -> None:
        if self.loaded.pop(work.row.id, None) is None:
            return
        self.loaded_by_shard[work.row.shard] -= 1
        target_id = work.row.target_id
        self._loaded_by_target[target_id] -= 1
        if not self._loaded_by_target[target_id]:
            del self._loaded_by_target[target_id]

    def _room_of(self, target_id: UUID) -> int:
        target = self._targets.get(target_id)
        is_struggling = target is not None and (target.failures >= _BREAKER_FAILURES or target.paused_until)
        return _STRUGGLING_LOADED if is_struggling else _TARGET_LOADED

    def _offer(self, target: _Target, work: Work) -> None:
        (target.retries if work.row.attempts else target.fresh).append(work)
        self._enter_ring(target)

    def _enter_ring(self, target: _Target) -> None:
        if not target.is_in_ring and (target.fresh or target.retries):
            target.is_in_ring = True
            self._ring.append(target)

    def _await_slot(self, target: _Target) -> None:
        """Remember who has only retries while all slots for them are taken: no end of its own will call it."""
        is_waiting = target.retries and self._retries_in_flight >= self._limits.retry_slots
        if is_waiting and not target.is_without_slot:
            target.is_without_slot = True
            self._without_slot.append(target)

    def _pass_slot_on(self, now: float) -> None:
        while self._without_slot:
            target = self._without_slot.popleft()
            target.is_without_slot = False
            # who is paused or busy is called by its own timer or end
            if target.retries and target.paused_until <= now and target.in_flight < self._limit_of(target):
                self._enter_ring(target)
                return

    def _limit_of(self, target: _Target) -> int:
        left_by_others = self._limits.slots - self._in_flight + target.in_flight
        return 1 if target.failures >= _BREAKER_FAILURES else max(1, left_by_others // 2)

    def _pick(self, target: _Target, now: float) -> Work | None:
        if target.paused_until > now:
            return None
        if target.in_flight >= self._limit_of(target):
            return None
        target.turn += 1
        has_retry = bool(target.retries) and self._retries_in_flight < self._limits.retry_slots
        if has_retry and (not target.fresh or target.turn % _RETRY_TURN == 0):
            return target.retries.popleft()
        return target.fresh.popleft() if target.fresh else None

    def _promote(self, target: _Target, ordering_key: int, conversation: _Conversation, now: float) -> None:
        if conversation.current is not None or conversation.blocked_until > now:
            return
        if conversation.queue:
            work = conversation.queue.popleft()
            conversation.current = work.row.id
            self._offer(target, work)
        else:
            target.conversations.pop(ordering_key, None)

    def _hold(self, target_id: UUID, ordering_key: int, conversation: _Conversation, until: float) -> None:
        conversation.blocked_until = until
        self._set_timer(until, target_id, ordering_key)

    def _judge(self, target: _Target, now: float, *, pause_seconds: float | None, has_failed: bool) -> None:
        pause = pause_seconds or 0.0
        if not has_failed:
            target.failures = target.breaker_level = 0
        else:
            target.failures += 1
            # failures of attempts that were under way when the breaker opened do not raise it further
            if target.failures >= _BREAKER_FAILURES and target.paused_until <= now:
                target.breaker_level += 1
                pause = max(pause, min(0.5 * 2.0 ** min(target.breaker_level, 10), _BREAKER_MAX_SECONDS))
        if pause:
            target.paused_until = max(target.paused_until, now + pause)
            self._set_timer(target.paused_until, target.id, None)

    def _set_timer(self, moment: float, target_id: UUID, ordering_key: int | None) -> None:
        self._timer_number += 1
        heapq.heappush(self._timers, (moment, self._timer_number, target_id, ordering_key))
