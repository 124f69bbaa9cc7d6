"""Callers that take up room: slow, endless, deaf, too many, or with two opinions on where a request ends."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from outrider.core.asgi import Receive, Scope, Send, read_body, respond
from outrider.core.sockets import raise_file_limit
from outrider.runtime import http_protocol
from outrider.runtime.http_protocol import HttpProtocol

LARGE = b"x" * 20_000_000


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads its body and answers."""
    body = await read_body(scope, receive, limit=1_000_000)
    if scope["path"] == "/endless":
        await _go_on(receive, send)
        return
    await respond(send, 200, LARGE if scope["path"] == "/large" else body)


async def _go_on(receive: Receive, send: Send) -> None:
    """Answer more and more for as long as somebody is there."""
    watching = asyncio.ensure_future(receive())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not watching.done():
        await send({"type": "http.response.body", "body": b"x" * 50_000, "more_body": True})
        await asyncio.sleep(0)


@asynccontextmanager
async def answering() -> AsyncGenerator[int]:
    config = uvicorn.Config(
        echo, port=0, http=HttpProtocol, ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    async with answering() as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "_LOOK_SECONDS", 0.05)


async def dialogue(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """All that is answered to these parts until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(5):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(pause)
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="silence"),
        pytest.param([b"POST / HTTP/1.1\r\nHost: x\r\n"], id="half a head"),
        pytest.param([b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"], id="half a body"),
        pytest.param([b"POST / HTTP/1.1\r\n"] + [b"X-A: b\r\n"] * 40, id="a head that trickles"),
        pytest.param([b"\r\n"] * 40, id="empty lines"),
    ],
)
async def test_a_request_that_does_not_become_whole_is_cut_off(port: int, parts: list[bytes]) -> None:
    begun = asyncio.get_running_loop().time()
    assert await dialogue(port, *parts, pause=0.02) == b""
    assert asyncio.get_running_loop().time() - begun < 2


async def test_a_caller_that_takes_its_time_between_requests_is_kept(port: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    last = request.replace(b"Host", b"Connection: close\r\nHost")
    assert (await dialogue(port, request, request, last, pause=0.6)).count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
async def test_an_answer_without_a_body_is_not_held_back(port: int, connection: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: " + connection + b"\r\n\r\nhi"
    )
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-length: 2" in head


async def test_a_head_without_end_is_refused(port: int) -> None:
    answer = await dialogue(
        port, b"GET / HTTP/1.1\r\n", *[b"X-A: " + b"b" * 30_000 + b"\r\n"] * 20, pause=0.01
    )
    assert answer.startswith(b"HTTP/1.1 400") or answer == b""


async def test_an_answer_that_nobody_reads_does_not_stay(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(1.0)
    received = b""
    with contextlib.suppress(ConnectionError):
        received = await reader.read()
    assert len(received) < len(LARGE)
    writer.close()


async def test_an_endless_answer_may_be_read_for_ever_but_must_be_read(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - began < 1.0:
        assert await reader.read(100_000)
        await asyncio.sleep(0.001)
    await asyncio.sleep(1.0)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            await reader.read()
    writer.close()


async def test_there_is_room_for_so_many_connections_and_no_more(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "most_connections", lambda: 3)
    kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    await asyncio.sleep(0.05)
    assert await dialogue(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi") == b""
    for _, writer in kept:
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length : 2\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"X: y\r\n Content-Length: 2\r\n",
        b"X: y\nContent-Length: 2\r\n",
    ],
)
async def test_a_request_whose_end_is_a_matter_of_opinion_is_refused(port: int, head: bytes) -> None:
    answer = await dialogue(
        port, b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\nhiGET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert not answer.count(b"HTTP/1.1 200"), answer[:200]


async def test_as_many_files_may_be_open_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    changed: list[Any] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 1_048_576))
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: changed.append(limits))
    raise_file_limit()
    assert changed == [(65_536, 1_048_576)]
