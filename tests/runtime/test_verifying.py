"""`verify` finds each kind of damage that it names, and nothing in a log that was only used."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import asyncpg
import pytest

from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.runtime.cross_tenant import select_broken
from outrider.runtime.verifying import verify
from outrider.webhooks import receiving
from tests.running import connect_sandbox, listening, new_database, running, subscribe, until
from tests.tenants import new_tenant

STATE = "message state that differs from its fold"
MESSAGE = "(select id from messages where state = 4 limit 1)"
WAITING = "(select event_id from delivery_queue where kind = 'message' limit 1)"
OTHER = "uuidv7()"

DAMAGE = {
    "a state set back": (STATE, f"update messages set state = 1 where id = {MESSAGE}"),
    "a time moved": (
        STATE,
        f"update messages set read_at = read_at + interval '1 second' where id = {MESSAGE}",
    ),
    "a time lost": (STATE, f"update messages set sent_at = null where id = {MESSAGE}"),
    "a child lost": (
        STATE,
        f"delete from events where origin_event_id = {MESSAGE} and event_type = 'message.read'",
    ),
    "an id lost": (STATE, f"update messages set external_id = null where id = {MESSAGE}"),
    "an error lost": (STATE, "update messages set error = null where state = 2"),
    "a message lost": (
        "message event without its message",
        f"delete from messages where id = {MESSAGE}",
    ),
    "an event lost": ("message without its event", f"delete from events where id = {MESSAGE}"),
    "work lost": (
        "accepted message that nobody will send",
        f"delete from delivery_queue where event_id = {WAITING} and kind = 'message'",
    ),
    "the event of an edge lost": ("edge without its event", f"delete from events where id = {MESSAGE}"),
    "a person lost": (
        "edge to a missing platform user",
        "delete from platform_users where external_id = 'read.ada'",
    ),
    "a user lost": (
        "platform user without its user",
        "delete from users where id = (select user_id from platform_users where external_id = 'read.ada')",
    ),
    "the event of work lost": ("work without its event", f"delete from events where id = {WAITING}"),
    "a webhook never released": (
        "held webhook whose message was attempted",
        f"update messages set state = 1 where id = {WAITING}",
    ),
    "a receipt left waiting": (
        "receipt that waits for a message that is known",
        f"""insert into parked_receipts (application_id, connection_id, external_id, event_id, event_type, payload,
          fragment, state, happened_at)
        select application_id, connection_id, external_id, {OTHER}, 'message.read', '{{}}', '', 4, now()
        from external_messages where event_id = {MESSAGE}""",
    ),
    "a position twice": (
        "position that two events have",
        """update events set position = (select max(position) from events)
        where id = (select id from events order by position limit 1)""",
    ),
    "work that goes on after its end": (
        "work that has ended and is still queued",
        f"""insert into deliveries select application_id, id, kind, event_id, target_id, 'failed', null, 1, now()
        from delivery_queue where event_id = {WAITING} and kind = 'message'""",
    ),
    "a body lost": (
        "webhook without its body",
        f"update delivery_queue set state = 'ready' where event_id = {WAITING} and kind = 'webhook'",
    ),
    "an id that leads elsewhere": (
        "platform's id that does not lead to its message",
        f"update external_messages set event_id = {OTHER} where event_id = {MESSAGE}",
    ),
    "a delivery tried again and lost": (
        "delivery that was put back and got lost",
        f"""insert into reopened_deliveries (application_id, id, attempts, state, finished_at)
        select application_id, {OTHER}, 1, 'failed', now() from messages where id = {MESSAGE}""",
    ),
    "a file lost": ("edge to a missing file", "delete from files where filename = 'image.png'"),
    "fetching lost": (
        "pending file that nobody will fetch",
        "update files set state = 'pending', sha256 = null, size = null where filename = 'image.png'",
    ),
    "fetching that goes on after its end": (
        "file that has ended and is still to be fetched",
        """insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id)
        select f.application_id, 0, e.position, f.id, 'media', e.id, f.id from files f
        join events e on e.application_id = f.application_id and e.event_type = 'message.inbound' limit 1""",
    ),
    "the message of a part lost": (
        "part of a missing message",
        f"""insert into message_parts select application_id, {OTHER}, 0, 'x' from messages where id = {MESSAGE}""",
    ),
    "a part not shown": (
        "message that does not show its parts",
        "insert into message_parts select application_id, id, 0, 'x' from messages",
    ),
    "a fan-out never released": (
        "unreleased fan-out of an attempted message",
        f"""insert into fan_outs select application_id, 1, id, 'message.outbound', null, true, {OTHER}
        from messages where id = {MESSAGE}""",
    ),
}


@pytest.fixture(scope="module")
async def used(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """A log with something of everything in it."""
    async with (
        new_database(dsn, "verify_used") as own,
        listening() as sink,
        running(own, tmp_path_factory.mktemp("verified")) as runtime,
    ):
        tenant = await new_tenant(runtime.tenancy)
        connection = await connect_sandbox(runtime, tenant)
        await subscribe(runtime, tenant, f"{sink.url}/hook", "*")
        for recipient in ("read.ada", "rejected.bob", "bounced.eve", "ada"):
            request = SendRequest(connection_id=connection.id, recipient=recipient, text="Hello")
            await send_message(runtime.sending, tenant.actor, request)
        later = runtime.sending.ids.now() + timedelta(days=1)
        request = SendRequest(
            connection_id=connection.id, recipient="later", text="Hello", scheduled_at=later
        )
        await send_message(runtime.sending, tenant.actor, request)
        entry = await runtime.directories.connections.get(tenant.application_id, connection.id)
        assert entry is not None
        body = (
            b'{"messages": [{"from": "ada", "text": "Hi"}, {"from": "ada", "image": {}}], '
            b'"receipts": [{"message_id": "x", "state": "read"}]}'
        )
        await receiving.receive_for(
            runtime.receiving, entry, runtime.registry.get("sandbox"), receiving.InboundRequest({}, body)
        )
        database = await asyncpg.connect(own)

        async def is_read() -> bool:
            fetched = await database.fetchval("select count(*) from files where state = 'ready'")
            return fetched == 1 == await database.fetchval("select count(*) from messages where state = 4")

        await until(is_read)
        await asyncio.sleep(0.3)
        await database.close()
        yield own


async def test_a_log_that_was_only_used_is_clean(used: str) -> None:
    assert await verify(used) == {}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_each_kind_of_damage_is_found(used: str, damage: str) -> None:
    named, statement = DAMAGE[damage]
    connection = await asyncpg.connect(used)
    transaction = connection.transaction()
    await transaction.start()
    try:
        changed = await connection.execute(statement)
        assert not changed.endswith(" 0"), "the damage was not done"
        found = await verify_inside(connection)
        assert named in found
        assert found[named]
    finally:
        await transaction.rollback()
        await connection.close()


async def verify_inside(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[str]]:
    """What `verify` finds, in a transaction that is never committed."""
    return await select_broken(connection)
