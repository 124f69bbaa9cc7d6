"""A cancelled message is not sent, and a sent one was not cancelled, however close the two come."""

import asyncio
import random
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from outrider.core.errors import NotFound
from outrider.messaging import recording
from outrider.messaging.errors import NotCancellable
from outrider.messaging.sending import cancel_message, send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from tests.running import Sink, connect_sandbox, subscribe, until
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection


@pytest.fixture
async def connection(process: Runtime, tenant: Tenant, sink: Sink) -> UUID:
    config = {"api_base_url": f"{sink.url}/vendor"}
    return (await connect_sandbox(process, tenant, config=config)).id


async def schedule(
    process: Runtime, tenant: Tenant, connection: UUID, seconds: float, recipient: str = "ada", **more: object
) -> UUID:
    request = SendRequest(
        connection_id=connection,
        recipient=recipient,
        text=recipient,
        scheduled_at=process.sending.ids.now() + timedelta(seconds=seconds),
        **more,  # type: ignore[arg-type]
    )
    return (await send_message(process.sending, tenant.actor, request)).event_id


def arrived(sink: Sink) -> set[str]:
    return {orjson.loads(one.body)["event_id"] for one in sink.at("/vendor/messages")}


async def is_over(database: Database, event_id: UUID) -> bool:
    return await database.fetchval("select count(*) from delivery_queue where event_id = $1", event_id) == 0


async def test_a_scheduled_message_can_be_cancelled_once(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, database: Database
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound", "message.failed")
    event_id = await schedule(process, tenant, connection, 3600)

    result = await cancel_message(process.sending, tenant.actor, event_id)

    assert (result.state, result.error_code) == ("failed", "CANCELLED")
    with pytest.raises(NotCancellable):
        await cancel_message(process.sending, tenant.actor, event_id)
    await until(lambda: len(sink.at("/hook")) == 2)
    bodies = {orjson.loads(one.body)["event_type"]: orjson.loads(one.body) for one in sink.at("/hook")}
    assert bodies["message.failed"]["payload"]["error"]["code"] == "CANCELLED"
    assert bodies["message.failed"]["origin_event_id"] == str(event_id)
    assert bodies["message.outbound"]["payload"]["failed_at"]
    row = await database.fetchrow(
        "select state, reason from deliveries where event_id = $1 and kind = 'message'", event_id
    )
    assert tuple(row) == ("cancelled", "CANCELLED")
    assert not sink.at("/vendor/messages")


async def test_what_was_sent_or_is_being_sent_cannot_be_cancelled(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    request = SendRequest(connection_id=connection, recipient="ada", text="sent")
    sent = await send_message(process.sending, tenant.actor, request)
    with pytest.raises(NotCancellable):
        await cancel_message(process.sending, tenant.actor, sent.event_id)

    sink.seconds["/vendor/messages"] = 0.4
    slow = asyncio.create_task(send_message(process.sending, tenant.actor, request))
    await until(lambda: len(sink.at("/vendor/messages")) == 2)
    (event_id,) = arrived(sink) - {str(sent.event_id)}
    with pytest.raises(NotCancellable):
        await cancel_message(process.sending, tenant.actor, UUID(event_id))
    # who waits for the first attempt is not told that it was cancelled
    assert (await slow).state == "sent"


async def test_a_foreign_message_is_a_missing_one(process: Runtime, tenant: Tenant, connection: UUID) -> None:
    event_id = await schedule(process, tenant, connection, 3600)
    stranger = await new_tenant(process.tenancy)
    for actor, wanted in ((stranger.actor, event_id), (tenant.actor, uuid4())):
        with pytest.raises(NotFound):
            await cancel_message(process.sending, actor, wanted)
    assert (await cancel_message(process.sending, tenant.actor, event_id)).error_code == "CANCELLED"


async def test_cancelling_and_sending_at_once_never_both_succeed(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    config = {"api_base_url": f"{sink.url}/vendor"}
    connection = (await connect_sandbox(process, tenant, channel=Channel.EMAIL, config=config)).id
    cancelled: set[str] = set()
    every: list[UUID] = []

    async def race(number: int) -> None:
        wait = random.uniform(0.02, 0.7)
        event_id = await schedule(process, tenant, connection, wait, f"to{number}@test")
        every.append(event_id)
        # the reader looks twice a second: around its looks they meet
        await asyncio.sleep(max(0.0, wait + random.uniform(-0.15, 0.005)))
        try:
            await cancel_message(process.sending, tenant.actor, event_id)
        except NotCancellable:
            return
        cancelled.add(str(event_id))

    for _ in range(3):
        await asyncio.gather(*(race(number) for number in range(60)))
    for event_id in every:
        await until(lambda event_id=event_id: is_over(database, event_id))

    sent = arrived(sink)
    assert not cancelled & sent
    assert cancelled | sent == {str(event_id) for event_id in every}
    assert cancelled
    assert sent
    assert len(sink.at("/vendor/messages")) == len(sent)


async def test_a_cancellation_whose_commit_takes_long_still_wins(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, database: Database
) -> None:
    event_id = await schedule(process, tenant, connection, 0.3)
    async with database.transaction():
        await database.execute("select pg_advisory_xact_lock(7305002)")
        cancelling = asyncio.create_task(cancel_message(process.sending, tenant.actor, event_id))
        # decided before the message was due, committed long after
        await asyncio.sleep(1.5)
    assert (await cancelling).error_code == "CANCELLED"
    await asyncio.sleep(0.7)
    assert not sink.at("/vendor/messages")


async def test_a_cancelled_head_of_a_conversation_lets_the_next_pass(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (60,))
    head = await send_message(
        process.sending,
        tenant.actor,
        SendRequest(connection_id=connection, recipient="deferred.ada", text="head"),
    )
    assert head.state == "accepted"
    request = SendRequest(connection_id=connection, recipient="deferred.ada", text="next", wait=False)
    following = await send_message(process.sending, tenant.actor, request)
    await asyncio.sleep(0.2)

    async def tries() -> int:
        return await database.fetchval(
            "select count(*) from attempts where delivery_id = $1", following.event_id
        )

    assert await tries() == 0
    await cancel_message(process.sending, tenant.actor, head.event_id)

    async def is_tried() -> bool:
        return await tries() == 1

    await until(is_tried)
    await cancel_message(process.sending, tenant.actor, following.event_id)


async def test_a_message_is_sent_at_its_time_wherever_that_lies(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    config = {"api_base_url": f"{sink.url}/vendor"}
    connection = (await connect_sandbox(process, tenant, channel=Channel.EMAIL, config=config)).id
    moments = [-3600.0, -1.0, -0.001, 0.0, 0.001, 0.01, 0.04, 0.06, 0.2, 0.5, 1.0] * 4
    begun = {}
    for number, seconds in enumerate(moments):
        due = process.sending.ids.now() + timedelta(seconds=seconds)
        begun[await schedule(process, tenant, connection, seconds, f"to{number}@test")] = due
    for event_id in begun:
        await until(lambda event_id=event_id: is_over(database, event_id))

    assert arrived(sink) == {str(event_id) for event_id in begun}
    assert len(sink.at("/vendor/messages")) == len(moments)
    for event_id, due in begun.items():
        started = await database.fetchval("select started_at from attempts where delivery_id = $1", event_id)
        assert started >= due - timedelta(seconds=0.05)


async def test_nothing_of_this_is_broken(own_dsn: str, process: Runtime) -> None:
    del process
    assert await verify(own_dsn) == {}
