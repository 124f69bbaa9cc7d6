"""The little of ASGI that the hot endpoints need: a bounded body in, one answer out."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from outrider.core.errors import PayloadTooLarge, ValidationError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class ClientGone(Exception):
    """The caller hung up before its request was whole."""


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """The whole body; raises `PayloadTooLarge` as soon as it is known to pass `limit` bytes."""
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise PayloadTooLarge(f"The body may have at most {limit} bytes.", limit=limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return _bounded(body, limit)
    chunks, total = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        total += len(chunk)
        if total > limit:
            raise PayloadTooLarge(f"The body may have at most {limit} bytes.", limit=limit)
        chunks.append(chunk)
    return b"".join(chunks)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header by its lower-case name, None if it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


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


def utf8_path_parameter(scope: Scope, name: str) -> str:
    """A path parameter as text."""
    value = scope["path_params"].get(name)
    if not isinstance(value, str):
        raise ValidationError(f"The path lacks {name}.", path=name)
    return value


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise PayloadTooLarge(f"The body may have at most {limit} bytes.", limit=limit)
    return body
