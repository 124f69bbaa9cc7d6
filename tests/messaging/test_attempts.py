"""What becomes of an attempt: doubts, deadlines, retries, adapters with bugs, and the webhooks that wait for it."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.dispatch.values import Work
from outrider.messaging import cross_tenant, delivering, recording
from outrider.messaging.delivering import MessageHandler
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel, ConnectionContext, FailureCode, Outbound, Outcome, Rejected, Sent
from outrider.platforms.sandbox.adapter import SandboxAdapter
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from tests.running import Sink, connect_sandbox, subscribe, until
from tests.tenants import Tenant

Database = asyncpg.Connection


@pytest.fixture
async def connection(process: Runtime, tenant: Tenant, sink: Sink) -> UUID:
    return (await connect_sandbox(process, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id


async def send(
    process: Runtime, tenant: Tenant, connection: UUID, recipient: str = "ada", **more: object
) -> UUID:
    request = SendRequest(connection_id=connection, recipient=recipient, text="Hello", wait=False, **more)  # type: ignore[arg-type]
    return (await send_message(process.sending, tenant.actor, request)).event_id


async def ended(database: Database, event_id: UUID) -> str:
    """How the sending of a message ended."""
    found = "select state || coalesce(' ' || reason, '') from deliveries where id = $1"

    async def is_over() -> bool:
        return await database.fetchval(found, event_id) is not None

    await until(is_over)
    result: str = await database.fetchval(found, event_id)
    return result


async def results(database: Database, event_id: UUID) -> list[str]:
    rows = await database.fetch(
        "select result from attempts where delivery_id = $1 order by number", event_id
    )
    return [row["result"] for row in rows]


def bodies(sink: Sink, event_type: str) -> list[Mapping[str, object]]:
    found = [orjson.loads(one.body) for one in sink.at("/hook")]
    return [body for body in found if body["event_type"] == event_type]


def test_retries_come_as_promised() -> None:
    assert [recording.retry_seconds(number) for number in range(1, 8)] == [5, 30, 120, 600, 1800, 3600, 3600]


async def test_a_deferred_message_is_tried_again_on_schedule_and_its_webhook_goes_out_before(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (0.3, 0.3))
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound", "message.sent")
    event_id = await send(process, tenant, connection, "deferred-2.ada")

    assert await ended(database, event_id) == "succeeded"
    assert await results(database, event_id) == ["deferred", "deferred", "succeeded"]
    await until(lambda: len(sink.at("/hook")) == 2)
    (outbound,) = bodies(sink, "message.outbound")
    # it was frozen when the first attempt ended, without a platform's id
    assert "external_message_id" not in outbound["payload"]  # type: ignore[operator]
    (told,) = bodies(sink, "message.sent")
    assert told["payload"]["external_message_id"]  # type: ignore[index]


async def test_a_doubt_is_asked_about_and_otherwise_tried_again(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (0.1,))
    outcomes = {
        "doubt-found.ada": ("succeeded", ["succeeded"]),
        "doubt-refused.ada": ("failed UNKNOWN", ["rejected"]),
        "doubt.ada": ("succeeded", ["in_doubt", "succeeded"]),
    }
    for recipient, (end, tries) in outcomes.items():
        event_id = await send(process, tenant, connection, recipient)
        assert await ended(database, event_id) == end
        assert await results(database, event_id) == tries


async def test_a_message_that_expires_is_not_sent(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (0.5,))
    soon = process.sending.ids.now() + timedelta(seconds=0.3)
    deferred = await send(process, tenant, connection, "deferred.ada", expires_at=soon)
    assert await ended(database, deferred) == "failed EXPIRED"

    sink.seconds["/vendor/messages"] = 0.5
    await send(process, tenant, connection, "bob")
    soon = process.sending.ids.now() + timedelta(seconds=0.2)
    behind = await send(process, tenant, connection, "bob", expires_at=soon)
    assert await ended(database, behind) == "failed EXPIRED"
    assert len(sink.at("/vendor/messages")) == 1


async def test_the_lifetime_of_a_scheduled_message_begins_with_its_first_attempt(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (0.2,))
    row_end = recording.lifetime_end

    def aged(row: object, since: object, hours: int) -> object:
        # as if the message had been accepted two days before its time
        return row_end(row, since - timedelta(hours=48) if since == accepted else since, hours)  # type: ignore[arg-type, operator]

    accepted = None
    monkeypatch.setattr("outrider.messaging.delivering.lifetime_end", aged)
    event_id = await send(
        process,
        tenant,
        connection,
        "deferred.ada",
        scheduled_at=process.sending.ids.now() + timedelta(seconds=0.3),
    )
    accepted = await database.fetchval("select uuid_extract_timestamp($1)", event_id)

    assert await ended(database, event_id) == "succeeded"
    assert await results(database, event_id) == ["deferred", "succeeded"]


async def test_a_bug_of_an_adapter_leaves_a_doubt_and_loses_nothing(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (0.1,))
    send_well = SandboxAdapter.send

    async def send_badly(self: SandboxAdapter, outbound: Outbound, context: ConnectionContext) -> Outcome:
        if outbound.attempt == 1:
            raise KeyError("an adapter's bug")
        return await send_well(self, outbound, context)

    monkeypatch.setattr(SandboxAdapter, "send", send_badly)
    event_id = await send(process, tenant, connection)

    assert await ended(database, event_id) == "succeeded"
    assert await results(database, event_id) == ["in_doubt", "succeeded"]


async def test_a_bug_before_the_call_delays_the_message_and_still_frees_its_webhook(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (0.1,))
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound")
    prepare = MessageHandler._prepared

    async def prepare_badly(self: MessageHandler, work: Work) -> object:
        if work.row.attempts == 0:
            raise ZeroDivisionError
        return await prepare(self, work)

    monkeypatch.setattr(MessageHandler, "_prepared", prepare_badly)
    event_id = await send(process, tenant, connection)

    assert await ended(database, event_id) == "succeeded"
    assert await results(database, event_id) == ["broken", "succeeded"]
    await until(lambda: len(sink.at("/hook")) == 1)
    assert bodies(sink, "message.outbound")[0]["payload"]["external_message_id"]  # type: ignore[index]


async def test_a_bug_that_stays_ends_the_message_and_leaves_nothing_behind(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound")
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (100_000,))

    async def prepare_badly(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(MessageHandler, "_prepared", prepare_badly)
    event_id = await send(process, tenant, connection)

    assert await ended(database, event_id) == "failed EXPIRED"
    assert await results(database, event_id) == ["broken"]
    await until(lambda: len(sink.at("/hook")) == 1)
    assert bodies(sink, "message.outbound")[0]["payload"]["failed_at"]  # type: ignore[index]


async def test_a_message_that_is_gone_from_the_log_keeps_no_webhooks_waiting(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subscriptions = [await subscribe(process, tenant, f"{sink.url}/hook", "*") for _ in range(18)]

    async def load_nothing(_: MessageHandler, rows: Sequence[object], __: int) -> Sequence[object]:
        return [None for _ in rows]

    monkeypatch.setattr(MessageHandler, "handed", lambda *_: None)
    monkeypatch.setattr(MessageHandler, "_load", load_nothing)
    event_id = await send(process, tenant, connection)

    assert await ended(database, event_id) == "failed UNKNOWN"
    found = (
        "select count(*) from deliveries where event_id = $1 and state = 'dropped' and reason = 'event_gone'"
    )

    async def all_are_dropped() -> bool:
        return await database.fetchval(found, event_id) == len(subscriptions)

    await until(all_are_dropped)
    assert not await database.fetchval("select count(*) from fan_outs where event_id = $1", event_id)


async def test_credentials_that_cannot_be_opened_put_the_message_off_until_they_can(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider.messaging.delivering._UNREADABLE_SECONDS", 0.2)
    sealed = await database.fetchval(
        "select sealed_config from accounts where organisation_id = $1", tenant.actor.organisation_id
    )
    change = "update accounts set sealed_config = $2 where organisation_id = $1"
    await database.execute(change, tenant.actor.organisation_id, sealed[:-1] + b"?")
    process.directories.connections.clear()
    event_id = await send(process, tenant, connection)
    await until(lambda: was_tried(database, event_id))
    (entry,) = await database.fetch("select result, detail from attempts where delivery_id = $1", event_id)
    assert entry["result"] == "deferred"
    assert "credentials cannot be opened" in entry["detail"]

    await database.execute(change, tenant.actor.organisation_id, sealed)
    process.directories.connections.clear()
    assert await ended(database, event_id) == "succeeded"


async def test_what_is_long_does_not_wait_in_memory(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[object] = []
    attempt = MessageHandler.attempt

    async def look(self: MessageHandler, work: Work) -> object:
        kept.append(work.cargo)
        return await attempt(self, work)

    monkeypatch.setattr(MessageHandler, "attempt", look)
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound")
    for note in ("short", "long" * 5_000):
        event_id = await send(process, tenant, connection, metadata={"note": note})
        assert await ended(database, event_id) == "succeeded"
        await until(lambda: not process.dispatcher.in_flight)
    first, second = kept
    assert first is not None
    assert second is None
    assert [len(orjson.loads(one.body)["metadata"]["note"]) for one in sink.at("/vendor/messages")] == [
        5,
        20_000,
    ]
    await until(lambda: len(sink.at("/hook")) == 2)
    assert {len(body["payload"]["metadata"]["note"]) for body in bodies(sink, "message.outbound")} == {
        5,
        20_000,
    }  # type: ignore[index]
    loaded = [
        await cross_tenant.load_outbound(
            process.database.system, [(tenant.application_id, event_id)], longest
        )
        for longest in (16_384, 30_000)
    ]
    assert [cargo is None for (cargo,) in loaded] == [True, False]


async def was_tried(database: Database, event_id: UUID) -> bool:
    return bool(await database.fetchval("select count(*) from attempts where delivery_id = $1", event_id))


def test_a_message_that_is_put_off_again_and_again_stays_countable() -> None:
    waits = [delivering.wait_seconds(0.0, attempts) for attempts in range(1, 40_000)]
    assert len([one for one in itertools.accumulate(waits) if one < 48 * 3600]) < 2**15
    assert delivering.wait_seconds(30.0, 5) == 30
    assert delivering.wait_seconds(1.0, 0) == 1


@pytest.mark.parametrize("outcome", [Sent("id \0 \ud800"), Rejected(FailureCode.UNKNOWN, "no \0 \udfff")])
async def test_what_a_platform_says_is_made_storable(
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    outcome: Outcome,
) -> None:
    async def send_oddly(*_: object) -> Outcome:
        return outcome

    monkeypatch.setattr(SandboxAdapter, "send", send_oddly)
    event_id = await send(process, tenant, connection)

    assert await ended(database, event_id) in {"succeeded", "failed UNKNOWN"}
    row = await database.fetchrow(
        "select external_id, error ->> 'message' as error from messages where id = $1", event_id
    )
    assert tuple(row) in {("id \ufffd \ufffd", None), (None, "no \ufffd \ufffd")}


async def test_nothing_is_sent_where_the_mark_cannot_be_made(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider.messaging.delivering._UNMARKED_SECONDS", 0.2)
    config = {"api_base_url": f"{sink.url}/vendor"}
    connection = (await connect_sandbox(process, tenant, config=config, in_doubt_policy="hold")).id
    async with database.transaction():
        event_id = await send(process, tenant, connection)
        await database.execute("select from delivery_queue where event_id = $1 for update", event_id)
        await asyncio.sleep(1.0)
        assert not sink.at("/vendor/messages")
    assert await ended(database, event_id) == "succeeded"
    assert len(sink.at("/vendor/messages")) == 1


async def test_a_held_connection_marks_before_the_call(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    config = {"api_base_url": f"{sink.url}/vendor"}
    connection = (await connect_sandbox(process, tenant, config=config, in_doubt_policy="hold")).id
    sink.seconds["/vendor/messages"] = 0.3
    event_id = await send(process, tenant, connection)
    await until(lambda: bool(sink.at("/vendor/messages")))

    assert (
        await database.fetchval("select state from delivery_queue where event_id = $1", event_id) == "started"
    )
    assert await ended(database, event_id) == "succeeded"


async def test_a_throttled_connection_waits_as_a_whole(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    config = {"api_base_url": f"{sink.url}/vendor"}
    connection = (await connect_sandbox(process, tenant, channel=Channel.EMAIL, config=config)).id
    throttled = await send(process, tenant, connection, "throttled.ada@test")
    await asyncio.sleep(0.2)
    other = await send(process, tenant, connection, "bob@test")
    await asyncio.sleep(0.5)
    assert not sink.at("/vendor/messages")

    assert await ended(database, other) == "succeeded"
    assert await ended(database, throttled) == "succeeded"


async def test_nothing_of_this_is_broken(own_dsn: str, process: Runtime) -> None:
    del process
    assert await verify(own_dsn) == {}
