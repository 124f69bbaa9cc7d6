"""Rate limits of API keys and members: so many requests in a clock minute, and so many in any one second, by tier.

Counting is shared by all processes and exact: what comes while one count is on its way is counted together by the
next, so a busy key costs one statement for many requests. The unlimited tier is not counted and asks nobody.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import RateLimited
from outrider.tenancy.actors import Counted
from outrider.tenancy.cross_tenant import TakenRow, take_requests
from outrider.tenancy.tiers import TIERS, Tier

Headers = tuple[tuple[bytes, bytes], ...]

SHOWN_UNLIMITED: Final = 1_000_000
"""What the headers say where there is no limit."""


@dataclass(frozen=True, slots=True)
class LimitState:
    """How a key stands in its minute; `reset` is the minute's end in seconds since 1970."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> Headers:
        """What every answer to the key says."""
        return (
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        )


class RateExceeded(RateLimited):
    """Rate limit exceeded."""

    def __init__(self, state: LimitState, retry_after: int) -> None:
        reset_at = datetime.fromtimestamp(state.reset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # in the words of the contract
        super().__init__("Rate limit exceeded", limit=state.limit, reset_at=reset_at)
        self.state = state
        self.retry_after = retry_after

    def headers(self) -> Headers:
        """What the answer says beside its body."""
        return (*self.state.headers(), (b"retry-after", b"%d" % self.retry_after))


@dataclass(slots=True)
class _Waiting:
    """The requests of one key that wait for the next count."""

    tier: Tier
    futures: "list[asyncio.Future[LimitState]]"


class RateLimits:
    """The limits as one process keeps them; `now` is the database's time."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._waiting: dict[UUID, _Waiting] = {}
        self._spent: dict[UUID, tuple[Tier, int]] = {}
        self._counting: asyncio.Task[None] | None = None
        self._unlimited = LimitState(SHOWN_UNLIMITED, SHOWN_UNLIMITED, 0)

    async def check(self, caller: Counted) -> LimitState:
        """Count one request; raises `RateExceeded` if it is one too many, `Unavailable` if nobody can count."""
        tier = TIERS.get(caller.tier)
        if tier is None:
            return self._uncounted()
        counted_as = caller.counted_as
        self._refuse_if_spent(counted_as, tier)
        future: asyncio.Future[LimitState] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(counted_as, _Waiting(tier, []))
        waiting.tier = tier
        waiting.futures.append(future)
        if self._counting is None:
            self._counting = asyncio.create_task(self._count())
        return await future

    def _uncounted(self) -> LimitState:
        # only the headers need the time, and they tell whole minutes
        if time.time() >= self._unlimited.reset:
            reset = (int(time.time()) // 60 + 1) * 60
            self._unlimited = LimitState(SHOWN_UNLIMITED, SHOWN_UNLIMITED, reset)
        return self._unlimited

    def _refuse_if_spent(self, key_id: UUID, tier: Tier) -> None:
        """Within a minute that is used up nobody need be asked again."""
        spent = self._spent.get(key_id)
        if spent is None:
            return
        reset = spent[1]
        if spent[0] == tier and self._now().timestamp() < reset:
            raise self._exceeded(LimitState(tier.in_minute, 0, reset))
        del self._spent[key_id]

    def _exceeded(self, state: LimitState) -> RateExceeded:
        return RateExceeded(state, max(1, math.ceil(state.reset - self._now().timestamp())))

    async def _count(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                await self._count_once(asked)
        finally:
            self._counting = None

    async def _count_once(self, asked: Mapping[UUID, _Waiting]) -> None:
        wanted = [
            (key_id, one.tier.in_minute, one.tier.in_second, len(one.futures))
            for key_id, one in asked.items()
        ]
        try:
            with faults_as_unavailable():
                taken = await take_requests(self._pool, self._now(), wanted)
        except Exception as fault:  # noqa: BLE001 -- it is the callers' to hear
            for one in asked.values():
                for future in one.futures:
                    _fail(future, fault)
            return
        for key_id, one in asked.items():
            self._tell(key_id, one, taken[key_id])

    def _tell(self, key_id: UUID, waiting: _Waiting, taken: TakenRow) -> None:
        limit, reset = waiting.tier.in_minute, (taken.minute + 1) * 60
        if taken.used >= limit:
            self._spent[key_id] = (waiting.tier, reset)
        left_before = limit - taken.used + taken.granted
        for number, future in enumerate(waiting.futures, 1):
            if number <= taken.granted:
                if not future.done():
                    future.set_result(LimitState(limit, left_before - number, reset))
                continue
            state = LimitState(limit, max(0, limit - taken.used), reset)
            _fail(future, RateExceeded(state, 1) if taken.is_burst else self._exceeded(state))


def _fail(future: "asyncio.Future[LimitState]", fault: Exception) -> None:
    if not future.done():
        future.set_exception(fault)
