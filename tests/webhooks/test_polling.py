"""Who polls what, and when: claims that one process has at a time, and what their ends write."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import pytest

from outrider.core.database.pools import Pool
from outrider.webhooks.cross_tenant import ClaimedPoll, claim_polls, end_poll
from tests.running import new_database


@pytest.fixture
async def pool(dsn: str) -> AsyncGenerator[Pool]:
    """A database on which no process polls."""
    async with new_database(dsn, "polling") as own, asyncpg.create_pool(own, min_size=1, max_size=8) as found:
        yield cast("Pool", found)


async def _due(pool: Pool, count: int) -> set[UUID]:
    wanted = {uuid4() for _ in range(count)}
    await pool.executemany(
        "insert into polls (application_id, connection_id) values ($1, $2)",
        [(uuid4(), one) for one in wanted],
    )
    return wanted


async def _claim(pool: Pool, limit: int = 8, seconds: float = 60) -> list[ClaimedPoll]:
    return await claim_polls(pool, uuid4(), limit, seconds)


async def test_what_is_due_is_claimed_by_one_process_only(pool: Pool) -> None:
    wanted = await _due(pool, 20)

    claimed = [
        one.connection_id
        for found in await asyncio.gather(*(_claim(pool) for _ in range(6)))
        for one in found
    ]
    claimed += [one.connection_id for one in await _claim(pool, limit=100)]

    assert sorted(claimed) == sorted(wanted)
    assert await _claim(pool) == []


async def test_a_claim_that_ran_out_is_anothers_and_the_late_end_changes_nothing(pool: Pool) -> None:
    await _due(pool, 1)
    (lost,) = await _claim(pool, seconds=0)
    (own,) = await _claim(pool)
    assert own.connection_id == lost.connection_id

    await end_poll(pool, lost, seconds=0, cursor='{"uid": 1}', failure=None)
    assert await _claim(pool) == []
    await end_poll(pool, own, seconds=0, cursor='{"uid": 2}', failure=None)

    (again,) = await _claim(pool)
    assert again.cursor == '{"uid": 2}'


async def test_failures_are_counted_until_one_poll_succeeds_and_keep_the_cursor(pool: Pool) -> None:
    await _due(pool, 1)
    (claimed,) = await _claim(pool)
    await end_poll(pool, claimed, seconds=0, cursor='{"uid": 5}', failure=None)
    for expected in (0, 1, 2):
        (claimed,) = await _claim(pool)
        assert (claimed.failures, claimed.cursor) == (expected, '{"uid": 5}')
        await end_poll(pool, claimed, seconds=0, cursor=None, failure="no answer")
    (claimed,) = await _claim(pool)
    await end_poll(pool, claimed, seconds=0, cursor='{"uid": 6}', failure=None)
    (claimed,) = await _claim(pool)
    assert (claimed.failures, claimed.cursor) == (0, '{"uid": 6}')
