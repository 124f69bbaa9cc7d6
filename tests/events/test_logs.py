"""Log entries: what is taken, that an answer means a commit, and that each stays with its tenant."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.core.database.batching import Batcher
from outrider.core.errors import AppError, Forbidden, NotFound, Unavailable, ValidationError
from outrider.core.ids import time_of
from outrider.events.creating import NewCustomEvent, create_event
from outrider.events.logs.creating import LARGEST_PAYLOAD, LONGEST_MESSAGE, LoggingContext, NewLog, create_log
from outrider.events.logs.cross_tenant import LogEntry, LogLevel, write_logs
from outrider.runtime import cross_tenant
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.tenancy.actors import Scope
from tests.running import new_database, running
from tests.tenants import Tenant, actor_of, new_tenant


@pytest.fixture
async def stranger(runtime: Runtime) -> Tenant:
    """Another organisation."""
    return await new_tenant(runtime.tenancy)


async def stored(runtime: Runtime, tenant: Tenant) -> list[dict[str, Any]]:
    """The application's entries, oldest first."""
    rows = await runtime.database.system.fetch(
        "select id, event_id, level, log_type, message, payload from logs where application_id = $1 order by id",
        tenant.application_id,
    )
    return [dict(row) for row in rows]


async def new_event(runtime: Runtime, tenant: Tenant) -> UUID:
    return await create_event(
        runtime.creating, tenant.actor, NewCustomEvent(event_type="order.created", payload={})
    )


async def test_an_entry_is_stored_as_it_was_told(runtime: Runtime, tenant: Tenant) -> None:
    event_id = await new_event(runtime, tenant)
    payload = {"step": "charge", "duration_ms": 12.5, "tries": [1, None]}

    entry = await create_log(
        runtime.logging,
        tenant.actor,
        NewLog(
            message="Charged the card",
            level="warning",
            log_type="billing.charge",
            payload=payload,
            event_id=event_id,
        ),
    )

    assert await stored(runtime, tenant) == [
        {
            "id": entry.id,
            "event_id": event_id,
            "level": "warning",
            "log_type": "billing.charge",
            "message": "Charged the card",
            "payload": orjson.dumps(payload).decode(),
        }
    ]
    assert entry.created_at == time_of(entry.id)
    assert (entry.level, entry.event_id, entry.payload) == (
        LogLevel.WARNING,
        event_id,
        orjson.dumps(payload).decode(),
    )


async def test_a_message_alone_is_enough(runtime: Runtime, tenant: Tenant) -> None:
    entry = await create_log(runtime.logging, tenant.actor, NewLog(message="Started"))

    (row,) = await stored(runtime, tenant)
    assert row == {
        "id": entry.id,
        "event_id": None,
        "level": "info",
        "log_type": "execution",
        "message": "Started",
        "payload": None,
    }


@pytest.mark.parametrize("level", list(LogLevel))
async def test_every_level_is_stored(runtime: Runtime, tenant: Tenant, level: LogLevel) -> None:
    await create_log(runtime.logging, tenant.actor, NewLog(message="x", level=level.value))

    assert [row["level"] for row in await stored(runtime, tenant)] == [level.value]


@pytest.mark.parametrize(
    ("new", "path"),
    [
        (NewLog(message=""), "message"),
        (NewLog(message="x" * (LONGEST_MESSAGE + 1)), "message"),
        (NewLog(message="\0"), "message"),
        (NewLog(message="\ud800"), "message"),
        (NewLog(message="x", level="fatal"), "logLevel"),
        (NewLog(message="x", level="INFO"), "logLevel"),
        (NewLog(message="x", level=""), "logLevel"),
        (NewLog(message="x", log_type=""), "logType"),
        (NewLog(message="x", log_type="a b"), "logType"),
        (NewLog(message="x", log_type="x\n"), "logType"),
        (NewLog(message="x", log_type="x" * 101), "logType"),
        (NewLog(message="x", payload={"a": "\0"}), "payload.a"),
        (NewLog(message="x", payload=[float("nan")]), "payload[0]"),
        (NewLog(message="x", payload="x" * LARGEST_PAYLOAD), "payload"),
    ],
)
async def test_what_cannot_be_an_entry_is_refused(
    runtime: Runtime, tenant: Tenant, new: NewLog, path: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        await create_log(runtime.logging, tenant.actor, new)

    assert refused.value.details["path"] == path
    assert await stored(runtime, tenant) == []


async def test_an_unknown_event_and_a_foreign_one_are_missing_alike(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    for missing_id in (uuid4(), await new_event(runtime, stranger)):
        with pytest.raises(NotFound) as refused:
            await create_log(runtime.logging, tenant.actor, NewLog(message="x", event_id=missing_id))
        assert refused.value.details == {"resource_type": "Event", "resource_id": str(missing_id)}

    assert await stored(runtime, tenant) == []


async def test_an_entry_needs_its_scope(runtime: Runtime, tenant: Tenant) -> None:
    reader = actor_of(
        runtime.tenancy,
        tenant.organisation_id,
        tenant.application_id,
        scopes=frozenset({Scope.LOGS_READ.value, Scope.EVENTS_WRITE.value}),
    )

    with pytest.raises(Forbidden):
        await create_log(runtime.logging, reader, NewLog(message="x"))


async def test_nothing_is_taken_while_the_disk_is_nearly_full(runtime: Runtime, tenant: Tenant) -> None:
    with pytest.raises(Unavailable, match="disk"):
        await create_log(
            replace(runtime.logging, has_disk_space=lambda: False), tenant.actor, NewLog(message="x")
        )

    assert await stored(runtime, tenant) == []


async def test_an_entry_is_no_event_and_reaches_no_subscription(runtime: Runtime, tenant: Tenant) -> None:
    await create_log(runtime.logging, tenant.actor, NewLog(message="x"))

    assert (
        await runtime.database.system.fetchval(
            "select count(*) from events where application_id = $1", tenant.application_id
        )
        == 0
    )


async def test_entries_of_many_tenants_share_statements_and_keep_their_answers(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    own, foreign = await new_event(runtime, tenant), await new_event(runtime, stranger)
    before = runtime.metrics.sqlcalls_total.value("log")

    answers = await asyncio.gather(
        *(
            create_log(runtime.logging, someone.actor, NewLog(message=f"{number}", event_id=event_id))
            for number in range(200)
            for someone, event_id in ((tenant, own), (stranger, own), (tenant, foreign), (stranger, None))
        ),
        return_exceptions=True,
    )

    assert [type(answer).__name__ for answer in answers] == ["LogEntry", *["NotFound"] * 2, "LogEntry"] * 200
    assert runtime.metrics.sqlcalls_total.value("log") - before < 20
    for someone in (tenant, stranger):
        rows = await stored(runtime, someone)
        assert [row["message"] for row in rows] == [str(number) for number in range(200)]


async def test_entries_that_are_written_twice_are_there_once(runtime: Runtime, tenant: Tenant) -> None:
    entry = await create_log(runtime.logging, tenant.actor, NewLog(message="x"))

    again = await write_logs(runtime.database.system, [entry, entry])

    assert again == [True, True]
    assert len(await stored(runtime, tenant)) == 1


async def test_an_entry_is_written_when_the_database_comes_back(runtime: Runtime, tenant: Tenant) -> None:
    tries: list[int] = []

    async def write(entries: "list[LogEntry]") -> list[bool]:
        written = await write_logs(runtime.database.system, entries)
        tries.append(len(entries))
        if len(tries) == 1:
            raise asyncpg.ConnectionDoesNotExistError("the answer was lost, after the commit")
        return written

    context = LoggingContext(Batcher("logs", write), runtime.logging.ids, lambda: True)

    entry = await create_log(context, tenant.actor, NewLog(message="x"))

    assert tries == [1, 1]
    assert [row["id"] for row in await stored(runtime, tenant)] == [entry.id]


async def test_what_waits_is_written_at_a_stop(dsn: str, tmp_path: Path) -> None:
    async with new_database(dsn, "logs") as own:
        async with running(own, tmp_path) as process:
            tenant = await new_tenant(process.tenancy)
            waiting = [
                asyncio.create_task(create_log(process.logging, tenant.actor, NewLog(message=f"{number}")))
                for number in range(50)
            ]
            await asyncio.sleep(0)
        assert len({entry.id for entry in await asyncio.gather(*waiting)}) == 50
        with pytest.raises(Unavailable, match="stopping"):
            await create_log(process.logging, tenant.actor, NewLog(message="late"))
        connection = await asyncpg.connect(own)
        assert await connection.fetchval("select count(*) from logs") == 50
        await connection.close()


async def test_entries_lie_in_their_months_and_old_months_are_dropped(dsn: str, tmp_path: Path) -> None:
    async with new_database(dsn, "months") as own, running(own, tmp_path) as process:
        tenant = await new_tenant(process.tenancy)
        await create_log(process.logging, tenant.actor, NewLog(message="x"))
        system = process.database.system

        assert await cross_tenant.count_misplaced(system) == 0
        assert await system.fetchval("select count(*) from logs_default") == 0
        await system.execute(
            "create table logs_2020_01 partition of logs "
            "for values from (first_id_at('2020-01-01Z')) to (first_id_at('2020-02-01Z'))"
        )
        assert await cross_tenant.drop_old_partitions(system, 30) == ["logs_2020_01"]
        assert len(await stored(process, tenant)) == 1


async def test_a_new_partitioned_table_gets_its_partitions(dsn: str) -> None:
    async with new_database(dsn, "partitions") as own:
        connection = await asyncpg.connect(own)
        await connection.execute("create table later (id uuid primary key) partition by range (id)")

        made = await connection.fetchval("select ensure_partitions(3)")

        assert made == 5
        assert await connection.fetchval("select to_regclass('later_default')") is not None
        assert await connection.fetchval("select ensure_partitions(3)") == 0
        await connection.close()


async def test_verify_finds_an_entry_about_a_missing_event(dsn: str, tmp_path: Path) -> None:
    async with new_database(dsn, "verify_logs") as own:
        async with running(own, tmp_path) as process:
            tenant = await new_tenant(process.tenancy)
            entry = await create_log(process.logging, tenant.actor, NewLog(message="x"))
            assert not await verify(own)
            await process.database.system.execute(
                "update logs set event_id = $2 where application_id = $1", tenant.application_id, uuid4()
            )
        assert await verify(own) == {
            "log entry about a missing event": [f"{tenant.application_id}/{entry.id}"]
        }


_JUNK: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=10) | st.just("\0"),
    st.sampled_from([*LogLevel, "verbose", ""]),
    st.just("execution") | st.text(max_size=5),
    _JUNK,
    st.none() | st.uuids(),
)
async def test_whatever_is_told_is_stored_as_it_is_or_refused(
    runtime: Runtime, message: str, level: str, log_type: str, payload: object, event_id: UUID | None
) -> None:
    tenant = await new_tenant(runtime.tenancy)
    new = NewLog(message=message, level=level, log_type=log_type, payload=payload, event_id=event_id)
    try:
        await create_log(runtime.logging, tenant.actor, new)
    except AppError as refused:
        assert refused.code in {"VALIDATION_ERROR", "NOT_FOUND"}  # noqa: PT017
        assert await stored(runtime, tenant) == []
        return
    (row,) = await stored(runtime, tenant)
    assert (row["message"], row["level"], row["log_type"]) == (message, level, log_type)
    assert (None if row["payload"] is None else orjson.loads(row["payload"])) == payload
