"""Turns that are few over all tenants and fewer for each."""

import asyncio
from uuid import uuid4

import pytest

from outrider.core.errors import Unavailable
from outrider.core.turns import Turns

ONE, OTHER, THIRD = uuid4(), uuid4(), uuid4()
NO = "Too many."


class Holder:
    """Somebody who holds a turn until told to let go."""

    def __init__(self, turns: Turns, tenant: object = ONE) -> None:
        self._turns, self._tenant = turns, tenant
        self.has_it, self._let_go = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._turns.taken(self._tenant, NO):  # type: ignore[arg-type]
            self.has_it.set()
            await self._let_go.wait()

    async def end(self) -> None:
        self._let_go.set()
        await self.task


async def holding(turns: Turns, *tenants: object) -> list[Holder]:
    holders = [Holder(turns, tenant) for tenant in tenants]
    for one in holders:
        await one.has_it.wait()
    return holders


async def test_one_tenant_leaves_turns_to_others() -> None:
    turns = Turns(3, 2, 0.05)
    holders = await holding(turns, ONE, ONE)

    with pytest.raises(Unavailable, match=NO):
        async with turns.taken(ONE, NO):
            pass
    holders += await holding(turns, OTHER)
    with pytest.raises(Unavailable, match=NO):
        async with turns.taken(THIRD, NO):
            pass

    for one in holders:
        await one.end()
    await asyncio.gather(*(one.end() for one in await holding(turns, ONE, ONE, OTHER)))


async def test_who_waits_gets_the_turn_that_is_given_back_to_them() -> None:
    turns = Turns(2, 1, 30.0)
    first, second = await holding(turns, ONE, OTHER)
    same, third = Holder(turns, ONE), Holder(turns, THIRD)

    await second.end()
    await third.has_it.wait()
    assert not same.has_it.is_set()
    await first.end()
    await same.has_it.wait()

    await same.end()
    await third.end()


async def test_who_gave_up_leaves_nothing_behind() -> None:
    turns = Turns(1, 1, 30.0)
    (first,) = await holding(turns, ONE)
    waiting, granted = Holder(turns, OTHER), Holder(turns, THIRD)
    await asyncio.sleep(0)

    waiting.task.cancel()
    await asyncio.wait([waiting.task])
    # given the turn and cancelled in the same moment
    first_ends = asyncio.create_task(first.end())
    await asyncio.sleep(0)
    granted.task.cancel()
    await asyncio.wait([granted.task, first_ends])

    (last,) = await holding(turns, ONE)
    await last.end()
