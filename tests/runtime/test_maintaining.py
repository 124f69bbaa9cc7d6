"""Partitions are there before they are needed, old ones go, expired keys are forgotten."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import asyncpg
import pytest

from outrider.core.database.pools import open_database
from outrider.core.metrics import Metrics
from outrider.runtime import cross_tenant
from outrider.runtime.maintaining import MONTHS_AHEAD, Maintenance
from tests.events.appends import appending, new_event
from tests.running import new_database, until

PARENTS = ("events", "edges", "raw_bodies", "messages", "deliveries", "attempts", "frozen_bodies")


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "maintaining") as own:
        yield own


@pytest.fixture
async def database(own_dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(own_dsn)
    yield connection
    await connection.close()


async def partitions(database: "asyncpg.Connection[asyncpg.Record]", parent: str) -> list[str]:
    rows = await database.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::regclass order by 1",
        parent,
    )
    return [row["name"] for row in rows]


async def run_once(own_dsn: str, days: int = 30) -> None:
    pool = (await open_database(own_dsn)).system
    maintenance = Maintenance(pool, Metrics(), days)
    await maintenance._do_chores()
    pool.terminate()


async def test_the_coming_months_have_their_partitions(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for parent in PARENTS:
        months = [name for name in await partitions(database, parent) if not name.endswith("_default")]
        assert len(months) == MONTHS_AHEAD + 2
        await database.execute(f"drop table {months[-1]}")
    await run_once(own_dsn)
    for parent in PARENTS:
        assert len(await partitions(database, parent)) == MONTHS_AHEAD + 3
    pool = (await open_database(own_dsn)).system
    assert await cross_tenant.count_partitions_ahead(pool) == MONTHS_AHEAD
    pool.terminate()


async def test_what_was_written_is_not_in_a_default_partition(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(own_dsn) as appender:
        await appender.append(new_event(uuid4()))
    pool = (await open_database(own_dsn)).system
    assert await cross_tenant.count_misplaced(pool) == 0
    await database.execute(
        "insert into raw_bodies (application_id, event_id, body, headers) values ($1, $2, '', '{}')",
        uuid4(),
        uuid4(),
    )
    assert await cross_tenant.count_misplaced(pool) == 1
    pool.terminate()
    await database.execute("delete from raw_bodies_default")


async def test_raw_bodies_and_attempts_go_after_their_days_and_the_log_stays(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for parent in PARENTS:
        for month in ("2026_01", "2026_02"):
            await database.execute(
                f"""create table {parent}_{month} partition of {parent} for values
                from ('{"019b7" if month == "2026_01" else "019c1"}000-0000-0000-0000-000000000000')
                to ('{"019c1" if month == "2026_01" else "019cb"}000-0000-0000-0000-000000000000')"""
            )
    await run_once(own_dsn)
    for parent in PARENTS:
        gone = parent in {"raw_bodies", "attempts", "frozen_bodies"}
        left = [name for name in await partitions(database, parent) if "2026_0" in name]
        assert left == ([] if gone else [f"{parent}_2026_01", f"{parent}_2026_02"])


async def test_a_long_reader_delays_the_chores_and_not_the_appends(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    reader = await asyncpg.connect(own_dsn)
    newest = [name for name in await partitions(database, "events") if not name.endswith("_default")][-1]
    await database.execute(f"drop table {newest}")
    async with reader.transaction():
        await reader.fetch("select count(*) from events")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await run_once(own_dsn)
        async with appending(own_dsn) as appender:
            await appender.append(new_event(uuid4()))
    await reader.close()
    await run_once(own_dsn)
    assert newest in await partitions(database, "events")


async def test_expired_keys_are_forgotten_and_others_kept(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    application = uuid4()
    await database.execute(
        """insert into once_keys (application_id, scope, key, event_id, expires_at)
        select $1, 'scope', n::text, uuidv7(), now() + make_interval(secs => case when n % 2 = 0 then -1 else 60 end)
        from generate_series(1, 12000) n""",
        application,
    )
    await run_once(own_dsn)
    assert (
        await database.fetchval("select count(*) from once_keys where application_id = $1", application)
        == 6_000
    )


async def test_a_round_that_fails_is_followed_by_the_next(
    own_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider.runtime.maintaining._GAUGE_SECONDS", 0.01)
    faults: list[Exception] = [KeyError("a bug"), OSError("no database")]
    ensure = cross_tenant.ensure_partitions

    async def ensure_badly(*arguments: object) -> int:
        if faults:
            raise faults.pop()
        return await ensure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cross_tenant, "ensure_partitions", ensure_badly)
    pool = (await open_database(own_dsn)).system
    metrics = Metrics()
    metrics.queue_depth.set(7)
    maintenance = Maintenance(pool, metrics, 30)
    maintenance.start()
    await until(lambda: metrics.queue_depth.value() == 0)
    maintenance.close()
    pool.terminate()
    assert faults == []
