"""The listener behind the directories: what it hears, and what it does when its connection is lost."""

import asyncio
import time
from collections.abc import Callable

import asyncpg
import pytest

from outrider.core import log
from outrider.core.database.listening import Listener
from outrider.tenancy.context import TenancyContext

SELECT_LISTENERS = """
select pid from pg_stat_activity
where application_name = 'outrider listener' and datname = current_database()
"""


class Heard:
    """What a listener called back with."""

    def __init__(self) -> None:
        self.payloads: list[str] = []
        self.gaps = 0

    def note(self, payload: str) -> None:
        self.payloads.append(payload)

    def note_gap(self) -> None:
        self.gaps += 1


async def until(claim: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until a claim holds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def listeners(tenancy: TenancyContext) -> set[int]:
    """The server's processes that listen for somebody."""
    return {row["pid"] for row in await tenancy.database.system.fetch(SELECT_LISTENERS)}


async def test_payloads_reach_the_callbacks_of_their_channel(tenancy: TenancyContext) -> None:
    first, second = Heard(), Heard()
    listener = Listener(tenancy.database.dsn)
    listener.on("test_one", first.note).on("test_two", second.note).on_gap(first.note_gap)
    await listener.start()

    for channel, payload in (("test_one", "a"), ("test_two", "b"), ("test_three", "c"), ("test_one", "d")):
        await tenancy.database.system.execute("select pg_notify($1, $2)", channel, payload)
    await until(lambda: len(first.payloads) == 2 and len(second.payloads) == 1)

    assert (first.payloads, second.payloads, first.gaps) == (["a", "d"], ["b"], 1)
    await listener.close()


async def test_a_lost_connection_is_replaced_and_the_gap_is_told(
    tenancy: TenancyContext,
) -> None:
    heard = Heard()
    lines: list[bytes] = []
    listener = Listener(tenancy.database.dsn).on("test_one", heard.note).on_gap(heard.note_gap)
    before = await listeners(tenancy)
    await listener.start()

    (pid,) = await listeners(tenancy) - before
    with log.redirected(lines.append):
        await tenancy.database.system.execute("select pg_terminate_backend($1, 5000)", pid)
        await until(lambda: heard.gaps == 2)
    await tenancy.database.system.execute("select pg_notify('test_one', 'after')")
    await until(lambda: heard.payloads == ["after"])

    assert any(b"listener.lost" in line for line in lines)
    await listener.close()
    deadline = time.monotonic() + 5
    while await listeners(tenancy) > before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_the_first_connect_must_succeed() -> None:
    listener = Listener("postgresql://nobody@127.0.0.1:1/nothing").on("test_one", lambda payload: None)

    with pytest.raises((OSError, asyncpg.PostgresError)):
        await listener.start()
    await listener.close()
