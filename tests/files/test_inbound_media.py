"""What people send is fetched once, in the background: whatever is repeated, fails, or is killed in between."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from aiohttp import web

from outrider.core.errors import Unavailable
from outrider.files import fetching
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.tenancy.connections import NewConnection, create_connection
from outrider.webhooks import receiving
from tests.platforms.telegram.updates import reaction_update, text_update
from tests.running import Sink, connect_sandbox, running, subscribe, until, vanish
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection
TOKEN = "700100200:AAF-token_of_the_bot_000000000000001"
PNG = base64.b64encode(b"\x89PNG pretended").decode()


@dataclass
class FileServer:
    """A Bot API server as its description has it, with files; `answers` go first."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    answers: list[tuple[int, object]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    content: bytes = b"jpeg of a ferry"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer `getFile` and the download behind it."""
        self.asked.append(request.path.rpartition("/")[2])
        if self.hold is not None:
            await self.hold.wait()
        if self.answers:
            status, body = self.answers.pop(0)
            return web.json_response(body, status=status)
        if request.path == f"/bot{TOKEN}/getFile":
            file_id = (await request.json())["file_id"]
            found = {"file_id": file_id, "file_unique_id": "u", "file_path": "photos/file_7.jpg"}
            return web.json_response({"ok": True, "result": found})
        if request.path == f"/file/bot{TOKEN}/photos/file_7.jpg":
            return web.Response(body=self.content)
        return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)


@pytest.fixture
async def bot_api() -> AsyncGenerator[FileServer]:
    server = FileServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


async def _bot(process: Runtime, tenant: Tenant, bot_api: FileServer) -> UUID:
    config = {"bot_token": TOKEN, "api_base_url": bot_api.url}
    new = NewConnection(channel=Channel.TELEGRAM, name="Bot", provider="telegram", config=config)
    return (await create_connection(process.tenancy, tenant.actor, new)).id


async def _receive(process: Runtime, tenant: Tenant, connection: UUID, document: object) -> None:
    entry = await process.directories.connections.get(tenant.application_id, connection)
    assert entry is not None
    request = receiving.InboundRequest({}, json.dumps(document).encode())
    await receiving.receive(process.receiving, entry, request)


async def _events(database: Database, tenant: Tenant, event_type: str) -> list[dict[str, Any]]:
    rows = await database.fetch(
        "select id, origin_event_id, payload::text as payload from events "
        "where application_id = $1 and event_type = $2 order by id",
        tenant.application_id,
        event_type,
    )
    return [{**dict(row), "payload": orjson.loads(row["payload"])} for row in rows]


async def _files(database: Database, tenant: Tenant) -> list[dict[str, Any]]:
    rows = await database.fetch(
        "select * from files where application_id = $1 order by id", tenant.application_id
    )
    return [dict(row) for row in rows]


async def _until_fetched(database: Database, tenant: Tenant, count: int = 1) -> None:
    async def is_fetched() -> bool:
        return [row["state"] for row in await _files(database, tenant)].count("ready") >= count

    await until(is_fetched)


def _photo(update_id: int = 7, **more: object) -> dict[str, Any]:
    photo = [{"file_id": "small", "width": 90}, {"file_id": "large", "width": 800, "file_size": 15}]
    return text_update(update_id=update_id, text=None, photo=photo, caption="The quay", **more)


async def test_a_photo_arrives_with_its_message_and_is_fetched_behind_it(
    process: Runtime, tenant: Tenant, database: Database, bot_api: FileServer, sink: Sink
) -> None:
    bot_api.hold = asyncio.Event()
    await subscribe(process, tenant, f"{sink.url}/hook", "message.inbound", "file.inbound")
    connection = await _bot(process, tenant, bot_api)

    await _receive(process, tenant, connection, _photo())

    (pending,) = await _files(database, tenant)
    (message,) = await _events(database, tenant, "message.inbound")
    edges = await database.fetch(
        "select edge_type, target_type from edges where event_id = $1 and target_id = $2",
        message["id"],
        pending["id"],
    )
    assert (pending["state"], pending["filename"], pending["sha256"]) == ("pending", "image.jpg", None)
    assert message["payload"]["message"] == {
        "media": {"id": str(pending["id"]), "mime_type": "image/jpeg"},
        "type": "image",
        "caption": "The quay",
        "role": "user",
    }
    assert [tuple(edge) for edge in edges] == [("attachment", "file")]

    bot_api.hold.set()
    await _until_fetched(database, tenant)
    (ready,) = await _files(database, tenant)
    (told,) = await _events(database, tenant, "file.inbound")
    assert await process.files.storage.read(ready["sha256"]) == bot_api.content
    assert ready["reference"] is None
    assert told["origin_event_id"] == message["id"]
    assert told["payload"] == {
        "file_id": str(ready["id"]),
        "filename": "image.jpg",
        "mime_type": "image/jpeg",
        "size": len(bot_api.content),
    }
    await until(lambda: len(sink.at("/hook")) == 2)
    bodies = {one["event_type"]: one for one in (orjson.loads(heard.body) for heard in sink.at("/hook"))}
    assert "/files/" in bodies["message.inbound"]["payload"]["message"]["media"]["url"]
    assert bodies["file.inbound"]["edges"]["attachment"] == {"file_id": str(ready["id"])}


async def test_a_repeated_webhook_fetches_nothing(
    process: Runtime, tenant: Tenant, database: Database, bot_api: FileServer
) -> None:
    connection = await _bot(process, tenant, bot_api)

    for _ in range(3):
        await _receive(process, tenant, connection, _photo())
        await _until_fetched(database, tenant)

    assert len(await _files(database, tenant)) == 1
    assert len(await _events(database, tenant, "file.inbound")) == 1
    assert bot_api.asked == ["getFile", "file_7.jpg"]


async def test_a_file_that_the_platform_puts_off_is_fetched_later(
    process: Runtime,
    tenant: Tenant,
    database: Database,
    bot_api: FileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "RETRY_SECONDS", (0.1,))
    slow = {"ok": False, "error_code": 429, "description": "slow", "parameters": {"retry_after": 0.1}}
    bot_api.answers = [(500, {}), (429, slow)]
    connection = await _bot(process, tenant, bot_api)

    await _receive(process, tenant, connection, _photo())
    await _until_fetched(database, tenant)

    results = await database.fetch(
        "select result from attempts where application_id = $1 order by number", tenant.application_id
    )
    assert [row["result"] for row in results] == ["deferred", "deferred", "succeeded"]


@pytest.mark.parametrize("reason", ["refused", "too large as told", "empty"])
async def test_a_file_that_cannot_be_had_is_given_up_and_told(
    reason: str, process: Runtime, tenant: Tenant, database: Database, bot_api: FileServer
) -> None:
    connection = await _bot(process, tenant, bot_api)
    update = _photo()
    if reason == "refused":
        bot_api.answers = [(400, {"ok": False, "error_code": 400, "description": "Bad Request: too big"})]
    elif reason == "empty":
        bot_api.content = b""
    else:
        update["message"]["photo"][1]["file_size"] = 25_000_001

    await _receive(process, tenant, connection, update)

    async def is_told() -> bool:
        return len(await _events(database, tenant, "system.file.failed")) == 1

    await until(is_told)
    (failed,) = await _files(database, tenant)
    (told,) = await _events(database, tenant, "system.file.failed")
    (message,) = await _events(database, tenant, "message.inbound")
    assert (failed["state"], failed["sha256"], failed["reference"]) == ("failed", None, None)
    assert told["origin_event_id"] == message["id"]
    assert told["payload"]["file_id"] == str(failed["id"])
    assert told["payload"]["error"]["message"]
    assert not await _events(database, tenant, "file.inbound")


async def test_a_connection_that_was_disabled_fetches_nothing_more(
    process: Runtime, tenant: Tenant, database: Database, bot_api: FileServer
) -> None:
    connection = await _bot(process, tenant, bot_api)
    bot_api.hold = asyncio.Event()
    bot_api.answers = [(500, {})]
    await _receive(process, tenant, connection, _photo())
    await until(lambda: bool(bot_api.asked))
    await database.execute("update connections set status = 'disabled' where id = $1", connection)
    process.directories.connections.clear()
    await database.execute(
        "update delivery_queue set due_at = now() where application_id = $1", tenant.application_id
    )
    bot_api.hold.set()

    async def is_deferred() -> bool:
        return bool(
            await database.fetchval(
                "select count(*) from attempts where application_id = $1", tenant.application_id
            )
        )

    await until(is_deferred)
    await database.execute(
        "update delivery_queue set due_at = now() where application_id = $1", tenant.application_id
    )

    async def is_failed() -> bool:
        return (await _files(database, tenant))[0]["state"] == "failed"

    await until(is_failed, seconds=20)


async def test_a_kill_amid_the_fetch_makes_one_file_and_one_event(
    own_dsn: str, tmp_path: Path, database: Database, bot_api: FileServer
) -> None:
    bot_api.hold = asyncio.Event()
    async with running(own_dsn, tmp_path) as first:
        tenant = await new_tenant(first.tenancy)
        connection = await _bot(first, tenant, bot_api)
        for number in range(5):
            await _receive(first, tenant, connection, _photo(number, message_id=number + 1))
        await vanish(first)

    bot_api.hold.set()
    async with running(own_dsn, tmp_path):
        await _until_fetched(database, tenant, 5)

    files = await _files(database, tenant)
    told = await _events(database, tenant, "file.inbound")
    assert [row["state"] for row in files] == ["ready"] * 5
    assert sorted(one["payload"]["file_id"] for one in told) == [str(row["id"]) for row in files]
    assert len({row["sha256"] for row in files}) == 1
    assert not [kind for kind in await verify(own_dsn) if "file" in kind]


async def test_what_was_written_before_a_crash_is_written_again_and_counts_once(
    process: Runtime, tenant: Tenant, database: Database, bot_api: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = iter([True, False])
    real = fetching.put_content

    async def put_and_crash(*given: Any) -> Any:
        stored = await real(*given)
        if next(crashes, False):
            raise Unavailable("crashed between the write and the commit")
        return stored

    monkeypatch.setattr(fetching, "put_content", put_and_crash)
    connection = await _bot(process, tenant, bot_api)

    await _receive(process, tenant, connection, _photo())
    await _until_fetched(database, tenant)

    assert len(await _events(database, tenant, "file.inbound")) == 1
    assert bot_api.asked.count("getFile") == 2


async def test_more_than_are_fetched_at_once_wait_without_using_up_their_attempts(
    process: Runtime, tenant: Tenant, database: Database, bot_api: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_TURN_SECONDS", 0.1)
    monkeypatch.setattr(fetching, "_PUT_BACK_SECONDS", 0.1)
    bot_api.hold = asyncio.Event()
    connection = await _bot(process, tenant, bot_api)

    for number in range(12):
        await _receive(process, tenant, connection, _photo(number, message_id=number + 1))
    await until(lambda: len(bot_api.asked) == 4)
    await asyncio.sleep(0.5)
    # as many as one application may, of the eight that all may together
    assert len(bot_api.asked) == 4
    bot_api.hold.set()
    await _until_fetched(database, tenant, 12)

    results = await database.fetch(
        "select distinct number, result from attempts where application_id = $1", tenant.application_id
    )
    assert [tuple(row) for row in results] == [(1, "succeeded")]


# The sandbox.


async def test_the_sandbox_brings_every_kind_of_content(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    connection = (await connect_sandbox(process, tenant)).id
    messages = [
        {"from": "ada", "image": {"base64": PNG, "filename": "../a.png"}, "caption": "Look"},
        {"from": "ada", "video": {}},
        {"from": "ada", "audio": {"mime_type": "audio/mpeg"}},
        {"from": "ada", "document": {"filename": "menu.pdf"}, "text": "Menu"},
        {"from": "ada", "location": {"latitude": 1, "longitude": 2, "name": "Pier"}},
        {"from": "ada", "contact": {"name": "Bob", "phone": "+1202"}},
        {"from": "ada", "text": "Hi"},
    ]

    await _receive(process, tenant, connection, {"messages": messages})
    await _until_fetched(database, tenant, 4)

    said = [one["payload"]["message"] for one in await _events(database, tenant, "message.inbound")]
    files = {str(row["id"]): row for row in await _files(database, tenant)}
    assert [one["type"] for one in said] == [
        "image",
        "video",
        "audio",
        "document",
        "location",
        "contact",
        "text",
    ]
    assert (said[0]["caption"], said[3]["caption"]) == ("Look", "Menu")
    assert said[3]["media"]["filename"] == "menu.pdf"
    first = files[said[0]["media"]["id"]]
    assert (first["filename"], first["mime_type"]) == ("a.png", "image/png")
    assert await process.files.storage.read(first["sha256"]) == base64.b64decode(PNG)


async def test_what_the_sandbox_does_not_have_fails(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    connection = (await connect_sandbox(process, tenant)).id
    messages = [
        {"from": "ada", "image": {"missing": True}},
        {"from": "ada", "image": {"base64": "no base64!"}},
        {"from": "ada", "image": {}, "document": {}},
    ]

    await _receive(process, tenant, connection, {"messages": messages})
    await _until_fetched(database, tenant, 2)

    async def both_failed() -> bool:
        return len(await _events(database, tenant, "system.file.failed")) == 2

    await until(both_failed)
    last = (await _events(database, tenant, "message.inbound"))[-1]
    attached = await database.fetchval(
        "select count(*) from edges where event_id = $1 and edge_type = 'attachment'", last["id"]
    )
    assert (last["payload"]["message"]["type"], attached) == ("image", 2)


# Reactions.


async def test_a_reaction_is_an_event_that_leads_to_its_message(
    process: Runtime, tenant: Tenant, database: Database, bot_api: FileServer
) -> None:
    connection = await _bot(process, tenant, bot_api)
    await _receive(process, tenant, connection, text_update())
    (message,) = await _events(database, tenant, "message.inbound")

    for _ in range(2):
        await _receive(process, tenant, connection, reaction_update("👍"))
    await _receive(process, tenant, connection, {**reaction_update(before=("👍",)), "update_id": 16})
    await _receive(process, tenant, connection, {**reaction_update("👍", message_id=999), "update_id": 17})

    reactions = await _events(database, tenant, "message.reaction")
    edges = [
        {row["edge_type"]: row["target_id"] for row in rows}
        for rows in [
            await database.fetch("select edge_type, target_id from edges where event_id = $1", one["id"])
            for one in reactions
        ]
    ]
    assert [one["payload"] for one in reactions] == [
        {"reaction": {"emoji": "👍", "message_id": "51:41"}, "platform": "telegram"},
        {"reaction": {"emoji": "", "message_id": "51:41"}, "platform": "telegram"},
        {"reaction": {"emoji": "👍", "message_id": "51:999"}, "platform": "telegram"},
    ]
    assert [one.get("reply_to") for one in edges] == [message["id"], message["id"], None]
    assert len({one["sent_by"] for one in edges}) == 1
