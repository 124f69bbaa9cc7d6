"""Accepting messages: repeats, refusals, and who waits for what."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from outrider.core.errors import AppError, IdempotencyConflict, InternalError, NotFound, ValidationError
from outrider.messaging import sending
from outrider.messaging.sending import send_message, send_messages
from outrider.messaging.values import SendRequest
from outrider.runtime.parts import Runtime
from tests.running import Sink, connect_sandbox, running, until
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection


@pytest.fixture
async def connection(process: Runtime, tenant: Tenant, sink: Sink) -> UUID:
    return (await connect_sandbox(process, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id


def to(connection: UUID, recipient: str = "ada", text: str = "Hello", **more: object) -> SendRequest:
    return SendRequest(connection_id=connection, recipient=recipient, text=text, **more)  # type: ignore[arg-type]


async def count(database: Database, table: str, application: UUID) -> int:
    return await database.fetchval(f"select count(*) from {table} where application_id = $1", application)


async def test_one_key_gives_one_message_and_the_answer_of_now(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    first = await send_message(process.sending, tenant.actor, to(connection, idempotency_key="k"))
    again = await send_message(process.sending, tenant.actor, to(connection, idempotency_key="k"))
    unwaiting = await send_message(
        process.sending, tenant.actor, to(connection, idempotency_key="k", wait=False)
    )

    assert first == again == unwaiting
    assert first.state == "sent"
    assert len(sink.at("/vendor/messages")) == 1
    with pytest.raises(IdempotencyConflict):
        await send_message(process.sending, tenant.actor, to(connection, text="other", idempotency_key="k"))


async def test_one_key_twice_in_one_request(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    requests = [
        to(connection, idempotency_key="k"),
        to(connection, idempotency_key="k"),
        to(connection, "bob", idempotency_key="k"),
    ]

    first, second, third = await send_messages(process.sending, tenant.actor, requests)

    assert not isinstance(first, AppError)
    assert first == second
    assert first.state == "sent"
    assert isinstance(third, IdempotencyConflict)
    assert len(sink.at("/vendor/messages")) == 1


async def test_a_repeat_during_the_first_waits_with_it(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, own_dsn: str, tmp_path: Path
) -> None:
    sink.seconds["/vendor/messages"] = 0.5
    async with running(own_dsn, tmp_path, role="api") as other:
        first = asyncio.create_task(
            send_message(process.sending, tenant.actor, to(connection, idempotency_key="slow"))
        )
        await until(lambda: len(sink.at("/vendor/messages")) == 1)
        repeats = await asyncio.gather(
            *(
                send_message(one.sending, tenant.actor, to(connection, idempotency_key="slow"))
                for one in (process, other) * 2
            )
        )

    assert {result.state for result in repeats} == {"sent"}
    assert set(repeats) == {await first}
    assert len(sink.at("/vendor/messages")) == 1


async def test_a_caller_waits_for_what_another_process_attempts(
    process: Runtime, tenant: Tenant, connection: UUID, own_dsn: str, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path, role="api") as other:
        assert (await send_message(other.sending, tenant.actor, to(connection))).state == "sent"
        refused = await send_message(other.sending, tenant.actor, to(connection, "rejected.ada"))
        assert (refused.state, refused.error_code) == ("failed", "RECIPIENT_NOT_FOUND")
        assert (
            await send_message(other.sending, tenant.actor, to(connection, "deferred.ada"))
        ).state == "accepted"


async def test_a_caller_stops_waiting_in_time(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WAIT_SECONDS", 0.2)
    sink.seconds["/vendor/messages"] = 0.6
    result = await send_message(process.sending, tenant.actor, to(connection))

    assert result.state == "accepted"
    assert process.waiters._waiting == {}


async def test_the_order_of_keys_does_not_make_another_body(
    process: Runtime, tenant: Tenant, connection: UUID
) -> None:
    def request(content: dict[str, object]) -> SendRequest:
        return SendRequest(
            connection_id=connection, recipient="ada", content=content, idempotency_key="order"
        )

    first = await send_message(process.sending, tenant.actor, request({"type": "text", "text": "x"}))
    again = await send_message(process.sending, tenant.actor, request({"text": "x", "type": "text"}))

    assert first.event_id == again.event_id


@pytest.mark.parametrize("key", ["", "x" * 256, "nul\0", "half \ud800"])
async def test_a_key_that_cannot_be_stored_is_refused(
    process: Runtime, tenant: Tenant, connection: UUID, key: str, database: Database
) -> None:
    with pytest.raises(ValidationError):
        await send_message(process.sending, tenant.actor, to(connection, idempotency_key=key))
    assert await count(database, "events", tenant.application_id) == 0


@pytest.mark.parametrize(
    "broken",
    [
        {"text": "nul \0"},
        {"text": "half \ud83d"},
        {"metadata": {"a": "\0"}},
        {"metadata": {"\udc00": 1}},
        {"recipient": "a\0"},
        {"recipient": "\ud800"},
    ],
)
async def test_text_that_cannot_be_stored_is_refused_and_nothing_is_written(
    process: Runtime, tenant: Tenant, connection: UUID, broken: dict[str, object], database: Database
) -> None:
    request = to(connection)
    with pytest.raises(ValidationError):
        await send_message(
            process.sending,
            tenant.actor,
            SendRequest(
                **{"connection_id": request.connection_id, "recipient": "ada", "text": "x", **broken}
            ),
        )  # type: ignore[arg-type]
    assert await count(database, "events", tenant.application_id) == 0
    assert await count(database, "platform_users", tenant.application_id) == 1


async def test_foreign_ids_answer_as_missing_ones(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    stranger = await new_tenant(process.tenancy)
    theirs = (await connect_sandbox(process, stranger)).id
    message = await send_message(process.sending, stranger.actor, to(theirs))

    for wanted in (theirs, uuid4()):
        with pytest.raises(NotFound) as refused:
            await send_message(process.sending, tenant.actor, to(wanted))
        assert refused.value.details == {"resource_type": "PlatformConnection", "resource_id": str(wanted)}
    for wanted in (message.event_id, uuid4()):
        with pytest.raises(NotFound) as refused:
            await send_message(process.sending, tenant.actor, to(connection, reply_to_event_id=wanted))
        assert refused.value.details == {"resource_type": "Event", "resource_id": str(wanted)}
    assert await count(database, "events", tenant.application_id) == 0
    assert await count(database, "messages", tenant.application_id) == 0


async def test_the_database_refuses_a_foreign_connection_that_a_stale_cache_lets_through(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    await process.directories.connections.get(tenant.application_id, connection)
    await database.execute("update connections set status = 'deleted' where id = $1", connection)
    with pytest.raises(NotFound):
        await send_message(process.sending, tenant.actor, to(connection))
    assert await count(database, "events", tenant.application_id) == 0


async def test_a_poisoned_message_among_many_fails_alone(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = sending.storable_json

    def blind(value: object) -> bytes:
        # a value that the gate does not see through
        return b"{broken" if b"poison" in orjson.dumps(value) else gate(value)

    monkeypatch.setattr(sending, "storable_json", blind)
    requests = [to(connection, f"to{number}", "poison" if number == 77 else "fine") for number in range(200)]

    results = await send_messages(process.sending, tenant.actor, requests)

    refused = [result for result in results if isinstance(result, AppError)]
    assert refused == [results[77]]
    assert isinstance(refused[0], InternalError)
    assert "json" not in f"{refused[0].message} {refused[0].details}".lower()
    assert len(sink.at("/vendor/messages")) == 199
