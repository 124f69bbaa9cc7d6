"""Two processes beside each other: everything is delivered, nothing twice, conversations in order."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.messaging import recording
from outrider.messaging.sending import cancel_message, send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from tests.running import Sink, connect_sandbox, running, subscribe, until, vanish
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection


def request_to(connection: UUID, recipient: str, text: str, **more: object) -> SendRequest:
    return SendRequest(connection_id=connection, recipient=recipient, text=text, wait=False, **more)  # type: ignore[arg-type]


def texts(sink: Sink) -> list[str]:
    """What arrived at the sandbox's own sink, in the order of arrival."""
    return [orjson.loads(one.body)["content"]["text"] for one in sink.at("/vendor/messages")]


async def owners(database: Database) -> Counter[object]:
    return Counter(row["owner_id"] for row in await database.fetch("select owner_id from shards"))


async def shared_evenly(database: Database, *runtimes: Runtime) -> None:
    """Wait until the processes own a fair share each."""
    share = 64 // len(runtimes)

    async def is_even() -> bool:
        found = await owners(database)
        return all(found[runtime.process_id] == share for runtime in runtimes)

    await until(is_even)


async def no_work_left(database: Database) -> bool:
    return await database.fetchval("select count(*) from delivery_queue") == 0


async def test_both_deliver_everything_once_and_in_order(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path) as one, running(own_dsn, tmp_path) as other:
        tenant = await new_tenant(one.tenancy)
        connections = [
            (await connect_sandbox(one, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id
            for _ in range(6)
        ]
        for number in range(6):
            await subscribe(one, tenant, f"{sink.url}/hook{number}", "message.outbound", "message.sent")
        await shared_evenly(database, one, other)

        async def talk(number: int) -> None:
            for turn in range(25):
                process = (one, other)[(number + turn) % 2]
                for who in ("ada", "bob"):
                    text = f"{number} {who} {turn:02}"
                    await send_message(
                        process.sending, tenant.actor, request_to(connections[number], who, text)
                    )

        await asyncio.gather(*(talk(number) for number in range(6)))
        await until(lambda: no_work_left(database), seconds=20)

    arrived = texts(sink)
    assert len(arrived) == len(set(arrived)) == 300
    for number in range(6):
        for who in ("ada", "bob"):
            mine = [text for text in arrived if text.startswith(f"{number} {who}")]
            assert mine == sorted(mine)
    for number in range(6):
        heard = [orjson.loads(one.body) for one in sink.at(f"/hook{number}")]
        assert Counter(body["event_type"] for body in heard) == {"message.outbound": 300, "message.sent": 300}
        assert len({body["id"] for body in heard}) == 600
        outbound = [body for body in heard if body["event_type"] == "message.outbound"]
        assert all(body["payload"]["external_message_id"] for body in outbound)
    assert await verify(own_dsn) == {}


async def test_a_clean_stop_hands_over_at_once_and_nothing_is_cut(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path) as staying:
        tenant = await new_tenant(staying.tenancy)
        connections = [
            (await connect_sandbox(staying, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id
            for _ in range(12)
        ]
        async with running(own_dsn, tmp_path) as going:
            await shared_evenly(database, staying, going)
            sink.seconds["/vendor/messages"] = 0.3
            for number, connection in enumerate(connections):
                for turn in range(3):
                    text = f"{number} {turn}"
                    await send_message(going.sending, tenant.actor, request_to(connection, "ada", text))
            await asyncio.sleep(0.1)
            assert going.dispatcher.in_flight
        owned = await owners(database)
        assert owned[going.process_id] == 0
        await until(lambda: no_work_left(database))
        assert await database.fetchval("select count(*) from processes") == 1

    # no attempt was cut off and none was made twice
    assert Counter(texts(sink)) == Counter(f"{number} {turn}" for number in range(12) for turn in range(3))
    attempts = await database.fetch(
        "select result from attempts where application_id = $1", tenant.application_id
    )
    assert {row["result"] for row in attempts} == {"succeeded"}


async def test_a_stop_that_cuts_an_attempt_tells_the_next_owner(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider.dispatch.dispatcher.ORDERED_ATTEMPT_SECONDS", 0.5)
    async with running(own_dsn, tmp_path) as going:
        tenant = await new_tenant(going.tenancy)
        connection = (await connect_sandbox(going, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id
        sink.seconds["/vendor/messages"] = 30
        await send_message(going.sending, tenant.actor, request_to(connection, "ada", "cut"))
        await until(lambda: bool(texts(sink)))

        await going.dispatcher.close(0.1)

        left = await database.fetch("select shard from shards where owner_id is not null")
        assert [row["shard"] for row in left] == [connection.bytes[15] & 63]
    sink.seconds.clear()
    begun = monotonic()
    async with running(own_dsn, tmp_path):
        await until(lambda: no_work_left(database))
    assert texts(sink) == ["cut", "cut"]
    assert monotonic() - begun > 0.5


async def test_a_message_whose_owner_vanished_during_the_call_is_sent_again_under_its_key(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vanished_during_a_call(own_dsn, database, sink, tmp_path, monkeypatch, policy="retry"):
        await until(lambda: no_work_left(database))
    assert texts(sink) == ["first", "first", "second"]
    keys = [one.headers["idempotency-key"] for one in sink.at("/vendor/messages")]
    assert keys[0] == keys[1] != keys[2]
    assert await verify(own_dsn) == {}


async def test_a_message_whose_owner_vanished_is_held_where_nothing_may_be_sent_twice(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vanished_during_a_call(own_dsn, database, sink, tmp_path, monkeypatch, policy="hold") as found:
        heir, tenant, event_id = found

        async def is_held() -> bool:
            state = "select state from delivery_queue where event_id = $1 and kind = 'message'"
            return await database.fetchval(state, event_id) == "in_doubt"

        await until(is_held)
        await until(lambda: texts(sink) == ["first", "second"])
        cancelled = await cancel_message(heir.sending, tenant.actor, event_id)
        assert cancelled.error_code == "CANCELLED"
    assert texts(sink) == ["first", "second"]
    assert await verify(own_dsn) == {}


@asynccontextmanager
async def vanished_during_a_call(
    own_dsn: str,
    database: Database,
    sink: Sink,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    policy: str,
) -> AsyncGenerator[tuple[Runtime, Tenant, UUID]]:
    """Of two processes the one that is sending vanishes; gives the other, the tenant and the message."""
    monkeypatch.setattr("outrider.dispatch.dispatcher.ORDERED_ATTEMPT_SECONDS", 0.5)
    config = {"api_base_url": f"{sink.url}/vendor"}
    async with running(own_dsn, folder) as one, running(own_dsn, folder) as other:
        tenant = await new_tenant(one.tenancy)
        connection = (await connect_sandbox(one, tenant, config=config, in_doubt_policy=policy)).id
        await shared_evenly(database, one, other)
        owner = await database.fetchval(
            "select owner_id from shards where shard = $1", connection.bytes[15] & 63
        )
        victim, heir = (one, other) if owner == one.process_id else (other, one)
        sink.seconds["/vendor/messages"] = 0.5
        sent = await send_message(heir.sending, tenant.actor, request_to(connection, "ada", "first"))
        await send_message(heir.sending, tenant.actor, request_to(connection, "ada", "second"))
        await until(lambda: texts(sink) == ["first"])
        await vanish(victim)
        sink.seconds.clear()
        yield heir, tenant, sent.event_id


async def test_an_overdue_head_keeps_its_place_when_its_owner_vanished(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider.dispatch.dispatcher.ORDERED_ATTEMPT_SECONDS", 0.2)
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (1,))
    async with running(own_dsn, tmp_path) as first:
        tenant = await new_tenant(first.tenancy)
        connection = (await connect_sandbox(first, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id
        for turn in range(3):
            await send_message(first.sending, tenant.actor, request_to(connection, "deferred.ada", f"{turn}"))

        async def is_deferred() -> bool:
            return bool(await database.fetchval("select count(*) from delivery_queue where attempts = 1"))

        await until(is_deferred)
        await vanish(first)
    await asyncio.sleep(1.6)
    async with running(own_dsn, tmp_path):
        await until(lambda: no_work_left(database), seconds=15)

    assert texts(sink) == ["0", "1", "2"]


async def test_a_process_that_was_declared_dead_joins_again(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path) as runtime:
        tenant = await new_tenant(runtime.tenancy)
        connection = (
            await connect_sandbox(
                runtime, tenant, channel=Channel.EMAIL, config={"api_base_url": f"{sink.url}/vendor"}
            )
        ).id
        sink.seconds["/vendor/messages"] = 0.5
        await send_message(runtime.sending, tenant.actor, request_to(connection, "ada@test", "in flight"))
        await until(lambda: texts(sink) == ["in flight"])
        await database.execute("delete from processes")
        await send_message(runtime.sending, tenant.actor, request_to(connection, "ada@test", "afterwards"))

        await until(lambda: no_work_left(database))
        # nobody took the shards meanwhile: what was in flight is not sent again
        assert texts(sink) == ["in flight", "afterwards"]
        assert await database.fetchval("select count(*) from processes") == 1


async def test_a_process_whose_connections_are_all_busy_keeps_its_shards(
    own_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with running(own_dsn, tmp_path_factory.mktemp("busy")) as busy:
        await until(lambda: busy.dispatcher.shards_owned == 64)
        pool = busy.database.system
        sleeping = [
            asyncio.create_task(pool.execute("select pg_sleep(3)")) for _ in range(pool.get_max_size())
        ]
        for _ in range(20):
            await asyncio.sleep(0.1)
            assert not busy.dispatcher.leases.is_fenced
        assert busy.dispatcher.shards_owned == 64
        await asyncio.gather(*sleeping)


async def test_the_connections_of_everything_may_die_at_once(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path) as one, running(own_dsn, tmp_path) as other:
        tenant = await new_tenant(one.tenancy)
        connection = (await connect_sandbox(one, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id
        await subscribe(one, tenant, f"{sink.url}/hook", "message.outbound")
        await shared_evenly(database, one, other)
        for turn in range(8):
            for process in (one, other):
                await send_message(
                    process.sending,
                    tenant.actor,
                    request_to(connection, f"{turn}", f"{turn} {process is one}"),
                )
            await database.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()"""
            )
            await asyncio.sleep(0.05)
        await until(lambda: no_work_left(database), seconds=20)

    assert set(texts(sink)) == {f"{turn} {is_one}" for turn in range(8) for is_one in (True, False)}
    assert len(sink.at("/hook")) >= 16
    assert await verify(own_dsn) == {}


@pytest.mark.parametrize("has_beats", [True, False])
async def test_an_outcome_of_a_lost_epoch_changes_nothing(
    has_beats: bool, own_dsn: str, database: Database, sink: Sink, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path) as runtime:
        tenant = await new_tenant(runtime.tenancy)
        connection = (
            await connect_sandbox(
                runtime, tenant, channel=Channel.EMAIL, config={"api_base_url": f"{sink.url}/vendor"}
            )
        ).id
        sink.seconds["/vendor/messages"] = 0.4
        sent = await send_message(runtime.sending, tenant.actor, request_to(connection, "ada@test", "old"))
        await until(lambda: bool(texts(sink)))
        if not has_beats:
            task = runtime.dispatcher.leases._task
            assert task is not None
            task.cancel()
        await database.execute("update shards set epoch = epoch + 1")
        await until(lambda: runtime.metrics.deliveries_total.value("message", "stale") == 1)
        row = await database.fetchrow("select * from delivery_queue where event_id = $1", sent.event_id)
        state = await database.fetchval("select state from messages where id = $1", sent.event_id)
        if has_beats:
            # it took the shard anew meanwhile, and so the message too
            await until(lambda: no_work_left(database))
            assert texts(sink) == ["old", "old"]
        else:
            assert (row["state"], row["attempts"], state) == ("ready", 0, 0)
    async with running(own_dsn, tmp_path):
        await until(lambda: no_work_left(database))
    assert await verify(own_dsn) == {}


async def test_a_tenant_hears_of_its_own_events_only(
    own_dsn: str, database: Database, sink: Sink, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path) as runtime:
        tenants: list[Tenant] = [await new_tenant(runtime.tenancy) for _ in range(2)]
        for number, tenant in enumerate(tenants):
            await subscribe(runtime, tenant, f"{sink.url}/hook{number}", "*")
            connection = (await connect_sandbox(runtime, tenant)).id
            await send_message(runtime.sending, tenant.actor, request_to(connection, "ada", f"of {number}"))
        await until(lambda: no_work_left(database))
    for number, tenant in enumerate(tenants):
        bodies = [orjson.loads(one.body) for one in sink.at(f"/hook{number}")]
        assert {body["app_id"] for body in bodies} == {str(tenant.application_id)}
        assert len(bodies) == 2
