"""A failed message goes out again as a new one."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from outrider.core.errors import Forbidden, NotFound
from outrider.messaging.errors import NotResendable
from outrider.messaging.queries import select_message
from outrider.messaging.resending import resend_message
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest, SendResult
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.tenancy.actors import Environment
from outrider.tenancy.managing_connections import ConnectionChanges, delete_connection, update_connection
from tests.running import Sink, connect_sandbox, subscribe
from tests.tenants import Tenant, actor_of, new_tenant

Database = asyncpg.Connection


@pytest.fixture
async def connection(process: Runtime, tenant: Tenant, sink: Sink) -> UUID:
    config = {"api_base_url": f"{sink.url}/vendor"}
    return (await connect_sandbox(process, tenant, config=config)).id


async def failed(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, **more: object
) -> SendResult:
    """A message that the vendor refused."""
    sink.will_answer("/vendor/messages", 400)
    request = SendRequest(connection_id=connection, recipient="ada", text="Grüße 👋", **more)  # type: ignore[arg-type]
    result = await send_message(process.sending, tenant.actor, request)
    assert result.state == "failed"
    return result


async def edges_of(database: Database, event_id: UUID) -> dict[str, UUID]:
    rows = await database.fetch("select edge_type, target_id from edges where event_id = $1", event_id)
    return {row["edge_type"]: row["target_id"] for row in rows}


async def test_the_new_message_says_the_same_to_the_same_and_names_the_failed_one(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, database: Database, own_dsn: str
) -> None:
    earlier = await send_message(
        process.sending, tenant.actor, SendRequest(connection_id=connection, recipient="ada", text="x")
    )
    old = await failed(
        process,
        tenant,
        connection,
        sink,
        metadata={"subject": "Ferry"},
        reply_to_event_id=earlier.event_id,
    )

    new = await resend_message(process.sending, tenant.actor, old.event_id)

    assert new.event_id != old.event_id
    assert (new.state, new.error_code) == ("sent", None)
    bodies = [orjson.loads(one.body) for one in sink.at("/vendor/messages")][-2:]
    assert [body["event_id"] for body in bodies] == [str(old.event_id), str(new.event_id)]
    for name in ("to", "content", "metadata", "connection_id"):
        assert bodies[0][name] == bodies[1][name]
    before, after = [await edges_of(database, one) for one in (old.event_id, new.event_id)]
    assert after == before | {"resend_of": old.event_id}
    stored = await select_message(process.database.system, tenant.application_id, old.event_id)
    assert stored is not None
    assert stored.state == "failed"
    assert await verify(own_dsn) == {}


async def test_a_message_is_sent_again_once_however_often_it_is_asked_for(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    old = await failed(process, tenant, connection, sink)

    together = await asyncio.gather(
        *(resend_message(process.sending, tenant.actor, old.event_id) for _ in range(5))
    )
    later = await resend_message(process.sending, tenant.actor, old.event_id, wait=False)

    assert {result.event_id for result in together} == {later.event_id}
    assert len(sink.at("/vendor/messages")) == 2


async def test_what_fails_again_can_be_sent_again_itself(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, database: Database
) -> None:
    first = await failed(process, tenant, connection, sink)
    sink.will_answer("/vendor/messages", 400)
    second = await resend_message(process.sending, tenant.actor, first.event_id)
    assert second.state == "failed"

    third = await resend_message(process.sending, tenant.actor, second.event_id)

    assert third.state == "sent"
    assert (await edges_of(database, third.event_id))["resend_of"] == second.event_id


async def test_its_webhook_shows_where_it_comes_from(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound")
    old = await failed(process, tenant, connection, sink)
    new = await resend_message(process.sending, tenant.actor, old.event_id)

    async with asyncio.timeout(5):
        while len(sink.at("/hook")) < 2:
            await asyncio.sleep(0.01)
    bodies = {body["event_id"]: body for body in (orjson.loads(one.body) for one in sink.at("/hook"))}
    assert bodies[str(new.event_id)]["edges"]["resend_of"] == {"event_id": str(old.event_id)}


async def test_only_a_failed_message_is_sent_again(
    process: Runtime, tenant: Tenant, connection: UUID
) -> None:
    for recipient, state in (("ada", "sent"), ("deferred-9", "accepted")):
        request = SendRequest(connection_id=connection, recipient=recipient, text="x")
        result = await send_message(process.sending, tenant.actor, request)
        with pytest.raises(NotResendable) as refused:
            await resend_message(process.sending, tenant.actor, result.event_id)
        assert dict(refused.value.details) == {"state": state}


async def test_a_test_key_sends_again_in_the_sandbox_only(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, database: Database
) -> None:
    old = await failed(process, tenant, connection, sink)
    tester = replace(tenant.actor, environment=Environment.TEST)

    new = await resend_message(process.sending, tester, old.event_id)

    payload = await database.fetchval("select payload::text from events where id = $1", new.event_id)
    assert orjson.loads(payload)["sandbox"] is True


async def test_over_a_connection_that_is_gone_or_disabled_nothing_is_sent_again(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    old = await failed(process, tenant, connection, sink)

    async def is_refused() -> bool:
        process.directories.connections.forget(connection)
        with pytest.raises(NotFound) as refused:
            await resend_message(process.sending, tenant.actor, old.event_id)
        return refused.value.details["resource_type"] == "PlatformConnection"

    disabled = ConnectionChanges(status="disabled")
    await update_connection(process.tenancy, tenant.actor, connection, disabled)
    assert await is_refused()
    await delete_connection(process.tenancy, tenant.actor, connection)
    assert await is_refused()


async def test_a_foreign_message_answers_as_a_missing_one(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    other = await new_tenant(process.tenancy)
    config = {"api_base_url": f"{sink.url}/vendor"}
    theirs = (await connect_sandbox(process, other, config=config)).id
    foreign = await failed(process, other, theirs, sink)

    for event_id in (foreign.event_id, uuid4()):
        with pytest.raises(NotFound) as refused:
            await resend_message(process.sending, tenant.actor, event_id)
        assert dict(refused.value.details) == {"resource_type": "Message", "resource_id": str(event_id)}


async def test_who_may_not_send_may_not_send_again(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    old = await failed(process, tenant, connection, sink)
    reader = actor_of(
        process.tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({"events:read"})
    )

    with pytest.raises(Forbidden):
        await resend_message(process.sending, reader, old.event_id)
