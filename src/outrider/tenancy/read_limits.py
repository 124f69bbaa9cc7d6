"""Limits of the read API: each key has a bucket of 120 requests that fills by one a second, and 120 in any 30 seconds.

Counting is shared by all processes and exact: what comes while one count is on its way is counted together by the
next. What is known to be refused is refused without a count.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import RateLimited
from outrider.tenancy.cross_tenant import TakenReadsRow, take_reads
from outrider.tenancy.rate_limits import Headers

SHOWN_LIMIT: Final = 60
"""What the headers say: how many a minute, for as long as anybody likes."""
MOST_AT_ONCE: Final = 120
_HUNDREDTH: Final = timedelta(milliseconds=10)


@dataclass(frozen=True, slots=True)
class ReadLimitState:
    """How a key stands: `reset` is when its bucket will be full again, in seconds since 1970."""

    reset: int

    def headers(self) -> Headers:
        """What every answer to the key says."""
        return (
            (b"x-ratelimit-limit", b"%d" % SHOWN_LIMIT),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        )


class ReadRateExceeded(RateLimited):
    """Too many requests with this API key: 60 a minute, or 120 within 30 seconds."""

    def __init__(self, state: ReadLimitState, retry_after: int) -> None:
        super().__init__()
        self.state = state
        self.retry_after = retry_after

    def headers(self) -> Headers:
        """What the answer says beside its body."""
        return (*self.state.headers(), (b"retry-after", b"%d" % self.retry_after))


@dataclass(frozen=True, slots=True)
class _Spent:
    """A key that may ask nothing before a moment: others can only use up more meanwhile."""

    state: ReadLimitState
    until: datetime


class ReadLimits:
    """The limits as one process keeps them; `now` is the database's time."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._waiting: dict[UUID, list[asyncio.Future[ReadLimitState]]] = {}
        self._spent: dict[UUID, _Spent] = {}
        self._counting: asyncio.Task[None] | None = None

    async def check(self, key_id: UUID) -> ReadLimitState:
        """Count one request; raises `ReadRateExceeded` if it is one too many, `Unavailable` if nobody can count."""
        self._refuse_if_spent(key_id)
        future: asyncio.Future[ReadLimitState] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key_id, []).append(future)
        if self._counting is None:
            self._counting = asyncio.create_task(self._count())
        return await future

    def _refuse_if_spent(self, key_id: UUID) -> None:
        spent = self._spent.get(key_id)
        if spent is None:
            return
        left = (spent.until - self._now()).total_seconds()
        if left > 0:
            raise ReadRateExceeded(spent.state, max(1, math.ceil(left)))
        del self._spent[key_id]

    async def _count(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                await self._count_once(asked)
        finally:
            self._counting = None

    async def _count_once(self, asked: "Mapping[UUID, list[asyncio.Future[ReadLimitState]]]") -> None:
        moment = self._now()
        try:
            with faults_as_unavailable():
                taken = await take_reads(
                    self._pool, moment, [(key_id, len(futures)) for key_id, futures in asked.items()]
                )
        except Exception as fault:  # noqa: BLE001 -- it is the callers' to hear
            for futures in asked.values():
                for future in futures:
                    _fail(future, fault)
            return
        for key_id, futures in asked.items():
            self._tell(moment, taken[key_id], futures)

    def _tell(
        self, moment: datetime, taken: TakenReadsRow, futures: "list[asyncio.Future[ReadLimitState]]"
    ) -> None:
        state = ReadLimitState(math.ceil((moment + taken.full_in * _HUNDREDTH).timestamp()))
        if taken.next_in > 0:
            self._spent[taken.key_id] = _Spent(state, moment + taken.next_in * _HUNDREDTH)
        for number, future in enumerate(futures, 1):
            if number > taken.granted:
                _fail(future, ReadRateExceeded(state, max(1, math.ceil(taken.next_in / 100))))
            elif not future.done():
                future.set_result(state)


def _fail(future: "asyncio.Future[ReadLimitState]", fault: Exception) -> None:
    if not future.done():
        future.set_exception(fault)
