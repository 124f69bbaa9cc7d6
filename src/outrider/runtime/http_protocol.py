"""uvicorn's protocol with limits for callers that take up room, and with one write a response.

A request must be whole in time, its head short, its answer read; connections beyond a number are not taken.
The head of a response waits for its body, which saves a system call.
"""

import asyncio
import resource
from functools import cache
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from outrider.core import log

REQUEST_SECONDS = 30.0
UNREAD_SECONDS = 60.0
LONGEST_HEAD = 64 * 1024
_LOOK_SECONDS = 5.0
_HEAD = b"HTTP/1.1 "
_INTERIM = b"HTTP/1.1 100"


class JoiningTransport:
    """A transport that holds the head of a response back until its body is written or it closes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write, or keep a head for the write that follows at once."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that no body follows, as in the answer to HEAD."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Write what is held, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """One connection; see the module.

    `_since`: since when a request is awaited or incomplete; `_unread_since`: since when nobody reads the answer.
    """

    _since: float | None = None
    _unread_since: float | None = None
    _is_in_head = True
    _head_bytes = 0
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(JoiningTransport(transport))  # pyright: ignore[reportArgumentType]
        if len(self.connections) > most_connections():
            log.warning("http.full", outcome="refused", connections=len(self.connections))
            transport.abort()
            return
        self._since = self.loop.time()
        self._look = self.loop.call_later(_LOOK_SECONDS, self._look_at_time)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._since is None:
            self._since = self.loop.time()
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        cast("JoiningTransport", self.transport).flush()
        super().on_response_complete()

    def _look_at_time(self) -> None:
        now = self.loop.time()
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        is_late = self._since is not None and now - self._since > REQUEST_SECONDS
        is_unread = self._unread_since is not None and now - self._unread_since > UNREAD_SECONDS
        if is_late or is_unread:
            log.warning("http.cut_off", outcome="refused", reason="unread" if is_unread else "incomplete")
            self.transport.abort()
            return
        self._look = self.loop.call_later(_LOOK_SECONDS, self._look_at_time)


@cache
def most_connections() -> int:
    """Half of the files that this process may open: the rest is for the database and for what goes out."""
    return max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def raise_file_limit() -> None:
    """Let this process open as many files as the system lets it, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
