"""A keep-alive HTTP/1.1 client that costs little: what it measures must not be itself.

One request at a time on each connection, answers with a Content-Length only.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple, cast


class Response(NamedTuple):
    """One whole answer."""

    status: int
    body: bytes


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as the base of a URL."""
        return f"http://{self.host}:{self.port}"


class HttpConnection(asyncio.Protocol):
    """One connection; `request` gives the answer, or raises `ConnectionError` once the connection is gone."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._received = b""

    def request(self, encoded: bytes) -> asyncio.Future[Response]:
        """Send an encoded request; the one before must have been answered."""
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            answer.set_exception(ConnectionResetError("the connection is closed"))
            return answer
        self._answer = answer
        self._transport.write(encoded)
        return answer

    def close(self) -> None:
        """Close the connection; what was asked stays unanswered."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        whole = end + 4 + _length_of(received[:end]) if end >= 0 else len(received) + 1
        if len(received) < whole:
            self._received = received
            return
        self._received = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Response(int(received[9:12]), received[end + 4 : whole]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(f"the connection was lost: {exc or 'closed'}"))


async def connect(address: Address) -> HttpConnection:
    """Open one connection."""
    _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, *address)
    return connection


def encode_request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "\r\n")).encode() + body


async def ask(address: Address, encoded: bytes) -> Response:
    """One request on a connection of its own."""
    connection = await connect(address)
    try:
        return await connection.request(encoded)
    finally:
        connection.close()


def _length_of(head: bytes) -> int:
    name = head.lower().find(b"\r\ncontent-length:")
    if name < 0:
        if head[9:12] in {b"204", b"304"}:
            return 0
        raise ValueError(f"an answer without Content-Length: {head[:200]!r}")
    return int(head[name + 17 :].split(b"\r\n", 1)[0])
