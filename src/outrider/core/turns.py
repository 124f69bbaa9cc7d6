"""Turns at what takes much memory or time: some at once over all tenants, fewer for each of them.

So nobody keeps others from theirs by asking often, or by being slow.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from outrider.core.errors import Unavailable

_Turn = asyncio.Future[None]


@dataclass(slots=True)
class Turns:
    """The turns of one process; nobody waits for one longer than `within` so many seconds."""

    at_once: int
    at_once_each: int
    _taken: Counter[UUID] = field(default_factory=Counter[UUID])
    _waiting: list[tuple[UUID, _Turn]] = field(default_factory=list[tuple[UUID, _Turn]])

    @asynccontextmanager
    async def taken(self, tenant: UUID, refusal: str, *, within: float) -> AsyncGenerator[None]:
        """Hold a turn while the block runs; raises `Unavailable` in these words if none comes in time."""
        if not await self.take(tenant, within=within):
            raise Unavailable(refusal)
        try:
            yield
        finally:
            self.give_back(tenant)

    async def take(self, tenant: UUID, *, within: float) -> bool:
        """Take a turn, which is to be given back; False if none comes in time."""
        if self._is_free_for(tenant):
            self._taken[tenant] += 1
            return True
        turn: _Turn = asyncio.get_running_loop().create_future()
        place = (tenant, turn)
        self._waiting.append(place)
        try:
            async with asyncio.timeout(within):
                await turn
        except (TimeoutError, asyncio.CancelledError) as ended:
            if place in self._waiting:
                self._waiting.remove(place)
            else:
                # it came at the very moment at which nobody wanted it any more
                self.give_back(tenant)
            if isinstance(ended, TimeoutError):
                return False
            raise
        return True

    def give_back(self, tenant: UUID) -> None:
        """Give a turn back: whoever has waited longest and may have it gets it."""
        self._taken[tenant] -= 1
        self._taken += Counter()  # who has none left is forgotten
        for place in self._waiting:
            # one that was cancelled has yet to take itself off
            if not place[1].done() and self._is_free_for(place[0]):
                self._waiting.remove(place)
                self._taken[place[0]] += 1
                place[1].set_result(None)
                return

    def _is_free_for(self, tenant: UUID) -> bool:
        return self._taken.total() < self.at_once and self._taken[tenant] < self.at_once_each
