"""A message that takes several calls: each is recorded as it ends, and whatever happens goes on behind it."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from aiohttp import web

from outrider.files.storing import store_file
from outrider.messaging import recording
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest, SendResult
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.tenancy.connections import NewConnection, create_connection
from outrider.webhooks import receiving
from tests.platforms.telegram.updates import reaction_update
from tests.running import Sink, running, subscribe, until, vanish
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection


@dataclass
class BotApi:
    """Takes messages; fails or stands still at the call of a number, from 1."""

    url: str = ""
    fails_at: set[int] = field(default_factory=set)
    stands_still_at: int = 0
    methods: list[str] = field(default_factory=list)
    ids: Any = field(default_factory=lambda: itertools.count(1))

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one call."""
        self.methods.append(request.path.rpartition("/")[2])
        await request.read()
        number = len(self.methods)
        if number == self.stands_still_at:
            await asyncio.sleep(30)
        if number in self.fails_at:
            told = {"ok": False, "error_code": 500, "description": "Internal"}
            return web.json_response(told, status=500)
        message = {"message_id": next(self.ids), "chat": {"id": 51}}
        return web.json_response({"ok": True, "result": message})


@pytest.fixture
async def bot_api() -> AsyncGenerator[BotApi]:
    vendor = BotApi()
    application = web.Application()
    application.router.add_post("/{path:.*}", vendor.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield vendor
    await runner.cleanup()


async def _send(process: Runtime, tenant: Tenant, bot_api: BotApi, *, wait: bool = True) -> SendResult:
    config = {"bot_token": "1:A", "api_base_url": bot_api.url}
    new = NewConnection(channel=Channel.TELEGRAM, name="Bot", provider="telegram", config=config)
    connection = (await create_connection(process.tenancy, tenant.actor, new)).id
    files = [
        await store_file(process.files, tenant.actor, b"%d" % number, filename=f"{number}.pdf")
        for number in range(2)
    ]
    request = SendRequest(
        connection_id=connection,
        recipient="51",
        text="Two pages",
        file_ids=[file.id for file in files],
        wait=wait,
    )
    return await send_message(process.sending, tenant.actor, request)


async def _state(database: Database, event_id: UUID) -> int:
    return await database.fetchval("select state from messages where id = $1", event_id)


async def _sent(database: Database, event_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(
        await database.fetchval(
            "select payload::text from events where origin_event_id = $1 and event_type = 'message.sent'",
            event_id,
        )
    )
    return found


async def test_a_text_with_files_is_one_message_with_several_ids(
    process: Runtime, tenant: Tenant, database: Database, bot_api: BotApi, sink: Sink
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound", "message.sent")

    sent = await _send(process, tenant, bot_api)

    ids = ["51:1", "51:2", "51:3"]
    assert (sent.state, sent.external_message_id) == ("sent", "51:1")
    assert bot_api.methods == ["sendMessage", "sendDocument", "sendDocument"]
    told = await _sent(database, sent.event_id)
    assert (told["external_message_id"], told["external_message_ids"]) == ("51:1", ids)
    await until(lambda: len(sink.at("/hook")) == 2)
    for heard in sink.at("/hook"):
        assert orjson.loads(heard.body)["payload"]["external_message_ids"] == ids
    parts = await database.fetch(
        "select external_id from message_parts where message_id = $1 order by number", sent.event_id
    )
    assert [row["external_id"] for row in parts] == ids


async def test_whoever_reacts_to_any_part_reacts_to_the_message(
    process: Runtime, tenant: Tenant, database: Database, bot_api: BotApi
) -> None:
    sent = await _send(process, tenant, bot_api)
    connection = await database.fetchval("select connection_id from messages where id = $1", sent.event_id)
    entry = await process.directories.connections.get(tenant.application_id, connection)
    assert entry is not None

    for number in (1, 2, 3):
        update = {**reaction_update("👍", message_id=number), "update_id": number}
        request = receiving.InboundRequest({}, orjson.dumps(update))
        await receiving.receive(process.receiving, entry, request)

    answered = await database.fetch(
        "select target_id from edges where application_id = $1 and edge_type = 'reply_to'",
        tenant.application_id,
    )
    assert [row["target_id"] for row in answered] == [sent.event_id] * 3


async def test_a_retry_goes_on_at_the_first_part_that_was_not_sent(
    process: Runtime,
    tenant: Tenant,
    database: Database,
    bot_api: BotApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", (0.05,) * 5)
    bot_api.fails_at = {2, 4}

    sent = await _send(process, tenant, bot_api)

    async def is_sent() -> bool:
        return await _state(database, sent.event_id) == 1

    await until(is_sent)
    assert bot_api.methods == ["sendMessage"] + ["sendDocument"] * 4
    assert (await _sent(database, sent.event_id))["external_message_ids"] == ["51:1", "51:2", "51:3"]


async def test_a_kill_between_parts_sends_none_of_them_twice_that_was_answered(
    own_dsn: str, tmp_path: Path, database: Database, bot_api: BotApi
) -> None:
    bot_api.stands_still_at = 3
    async with running(own_dsn, tmp_path) as first:
        tenant = await new_tenant(first.tenancy)
        sent = await _send(first, tenant, bot_api, wait=False)
        await until(lambda: len(bot_api.methods) == 3)
        await vanish(first)

    async with running(own_dsn, tmp_path):

        async def is_sent() -> bool:
            return await _state(database, sent.event_id) == 1

        await until(is_sent, seconds=60)

    # the third was asked for twice, since nobody knows what became of it
    assert bot_api.methods == ["sendMessage"] + ["sendDocument"] * 3
    assert (await _sent(database, sent.event_id))["external_message_ids"] == ["51:1", "51:2", "51:3"]
    assert await verify(own_dsn) == {}
