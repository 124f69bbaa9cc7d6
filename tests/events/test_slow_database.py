"""A database that has no time for a whole batch."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import asyncpg
import pytest

from outrider.events.values import Verdict
from tests.events.appends import appending, new_event
from tests.running import new_database

_SLOW = """
create function be_slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.1); return new; end $$;
create trigger be_slow before insert on events for each row execute function be_slow();
"""


@pytest.fixture
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "slow") as own:
        yield own


async def test_what_is_too_much_for_one_statement_is_written_in_several(own_dsn: str) -> None:
    database = await asyncpg.connect(own_dsn)
    await database.execute(_SLOW)
    application = uuid4()
    async with appending(own_dsn, timeout="500ms") as appender:
        items = [new_event(application) for _ in range(16)]
        answers = await asyncio.gather(*(appender.append(item, patience=None) for item in items))
    assert {answer.verdict for answer in answers} == {Verdict.APPENDED}
    rows = await database.fetch(
        "select id from events where application_id = $1 order by position", application
    )
    assert [row["id"] for row in rows] == [item.event_id for item in items]
    await database.close()
