"""uvicorn's protocol with limits for callers that take up room, and with one write a response.

A request must be whole in time, its head short, its answer read; connections beyond a number are not taken. An answer
without a known end (a live feed) may be read for ever, but must be read on, and ends with the process.
The head of a response waits for its body, which saves a system call.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from outrider.core import log
from outrider.core.sockets import most_connections

REQUEST_SECONDS = 30.0
UNREAD_SECONDS = 60.0
LONGEST_HEAD = 64 * 1024
ENDING_SECONDS = 2.0
_LOOK_SECONDS = 5.0
_HEAD = b"HTTP/1.1 "
_INTERIM = b"HTTP/1.1 100"


class JoiningTransport:
    """A transport that holds the head of a response back until its body is written or it closes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._written = 0

    @property
    def taken(self) -> int:
        """How many bytes the other side's machine has taken so far."""
        return self._written - self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Write, or keep a head for the write that follows at once."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._head = data
            return
        self._written += len(data)
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that no body follows, as in the answer to HEAD."""
        if self._head:
            self._written += len(self._head)
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
    _taken = 0
    _is_in_head = True
    _head_bytes = 0
    _look: asyncio.TimerHandle | None = None
    _look_at_end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(JoiningTransport(transport))  # pyright: ignore[reportArgumentType]
        if len(self.connections) > most_connections():
            log.warning("http.full", outcome="refused", connections=len(self.connections))
            transport.abort()
            return
        self._since = self.loop.time()
        self._look = self.loop.call_later(_LOOK_SECONDS, self._look_at_time)

    def connection_lost(self, exc: Exception | None) -> None:
        for handle in (self._look, self._look_at_end):
            if handle is not None:
                handle.cancel()
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

    def shutdown(self) -> None:
        """End the connection, or let its answer end first; an endless one has ended by then, if its client reads."""
        super().shutdown()
        if self._is_endless:
            self._look_at_end = self.loop.call_later(ENDING_SECONDS, self.transport.abort)

    @property
    def _is_endless(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and cycle.chunked_encoding is True

    def _has_read_on(self) -> bool:
        """Whether the client has taken anything since the last look."""
        before, self._taken = self._taken, cast("JoiningTransport", self.transport).taken
        return self._taken > before

    def _look_at_time(self) -> None:
        now = self.loop.time()
        has_read_on = self._has_read_on()
        if not self.transport.get_write_buffer_size() or (self._is_endless and has_read_on):
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
