"""Partitions are there before they are needed, old ones go, expired keys are forgotten."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from outrider.core.database.pools import open_database
from outrider.core.ids import first_id_at
from outrider.core.metrics import Metrics
from outrider.files.storage import ContentStorage
from outrider.runtime import cross_tenant
from outrider.runtime.maintaining import MONTHS_AHEAD, Maintenance
from tests.events.appends import appending, new_event
from tests.running import new_database, until

NO_FILES = ContentStorage(Path("/nowhere"))
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


async def run_once(own_dsn: str, days: int = 30) -> bool:
    """Whether all chores were done."""
    pool = (await open_database(own_dsn)).system
    maintenance = Maintenance(pool, Metrics(), days, NO_FILES)
    are_done = await maintenance._do_chores()
    pool.terminate()
    return are_done


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


@pytest.mark.parametrize("keeper", ["delivery_queue", "fan_outs", "parked_receipts"])
async def test_a_month_that_unfinished_work_needs_stays(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]", keeper: str
) -> None:
    for parent in ("raw_bodies", "attempts", "frozen_bodies"):
        await database.execute(
            f"""create table {parent}_2025_11 partition of {parent} for values
            from ('{first_id_at(NOVEMBER)}') to ('{first_id_at(DECEMBER)}')"""
        )
    needed = first_id_at(DECEMBER - timedelta(milliseconds=1))
    await database.execute(INSERTS[keeper], uuid4(), needed)
    await run_once(own_dsn, days=1)
    months = ["raw_bodies_2025_11", "attempts_2025_11", "frozen_bodies_2025_11"]
    if keeper != "parked_receipts":
        assert [await exists(database, month) for month in months] == [True] * 3
    await database.execute(f"delete from {keeper}")
    await run_once(own_dsn, days=1)
    assert [await exists(database, month) for month in months] == [False] * 3


NOVEMBER, DECEMBER = datetime(2025, 11, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)
INSERTS = {
    "delivery_queue": """insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id,
        due_at) values ($1, 1, 1, uuidv7(), 'message', $2, $1, now() + interval '1 year')""",
    "fan_outs": """insert into fan_outs (application_id, position, event_id, event_type, is_held,
        after_subscription_id) values ($1, 1, $2, 'a', true, $1)""",
    "parked_receipts": """insert into parked_receipts (application_id, connection_id, external_id, event_id, event_type,
        payload, fragment, state, happened_at) values ($1, $1, 'x', $2, 'a', '', '', 3, now())""",
}


async def exists(database: "asyncpg.Connection[asyncpg.Record]", table: str) -> bool:
    return await database.fetchval("select to_regclass($1) is not null", table)


async def test_last_month_is_not_made_again_once_it_was_dropped(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    (last_month,) = await database.fetchrow(
        "select to_char((now() at time zone 'UTC') - interval '1 month', '_YYYY_MM')"
    )
    await database.execute(f"drop table if exists raw_bodies{last_month}")
    await run_once(own_dsn)
    assert not await exists(database, f"raw_bodies{last_month}")


async def test_receipts_that_nobody_s_message_came_for_are_let_go_and_counted(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    application = uuid4()
    for days, name in ((31, "old"), (29, "new")):
        made = first_id_at(datetime.now(UTC) - timedelta(days=days))
        await database.execute(INSERTS["parked_receipts"].replace("'x'", f"'{name}'"), application, made)
        await database.execute(
            "insert into external_messages (application_id, connection_id, external_id) values ($1, $1, $2)",
            application,
            name,
        )
    pool, metrics = (await open_database(own_dsn)).system, Metrics()
    await Maintenance(pool, metrics, 30, NO_FILES)._do_chores()
    pool.terminate()
    assert metrics.receipts_unmatched_total.value() == 1
    for table in ("parked_receipts", "external_messages"):
        left = await database.fetch(f"select external_id from {table} where application_id = $1", application)
        assert [row["external_id"] for row in left] == ["new"]


async def test_a_long_reader_delays_the_chores_and_not_the_appends(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    reader = await asyncpg.connect(own_dsn)
    newest = [name for name in await partitions(database, "events") if not name.endswith("_default")][-1]
    await database.execute(f"drop table {newest}")
    async with reader.transaction():
        await reader.fetch("select count(*) from events")
        assert not await run_once(own_dsn)
        async with appending(own_dsn) as appender:
            await appender.append(new_event(uuid4()))
    await reader.close()
    assert await run_once(own_dsn)
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
    monkeypatch.setattr("outrider.runtime.maintaining._AGAIN_SECONDS", 0.01)
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
    maintenance = Maintenance(pool, metrics, 30, NO_FILES)
    maintenance.start()
    await until(lambda: metrics.queue_depth.value() == 0 and not faults)
    maintenance.close()
    pool.terminate()


async def test_a_chore_that_fails_keeps_nobody_from_the_others(
    own_dsn: str, database: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> int:
        raise asyncpg.LockNotAvailableError("a backup reads everything")

    monkeypatch.setattr(cross_tenant, "ensure_partitions", fail)
    await database.execute(
        """insert into once_keys (application_id, scope, key, event_id, expires_at)
        values (uuidv7(), 'scope', 'old', uuidv7(), now() - interval '1 day')"""
    )
    pool = (await open_database(own_dsn)).system

    assert await Maintenance(pool, Metrics(), 30, NO_FILES)._do_chores() is False

    pool.terminate()
    assert await database.fetchval("select count(*) from once_keys where key = 'old'") == 0
