"""One dispatcher in its process: fan-out, backlogs, a snapshot held open."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from time import monotonic

import asyncpg
import orjson
import pytest

from outrider.dispatch import reading
from outrider.events.creating import NewCustomEvent, create_event
from outrider.messaging.sending import send_message, send_messages
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from tests.running import Sink, connect_sandbox, running, subscribe, until
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        yield found


@pytest.fixture
async def tenant(process: Runtime) -> Tenant:
    return await new_tenant(process.tenancy)


async def no_work_left(database: Database) -> bool:
    return await database.fetchval("select count(*) from delivery_queue") == 0


async def test_more_than_sixteen_subscriptions_hear_exactly_once_each(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_FAN_OUT_CHUNK", 7)
    for number in range(20):
        # some match by two patterns and still hear once
        await subscribe(
            process, tenant, f"{sink.url}/hook{number}", "*", *(["message.*"] if number % 2 else [])
        )
    connection = (await connect_sandbox(process, tenant)).id
    custom = await create_event(
        process.creating, tenant.actor, NewCustomEvent(event_type="ferry.sailed", payload={})
    )
    sent = await send_message(
        process.sending, tenant.actor, SendRequest(connection_id=connection, recipient="ada", text="x")
    )

    await until(lambda: no_work_left(database))
    await until(lambda: len(sink.heard) == 60)
    for number in range(20):
        heard = [orjson.loads(one.body) for one in sink.at(f"/hook{number}")]
        assert Counter(body["event_type"] for body in heard) == Counter(
            ["ferry.sailed", "message.outbound", "message.sent"]
        )
        outbound = next(body for body in heard if body["event_type"] == "message.outbound")
        assert outbound["event_id"] == str(sent.event_id)
        assert outbound["payload"]["external_message_id"] == sent.external_message_id
        assert str(custom) in {body["event_id"] for body in heard}
    assert await database.fetchval("select count(*) from fan_outs") == 0
    assert len({orjson.loads(one.body)["id"] for one in sink.heard}) == 60


async def test_a_subscription_hears_nothing_from_before_its_creation_even_in_a_fan_out(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    for number in range(17):
        await subscribe(process, tenant, f"{sink.url}/old{number}", "*")
    connection = (await connect_sandbox(process, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id
    sink.seconds["/vendor/messages"] = 0.4
    sending = asyncio.create_task(
        send_message(
            process.sending, tenant.actor, SendRequest(connection_id=connection, recipient="ada", text="x")
        )
    )
    await until(lambda: bool(sink.at("/vendor/messages")))
    await subscribe(process, tenant, f"{sink.url}/new", "message.outbound")
    await sending
    await until(lambda: no_work_left(database))
    await until(lambda: len(sink.heard) == 1 + 2 * 17)
    assert not sink.at("/new")


async def test_a_backlog_larger_than_what_fits_in_memory_is_worked_off_in_order(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_SHARD_LOADED", 20)
    monkeypatch.setattr(reading, "_READ_ROWS", 8)
    config = {"api_base_url": f"{sink.url}/vendor"}
    connections = [(await connect_sandbox(process, tenant, config=config)).id for _ in range(3)]
    begun = monotonic()
    for turn in range(4):
        requests = [
            SendRequest(
                connection_id=connection, recipient=f"to{number % 3}", text=f"{turn} {number:03}", wait=False
            )
            for number in range(60)
            for connection in connections
        ]
        await send_messages(process.sending, tenant.actor, requests)
    await until(lambda: no_work_left(database), seconds=20)

    assert monotonic() - begun < 10
    talks: dict[tuple[str, str], list[str]] = {}
    for one in sink.at("/vendor/messages"):
        body = orjson.loads(one.body)
        talks.setdefault((body["connection_id"], body["to"]), []).append(body["content"]["text"])
    assert sum(len(talk) for talk in talks.values()) == 720
    for talk in talks.values():
        assert talk == sorted(talk)
        assert len(set(talk)) == len(talk)


async def test_due_work_beyond_one_read_is_read_at_once(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_DUE_ROWS", 10)
    connection = (
        await connect_sandbox(
            process, tenant, channel=Channel.EMAIL, config={"api_base_url": f"{sink.url}/vendor"}
        )
    ).id
    soon = process.sending.ids.now() + timedelta(seconds=0.3)
    requests = [
        SendRequest(connection_id=connection, recipient=f"to{number}@test", text="x", scheduled_at=soon)
        for number in range(200)
    ]
    await send_messages(process.sending, tenant.actor, requests)
    await until(lambda: no_work_left(database), seconds=5)
    assert len(sink.at("/vendor/messages")) == 200


async def test_a_snapshot_held_open_does_not_slow_the_reading(
    process: Runtime, tenant: Tenant, database: Database, own_dsn: str
) -> None:
    connection = (await connect_sandbox(process, tenant, channel=Channel.EMAIL)).id

    async def rate() -> float:
        begun = monotonic()
        for _ in range(3):
            requests = [
                SendRequest(connection_id=connection, recipient=f"to{number}@test", text="x", wait=False)
                for number in range(400)
            ]
            await send_messages(process.sending, tenant.actor, requests)
            await until(lambda: no_work_left(database))
        return 1200 / (monotonic() - begun)

    await rate()
    free = await rate()
    holder = await asyncpg.connect(own_dsn)
    async with holder.transaction(isolation="repeatable_read"):
        await holder.fetchval("select count(*) from delivery_queue")
        held = [await rate() for _ in range(3)]
    await holder.close()
    # thousands of dead rows in front of every cursor by now
    assert held[-1] > free / 4


async def test_nothing_of_this_is_broken(own_dsn: str, process: Runtime) -> None:
    del process
    assert await verify(own_dsn) == {}
