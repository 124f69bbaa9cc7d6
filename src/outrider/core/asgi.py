"""The little of ASGI that the hot endpoints need: a bounded body in, one answer out."""

import random
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from outrider.core.errors import PayloadTooLarge, Unavailable

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
MOST_BYTES_UNDER_WAY = 256 * 1024 * 1024


class ClientGone(Exception):
    """The caller hung up before its request was whole."""


@dataclass(slots=True)
class _UnderWay:
    """How many bytes of bodies that are not whole yet are in memory, over all requests of the process."""

    total: int = 0


_under_way = _UnderWay()


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """The whole body; raises `PayloadTooLarge` as soon as it is known to pass `limit` bytes.

    Raises `Unavailable` while unfinished bodies take too much memory together.
    """
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise PayloadTooLarge(f"The body may have at most {limit} bytes.", limit=limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return _bounded(body, limit)
    return await _read_on(receive, body, limit)


async def _read_on(receive: Receive, first: bytes, limit: int) -> bytes:
    chunks, total, counted, is_whole = [first], len(first), 0, False
    try:
        while not is_whole:
            _under_way.total += total - counted
            counted = total
            if total > limit:
                raise PayloadTooLarge(f"The body may have at most {limit} bytes.", limit=limit)
            if _under_way.total > MOST_BYTES_UNDER_WAY:
                raise Unavailable("Too much is being received at once; try again.")
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            total += len(chunk)
            chunks.append(chunk)
            is_whole = not message.get("more_body")
    finally:
        _under_way.total -= counted
    return _bounded(b"".join(chunks), limit)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header by its lower-case name, None if it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def request_id_of(scope: Scope) -> bytes:
    """The name of a request in answers and in the log: the caller's own if it will do, else a new one."""
    given = header(scope, b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return b"%016x" % random.getrandbits(64)


def decoded_headers(scope: Scope) -> dict[str, str]:
    """All headers by lower-case name; of a repeated one the last."""
    return {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}


async def respond(
    send: Send,
    status: int,
    body: bytes,
    *,
    content_type: bytes = b"application/json",
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answer the request, whole."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise PayloadTooLarge(f"The body may have at most {limit} bytes.", limit=limit)
    return body
