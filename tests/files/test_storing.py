"""Files of a customer's own: stored, fetched from a URL, read, listed, swept and verified."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web

from outrider.core.errors import (
    AppError,
    Forbidden,
    NotFound,
    PayloadTooLarge,
    PlatformError,
    Unavailable,
    ValidationError,
)
from outrider.events.creating import EdgeRequest, NewCustomEvent, create_event
from outrider.events.values import NodeType
from outrider.files.storing import create_file_from_url, find_file, store_file
from outrider.files.sweeping import sweep
from outrider.files.values import FileSource, FileState
from outrider.files.verifying import DAMAGED, MISSING
from outrider.platforms.base import LARGEST_FILE
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from tests.clients import Client
from tests.running import running, vanish
from tests.tenants import Tenant, actor_of, new_tenant

_CREATE = """mutation($url: String!, $filename: String, $mimeType: String) {
  createFile(url: $url, filename: $filename, mimeType: $mimeType) { id filename mimeType size url state createdAt } }"""
Database = asyncpg.Connection


@pytest.fixture
async def web_server() -> AsyncGenerator[str]:
    """A server that has files, and is not always kind."""

    async def answer(request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/menu.pdf":
                return web.Response(body=b"%PDF", content_type="application/pdf")
            case "/picture":
                return web.Response(body=b"png", headers={"content-type": "image/png; q=1"})
            case "/large":
                return web.Response(body=bytes(LARGEST_FILE + 1))
            case "/elsewhere":
                return web.Response(status=302, headers={"location": "/menu.pdf"})
            case "/empty":
                return web.Response(body=b"")
            case _:
                return web.Response(status=404)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_file_is_stored_and_found(process: Runtime, tenant: Tenant) -> None:
    stored = await store_file(process.files, tenant.actor, b"hello", filename="../a/menu.txt")

    assert (stored.filename, stored.mime_type, stored.size) == ("menu.txt", "text/plain", 5)
    assert (stored.state, stored.source) == (FileState.READY, FileSource.UPLOAD)
    assert stored.sha256 is not None
    assert await process.files.storage.read(stored.sha256) == b"hello"
    assert await find_file(process.files, tenant.actor, stored.id) == stored


async def test_the_largest_file_is_taken_and_one_byte_more_is_not(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    content = bytes(LARGEST_FILE)

    stored = await store_file(process.files, tenant.actor, content, filename="a.bin")

    assert stored.size == LARGEST_FILE
    with pytest.raises(PayloadTooLarge):
        await store_file(process.files, tenant.actor, content + b"x", filename="a.bin")
    count = await database.fetchval(
        "select count(*) from files where application_id = $1", tenant.application_id
    )
    assert count == 1


@pytest.mark.parametrize(
    ("content", "filename", "mime_type", "path"),
    [
        (b"", "a", None, "file"),
        (b"x", "a\x00b", None, "filename"),
        (b"x", "\ud800", None, "filename"),
        (b"x", "a" * 1_001, None, "filename"),
        (b"x", "a", "no type", "mimeType"),
        (b"x", "a", "a/b\x00", "mimeType"),
        (b"x", "a", "x" * 1_001, "mimeType"),
    ],
)
async def test_what_cannot_be_a_file_is_refused_and_nothing_is_written(
    content: bytes,
    filename: str,
    mime_type: str | None,
    path: str,
    *,
    process: Runtime,
    tenant: Tenant,
    database: Database,
) -> None:
    with pytest.raises(ValidationError) as refused:
        await store_file(process.files, tenant.actor, content, filename=filename, mime_type=mime_type)

    assert refused.value.details["path"] == path
    assert not await database.fetchval(
        "select count(*) from files where application_id = $1", tenant.application_id
    )


async def test_scopes_and_tenants_are_kept_apart(process: Runtime, tenant: Tenant) -> None:
    stored = await store_file(process.files, tenant.actor, b"x", filename="a")
    stranger = await new_tenant(process.tenancy)
    reader = actor_of(
        process.tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({"events:read"})
    )

    with pytest.raises(Forbidden):
        await store_file(process.files, reader, b"x", filename="a")
    assert await find_file(process.files, reader, stored.id) == stored
    for missing in (stored.id, uuid4()):
        with pytest.raises(NotFound) as refused:
            await find_file(process.files, stranger.actor, missing)
        assert refused.value.details == {"resource_type": "File", "resource_id": str(missing)}


async def test_a_full_disk_takes_no_file(
    process: Runtime, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(process.files.storage), "has_room", lambda _: False)

    with pytest.raises(Unavailable):
        await store_file(process.files, tenant.actor, b"no room", filename="a")


async def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(
    process: Runtime, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(process.files.storage), "_make_folders", refuse)

    with pytest.raises(Unavailable) as refused:
        await store_file(process.files, tenant.actor, b"refused", filename="a")
    assert refused.value.message == "The file could not be stored."


async def test_a_file_that_was_acknowledged_survives_a_kill(own_dsn: str, tmp_path: Path) -> None:
    async with running(own_dsn, tmp_path) as first:
        tenant = await new_tenant(first.tenancy)
        stored = await asyncio.gather(
            *(store_file(first.files, tenant.actor, b"%d" % number, filename="a") for number in range(50))
        )
        await vanish(first)

    async with running(own_dsn, tmp_path) as second:
        for number, file in enumerate(stored):
            found = await find_file(second.files, tenant.actor, file.id)
            assert found.sha256 is not None
            assert await second.files.storage.read(found.sha256) == b"%d" % number
    assert await verify(own_dsn) == {}


async def test_a_crash_between_write_and_commit_leaves_nothing_that_stays(
    process: Runtime, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await store_file(process.files, tenant.actor, b"named by a row", filename="a")
    assert kept.sha256 is not None

    async def crash(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(type(process.appender), "append", crash)
        with pytest.raises(Unavailable):
            await store_file(process.files, tenant.actor, b"named by nobody", filename="a")
    storage = process.files.storage
    left = (await storage.put(b"named by nobody")).sha256
    young = (await storage.put(b"about to be named")).sha256
    then = time.time() - 100_000
    for content in (kept.sha256, left):
        os.utime(storage.path_of(content), (then, then))

    removed = [await sweep(process.files.pool, storage, digit) for digit in "0123456789abcdef"]

    assert sum(removed) == 1
    assert [storage.path_of(one).exists() for one in (kept.sha256, left, young)] == [True, False, True]


async def test_verify_tells_of_content_that_is_missing_or_damaged(
    process: Runtime, tenant: Tenant, own_dsn: str
) -> None:
    storage = process.files.storage
    lost, bad, good = [
        await store_file(process.files, tenant.actor, content, filename="a")
        for content in (b"will be lost", b"will be bad", b"stays")
    ]
    assert lost.sha256
    assert bad.sha256
    assert good.sha256
    storage.path_of(lost.sha256).unlink()
    storage.path_of(bad.sha256).write_bytes(b"another")
    try:
        found = _of(tenant, await verify(own_dsn, storage))
    finally:
        await storage.put(b"will be lost")
        storage.path_of(bad.sha256).write_bytes(b"will be bad")

    assert found == {
        MISSING: [f"{tenant.application_id}/{lost.id}"],
        DAMAGED: [f"{tenant.application_id}/{bad.id}"],
    }
    assert _of(tenant, await verify(own_dsn, storage)) == {}


def _of(tenant: Tenant, found: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is wrong with one tenant: others have their contents elsewhere."""
    own = {
        kind: [place for place in places if place.startswith(str(tenant.application_id))]
        for kind, places in found.items()
    }
    return {kind: places for kind, places in own.items() if places}


async def test_edges_lead_to_files_of_the_application_alone(process: Runtime, tenant: Tenant) -> None:
    stored = await store_file(process.files, tenant.actor, b"x", filename="a")
    stranger = await new_tenant(process.tenancy)

    def event(file_id: object) -> NewCustomEvent:
        edge = EdgeRequest("about", NodeType.FILE, file_id)  # type: ignore[arg-type]
        return NewCustomEvent(event_type="file.seen", payload={}, edges=[edge])

    await create_event(process.creating, tenant.actor, event(stored.id))
    for actor, missing in ((stranger.actor, stored.id), (tenant.actor, uuid4())):
        with pytest.raises(NotFound) as refused:
            await create_event(process.creating, actor, event(missing))
        assert refused.value.details["resource_type"] == "File"


# From a URL.


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("/menu.pdf", {}, ("menu.pdf", "application/pdf")),
        ("/picture", {}, ("picture.png", "image/png")),
        ("/picture", {"filename": "me.jpg", "mime_type": "image/jpeg"}, ("me.jpg", "image/jpeg")),
        ("/menu.pdf?x=/../y", {"filename": "../z"}, ("z", "application/pdf")),
    ],
)
async def test_a_file_is_fetched_from_its_url(
    path: str,
    given: dict[str, str],
    expected: tuple[str, str],
    *,
    process: Runtime,
    tenant: Tenant,
    web_server: str,
) -> None:
    stored = await create_file_from_url(process.files, tenant.actor, web_server + path, **given)

    assert (stored.filename, stored.mime_type) == expected
    assert stored.source is FileSource.URL


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/missing", PlatformError),
        ("/elsewhere", PlatformError),
        ("/empty", PlatformError),
        ("/large", PayloadTooLarge),
    ],
)
async def test_what_the_other_side_does_not_give_is_told(
    path: str, refusal: type[AppError], process: Runtime, tenant: Tenant, web_server: str
) -> None:
    with pytest.raises(refusal):
        await create_file_from_url(process.files, tenant.actor, web_server + path)


@pytest.mark.parametrize("url", ["", "ftp://x/y", "no url", "http://", "x" * 5_000, "file:///etc/passwd"])
async def test_what_is_no_address_is_refused(url: str, process: Runtime, tenant: Tenant) -> None:
    with pytest.raises(ValidationError) as refused:
        await create_file_from_url(process.files, tenant.actor, url)

    assert refused.value.details["path"] == "url"


async def test_a_private_address_is_refused_where_it_is_not_allowed(
    own_dsn: str, tmp_path: Path, web_server: str
) -> None:
    async with running(own_dsn, tmp_path, ALLOW_PRIVATE_TARGETS="0") as strict:
        tenant = await new_tenant(strict.tenancy)
        with pytest.raises(ValidationError):
            await create_file_from_url(
                strict.files, tenant.actor, web_server.replace("http:", "https:") + "/menu.pdf"
            )


async def test_a_vendor_that_is_away_is_a_platform_error(process: Runtime, tenant: Tenant) -> None:
    with pytest.raises(PlatformError):
        await create_file_from_url(process.files, tenant.actor, "http://127.0.0.1:9/x")


# Through the API.


async def test_a_file_is_created_read_and_listed(client: Client, web_server: str) -> None:
    created: dict[str, Any] = (await client.data(_CREATE, url=f"{web_server}/menu.pdf"))["createFile"]
    read = await client.data(
        "query($id: UUID!) { file(id: $id) { id filename mimeType size state createdAt } "
        'files(filters: {filename: {startsWith: "menu"}, state: READY}) { edges { node { id } } } }',
        id=f"file_{created['id']}",
    )

    url = created.pop("url")
    assert read["file"] == created
    assert (created["filename"], created["size"], created["state"]) == ("menu.pdf", 4, "READY")
    assert [edge["node"]["id"] for edge in read["files"]["edges"]] == [created["id"]]
    path = url.removeprefix(client.server.runtime.settings.public_url)
    assert (await client.request(b"", method="GET", path=path)).body == b"%PDF"


async def test_errors_of_creating_a_file_have_their_codes(client: Client, web_server: str) -> None:
    codes = [
        (await client.refused(_CREATE, url=f"{web_server}{path}", **more))["code"]
        for path, more in (
            ("/missing", {}),
            ("/large", {}),
            ("/menu.pdf", {"mimeType": "x"}),
            ("/menu.pdf", {"filename": "a\u0000"}),
        )
    ]

    assert codes == ["PLATFORM_ERROR", "PAYLOAD_TOO_LARGE", "VALIDATION_ERROR", "VALIDATION_ERROR"]
    assert (await client.refused(_CREATE, url=""))["code"] == "VALIDATION_ERROR"
