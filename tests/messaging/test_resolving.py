"""Messages that are held in doubt, and what somebody decides."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from outrider.core.errors import AppError, Forbidden, NotFound, ValidationError
from outrider.messaging.errors import NotResolvable
from outrider.messaging.queries import select_message
from outrider.messaging.resolving import Resolution, resolve_message
from outrider.messaging.sending import cancel_message, send_message
from outrider.messaging.values import SendRequest, SendResult
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from tests.running import Sink, connect_sandbox, subscribe, until
from tests.tenants import Tenant, actor_of, new_tenant

Database = asyncpg.Connection


async def held(process: Runtime, tenant: Tenant, sink: Sink) -> UUID:
    """A message that the sandbox has, but did not confirm."""
    config = {"api_base_url": f"{sink.url}/vendor"}
    connection = await connect_sandbox(process, tenant, in_doubt_policy="hold", config=config)
    request = SendRequest(connection_id=connection.id, recipient="doubt", text="x")
    sent = await send_message(process.sending, tenant.actor, request)
    assert sent.state == "accepted"
    return sent.event_id


async def now(process: Runtime, tenant: Tenant, event_id: UUID) -> SendResult | None:
    return await select_message(process.database.system, tenant.application_id, event_id)


async def end_of(database: Database, event_id: UUID) -> tuple[str, str | None, int]:
    row = await database.fetchrow(
        "select state, reason, attempts from deliveries where event_id = $1 and kind = 'message'", event_id
    )
    assert row is not None
    return tuple(row)


async def test_a_message_that_was_sent_is_sent_and_takes_its_receipts(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, own_dsn: str
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.status")
    event_id = await held(process, tenant, sink)

    result = await resolve_message(
        process.sending, tenant.actor, event_id, Resolution.SENT, external_id="seen-7"
    )

    assert result == SendResult(event_id, "sent", "seen-7")
    assert await now(process, tenant, event_id) == result
    assert await end_of(database, event_id) == ("succeeded", "resolved", 1)
    await until(lambda: len(sink.at("/hook")) == 1)
    body = orjson.loads(sink.at("/hook")[0].body)
    assert (body["event_type"], body["origin_event_id"]) == ("message.sent", str(event_id))
    assert body["payload"]["external_message_id"] == "seen-7"
    known = "select event_id from external_messages where application_id = $1 and external_id = 'seen-7'"
    assert await database.fetchval(known, tenant.application_id) == event_id
    assert len(sink.at("/vendor/messages")) == 1
    assert await verify(own_dsn) == {}


async def test_a_message_may_have_been_sent_under_an_id_that_nobody_knows(
    process: Runtime, tenant: Tenant, sink: Sink, own_dsn: str
) -> None:
    event_id = await held(process, tenant, sink)

    await resolve_message(process.sending, tenant.actor, event_id, Resolution.SENT)

    assert await now(process, tenant, event_id) == SendResult(event_id, "sent")
    assert await verify(own_dsn) == {}


async def test_a_message_that_was_not_sent_has_failed(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, own_dsn: str
) -> None:
    event_id = await held(process, tenant, sink)

    result = await resolve_message(process.sending, tenant.actor, event_id, Resolution.FAILED)

    assert (result.state, result.error_code) == ("failed", "UNKNOWN")
    assert await now(process, tenant, event_id) == result
    assert await end_of(database, event_id) == ("failed", "resolved", 1)
    assert await verify(own_dsn) == {}


async def test_a_retry_sends_once_more_with_the_same_idempotency_id(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, own_dsn: str
) -> None:
    event_id = await held(process, tenant, sink)

    result = await resolve_message(process.sending, tenant.actor, event_id, Resolution.RETRY)

    async def is_sent() -> bool:
        found = await now(process, tenant, event_id)
        return found is not None and found.state == "sent"

    await until(is_sent)
    assert result.state == "accepted"
    assert await end_of(database, event_id) == ("succeeded", None, 2)
    heard = sink.at("/vendor/messages")
    assert [one.headers["idempotency-key"] for one in heard] == [str(event_id)] * 2
    assert await verify(own_dsn) == {}


async def test_of_several_decisions_one_holds(
    process: Runtime, tenant: Tenant, sink: Sink, own_dsn: str
) -> None:
    event_id = await held(process, tenant, sink)

    answers = await asyncio.gather(
        *(resolve_message(process.sending, tenant.actor, event_id, one) for one in Resolution),
        cancel_message(process.sending, tenant.actor, event_id),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, SendResult) for answer in answers) == 1
    assert all(isinstance(answer, SendResult | AppError) for answer in answers)
    assert await verify(own_dsn) == {}


async def test_only_what_is_held_in_doubt_can_be_resolved(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    connection = (await connect_sandbox(process, tenant)).id
    sent = await send_message(
        process.sending, tenant.actor, SendRequest(connection_id=connection, recipient="ada", text="x")
    )
    put_off = await send_message(
        process.sending, tenant.actor, SendRequest(connection_id=connection, recipient="deferred-9", text="x")
    )
    resolved = await held(process, tenant, sink)
    await resolve_message(process.sending, tenant.actor, resolved, Resolution.FAILED)

    for event_id, state in ((sent.event_id, "sent"), (put_off.event_id, "accepted"), (resolved, "failed")):
        with pytest.raises(NotResolvable) as refused:
            await resolve_message(process.sending, tenant.actor, event_id, Resolution.SENT)
        assert dict(refused.value.details) == {"state": state}


async def test_a_foreign_message_answers_as_a_missing_one(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    foreign = await held(process, await new_tenant(process.tenancy), sink)

    for event_id in (foreign, uuid4()):
        with pytest.raises(NotFound) as refused:
            await resolve_message(process.sending, tenant.actor, event_id, Resolution.FAILED)
        assert dict(refused.value.details) == {"resource_type": "Message", "resource_id": str(event_id)}


async def test_who_may_not_send_may_not_decide(process: Runtime, tenant: Tenant, sink: Sink) -> None:
    event_id = await held(process, tenant, sink)
    reader = actor_of(
        process.tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({"events:read"})
    )

    with pytest.raises(Forbidden):
        await resolve_message(process.sending, reader, event_id, Resolution.FAILED)


@pytest.mark.parametrize(
    ("resolution", "external_id"),
    [
        (Resolution.FAILED, "x"),
        (Resolution.RETRY, "x"),
        (Resolution.SENT, ""),
        (Resolution.SENT, "x" * 256),
        (Resolution.SENT, "half \ud800"),
        (Resolution.SENT, "\0"),
    ],
)
async def test_a_bad_external_id_is_refused(
    process: Runtime, tenant: Tenant, sink: Sink, resolution: Resolution, external_id: str
) -> None:
    event_id = await held(process, tenant, sink)

    with pytest.raises(ValidationError):
        await resolve_message(process.sending, tenant.actor, event_id, resolution, external_id=external_id)

    assert await now(process, tenant, event_id) == SendResult(event_id, "accepted")
