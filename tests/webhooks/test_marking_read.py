"""`auto_mark_read`: conversations that count as read without being told."""

import itertools
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.platforms.base import InboundRequest
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.tenancy.application_settings import ApplicationChanges, update_application
from outrider.webhooks import delivering, receiving
from tests.running import Sink, connect_sandbox, listening, new_database, running, subscribe, until
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection
_numbers = itertools.count()


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "marking_read") as own:
        yield own


@pytest.fixture(scope="module")
async def database(own_dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(own_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        yield found


@pytest.fixture
async def sink() -> AsyncGenerator[Sink]:
    async with listening() as found:
        yield found


class Desk:
    """An application set up in one way, and somebody who writes to it."""

    def __init__(self, process: Runtime, tenant: Tenant, database: Database, url: str) -> None:
        self.process, self.tenant, self.database = process, tenant, database
        _, _, webhook_id, self.secret = urlsplit(url).path.split("/")
        self.webhook_id = UUID(webhook_id)

    async def hear(self, message_id: str | None = None, sender: str = "ada") -> None:
        message = {"id": message_id or f"m{next(_numbers)}", "from": sender, "name": "Ada", "text": "Hello"}
        request = InboundRequest({}, orjson.dumps({"messages": [message]}))
        entry = await receiving.recognise(self.process.receiving, self.webhook_id, self.secret)
        await receiving.receive(self.process.receiving, entry, request)

    async def events(self, event_type: str) -> list[UUID]:
        rows = await self.database.fetch(
            "select id from events where application_id = $1 and event_type = $2 order by position",
            self.tenant.application_id,
            event_type,
        )
        return [row["id"] for row in rows]

    async def read(self) -> list[UUID]:
        """Up to which message each mark says that was read."""
        rows = await self.database.fetch(
            """select g.target_id from events e
            join edges g on g.application_id = e.application_id and g.event_id = e.id
            where e.application_id = $1 and e.event_type = 'system.conversation.read'
              and g.edge_type = 'read_up_to' order by e.position""",
            self.tenant.application_id,
        )
        return [row["target_id"] for row in rows]


async def desk_of(process: Runtime, database: Database, auto_mark_read: str) -> Desk:
    tenant = await new_tenant(process.tenancy)
    created = await connect_sandbox(process, tenant)
    assert created.webhook_url is not None
    changes = ApplicationChanges(config={"auto_mark_read": auto_mark_read})
    await update_application(process.tenancy, tenant.actor, changes)
    return Desk(process, tenant, database, created.webhook_url)


async def test_on_received_each_message_is_read_in_the_commit_that_brings_it(
    process: Runtime, database: Database, own_dsn: str
) -> None:
    desk = await desk_of(process, database, "on_received")

    await desk.hear()
    await desk.hear(sender="bob")
    await desk.hear("twice")
    await desk.hear("twice")

    messages = await desk.events("message.inbound")
    assert len(messages) == 3
    assert await desk.read() == messages
    edges = await database.fetch(
        """select g.edge_type, p.external_id from edges g
        join events e on e.application_id = g.application_id and e.id = g.event_id
        left join platform_users p on p.application_id = g.application_id and p.id = g.target_id
        where e.application_id = $1 and e.event_type = 'system.conversation.read'
          and g.edge_type = 'conversation' order by e.position""",
        desk.tenant.application_id,
    )
    assert [row["external_id"] for row in edges] == ["ada", "bob", "ada"]
    assert await verify(own_dsn) == {}


async def test_on_processing_complete_the_first_success_of_its_webhooks_reads_it(
    process: Runtime, database: Database, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (0.3, 0.3))
    desk = await desk_of(process, database, "on_processing_complete")
    for path in ("/one", "/two"):
        await subscribe(process, desk.tenant, f"{sink.url}{path}", "message.inbound")
    sink.will_answer("/one", 500)
    sink.will_answer("/two", 500, 500)

    await desk.hear()
    (message,) = await desk.events("message.inbound")
    await until(lambda: len(sink.heard) >= 2)
    assert await desk.read() == []

    async def are_over() -> bool:
        ended = "select count(*) from deliveries where application_id = $1 and state = 'succeeded'"
        return await database.fetchval(ended, desk.tenant.application_id) == 2

    await until(are_over)
    assert await desk.read() == [message]


async def test_a_late_success_does_not_make_later_messages_unread(
    process: Runtime, database: Database, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (1.0,))
    desk = await desk_of(process, database, "on_processing_complete")
    await subscribe(process, desk.tenant, f"{sink.url}/quick", "message.inbound")
    slow = await subscribe(process, desk.tenant, f"{sink.url}/slow", "message.inbound")
    sink.will_answer("/slow", 500)

    await desk.hear()
    await desk.hear()
    messages = await desk.events("message.inbound")

    async def are_over() -> bool:
        ended = "select count(*) from deliveries where target_id = $1 and state = 'succeeded'"
        return await database.fetchval(ended, slow) == 2

    await until(are_over)
    assert await desk.read() == messages


async def test_never_nothing_is_marked(process: Runtime, database: Database, sink: Sink) -> None:
    desk = await desk_of(process, database, "never")
    await subscribe(process, desk.tenant, f"{sink.url}/hook", "*")

    await desk.hear()

    async def is_over() -> bool:
        ended = "select count(*) from deliveries where application_id = $1"
        return await database.fetchval(ended, desk.tenant.application_id) == 1

    await until(is_over)
    assert await desk.read() == []
    assert len(await desk.events("message.inbound")) == 1


async def test_without_success_nothing_is_read(
    process: Runtime, database: Database, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", ())
    desk = await desk_of(process, database, "on_processing_complete")
    await subscribe(process, desk.tenant, f"{sink.url}/hook", "message.inbound")
    sink.will_answer("/hook", 500)

    await desk.hear()

    async def has_failed() -> bool:
        ended = "select count(*) from deliveries where application_id = $1 and state = 'failed'"
        return await database.fetchval(ended, desk.tenant.application_id) == 1

    await until(has_failed)
    assert await desk.read() == []
