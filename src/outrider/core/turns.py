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
    """The turns of one process; whoever waits too long for one is refused."""

    at_once: int
    at_once_each: int
    wait_seconds: float
    _taken: Counter[UUID] = field(default_factory=Counter[UUID])
    _waiting: list[tuple[UUID, _Turn]] = field(default_factory=list[tuple[UUID, _Turn]])

    @asynccontextmanager
    async def taken(self, tenant: UUID, refusal: str) -> AsyncGenerator[None]:
        """Hold a turn while the block runs; raises `Unavailable` in these words if none comes in time."""
        if self._is_free_for(tenant):
            self._taken[tenant] += 1
        else:
            await self._awaited(tenant, refusal)
        try:
            yield
        finally:
            self._give_back(tenant)

    async def _awaited(self, tenant: UUID, refusal: str) -> None:
        turn: _Turn = asyncio.get_running_loop().create_future()
        place = (tenant, turn)
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self.wait_seconds):
                await turn
        except BaseException as ended:
            if place in self._waiting:
                self._waiting.remove(place)
            else:
                # it came at the very moment at which nobody wanted it any more
                self._give_back(tenant)
            if isinstance(ended, TimeoutError):
                raise Unavailable(refusal) from None
            raise

    def _is_free_for(self, tenant: UUID) -> bool:
        return self._taken.total() < self.at_once and self._taken[tenant] < self.at_once_each

    def _give_back(self, tenant: UUID) -> None:
        self._taken[tenant] -= 1
        self._taken += Counter()  # who has none left is forgotten
        for place in self._waiting:
            # one that was cancelled has yet to take itself off
            if not place[1].done() and self._is_free_for(place[0]):
                self._waiting.remove(place)
                self._taken[place[0]] += 1
                place[1].set_result(None)
                return
