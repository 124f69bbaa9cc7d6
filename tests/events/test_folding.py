"""Receipts in any order, repeated, early or late, in batches of any cut: the fold is always the same."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.events.appending import Appender
from outrider.events.values import Append, MessageState
from outrider.runtime.verifying import verify
from tests.events.appends import NOON, appending, new_message, receipt, sent

_STATES = (MessageState.SENT, MessageState.FAILED, MessageState.DELIVERED, MessageState.READ)
_COLUMNS = {
    MessageState.SENT: "sent_at",
    MessageState.FAILED: "failed_at",
    MessageState.DELIVERED: "delivered_at",
    MessageState.READ: "read_at",
}


@pytest.fixture(scope="module")
async def appenders(dsn: str) -> AsyncGenerator[tuple[Appender, Appender]]:
    async with appending(dsn) as one, appending(dsn) as other:
        yield one, other


@pytest.fixture(scope="module")
async def database(dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.lists(st.tuples(st.sampled_from(_STATES), st.integers(0, 90)), max_size=8),
    repeats=st.lists(st.integers(0, 7), max_size=4),
    record_at=st.integers(0, 8),
    has_record=st.booleans(),
    cuts=st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=12),
)
async def test_the_fold_is_the_greatest_state_and_the_earliest_time_of_each_kind(
    appenders: tuple[Appender, Appender],
    database: "asyncpg.Connection[asyncpg.Record]",
    *,
    told: list[tuple[MessageState, int]],
    repeats: list[int],
    record_at: int,
    has_record: bool,
    cuts: list[tuple[int, bool]],
) -> None:
    message = new_message(uuid4(), uuid4())
    await appenders[0].append(message)
    items = [
        receipt(message, "x", state, NOON + timedelta(seconds=second), f"key {number}")
        for number, (state, second) in enumerate(told)
    ]
    items += [
        receipt(message, "x", told[number][0], NOON + timedelta(seconds=told[number][1]), f"key {number}")
        for number in repeats
        if number < len(told)
    ]
    facts = list(told)
    if has_record:
        items.insert(min(record_at, len(items)), sent(message, "x", NOON + timedelta(seconds=30)))
        facts.append((MessageState.SENT, 30))

    await _append_in_batches(appenders, items, cuts)

    row = await database.fetchrow("select * from messages where id = $1", message.event_id)
    assert row is not None
    if not has_record:
        # nobody knows yet whose receipts these are
        assert row["state"] == MessageState.ACCEPTED
        return
    assert row["state"] == max(state for state, _ in facts)
    for state, column in _COLUMNS.items():
        seconds = [second for one, second in facts if one == state]
        assert row[column] == (NOON + timedelta(seconds=min(seconds)) if seconds else None)


async def _append_in_batches(
    appenders: tuple[Appender, Appender], items: list[Append], cuts: list[tuple[int, bool]]
) -> None:
    turn = 0
    while items:
        size, is_other = cuts[turn % len(cuts)]
        batch, items = items[:size], items[size:]
        first = appenders[is_other]
        # half of the batches come from two processes at once
        second = appenders[not is_other] if turn % 2 else first
        await asyncio.gather(
            *((first if number % 2 else second).append(item) for number, item in enumerate(batch))
        )
        turn += 1


async def test_the_log_agrees_with_every_fold_of_this_module(dsn: str, appenders: object) -> None:
    del appenders
    found = await verify(dsn)
    found.pop("edge to a missing platform user", None)
    assert found == {}
