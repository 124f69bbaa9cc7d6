"""Server-sent events as GraphQL clients read them: `next` holds one answer, `complete` says that it was the last one.

This is the mode of "distinct connections": one request, one operation, one stream.
"""

from typing import Final

from outrider.core.asgi import Send

CONTENT_TYPE: Final = b"text/event-stream"
COMPLETE: Final = b"event: complete\ndata:\n\n"
_JSON_TYPES: Final = (b"json", b"*/*", b"application/*")
# A proxy between us that gathers what it passes on would hold events back.
HEADERS: Final = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")


def takes_stream(accept: bytes | None) -> bool:
    """Tell whether a caller understands events."""
    return accept is not None and CONTENT_TYPE in accept.lower()


def prefers_stream(accept: bytes | None) -> bool:
    """Tell whether a caller understands nothing else."""
    return takes_stream(accept) and not any(one in (accept or b"").lower() for one in _JSON_TYPES)


def next_event(answer: bytes, cursor: str | None = None) -> bytes:
    """Write an answer as an event; the cursor is what a client that comes back names in `Last-Event-ID`."""
    place = b"" if cursor is None else b"id: %b\n" % cursor.encode()
    # In JSON a line can only end between values: a stored payload keeps its layout, an event has one line.
    return b"%bevent: next\ndata: %b\n\n" % (place, answer.translate(_LINE_ENDS))


def silence(cursor: str | None = None) -> bytes:
    """Write what no client shows: that we are still there, and how far the feed has come."""
    return b":\n\n" if cursor is None else b"id: %b\n:\n\n" % cursor.encode()


async def begin(send: Send, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Answer 200, and leave the body open."""
    answered = [(b"content-type", CONTENT_TYPE + b"; charset=utf-8"), *HEADERS, *headers]
    await send({"type": "http.response.start", "status": 200, "headers": answered})


async def write(send: Send, events: bytes) -> None:
    """Send events; waits while the client does not read."""
    await send({"type": "http.response.body", "body": events, "more_body": True})


async def end(send: Send, events: bytes = COMPLETE) -> None:
    """Send the last events and end the body."""
    await send({"type": "http.response.body", "body": events})
