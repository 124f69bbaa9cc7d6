"""One connection that listens for notifications, for as long as the process lives.

A notification sent while the connection was away is lost: `on_gap` callbacks run after every (re)connect, when
listening has begun again, so that a listener can look for itself at what it may have missed.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeAlias

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Connection, connect

OnNotification: TypeAlias = Callable[[str], None]
OnGap: TypeAlias = Callable[[], None]

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
# A connection that died without a word (a cable, a firewall) is noticed by this.
_PING_SECONDS = 5.0


class Listener:
    """Hands the payloads of some channels to their callbacks; callbacks are quick and do not raise."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._callbacks: dict[str, list[OnNotification]] = {}
        self._gap_callbacks: list[OnGap] = []
        self._task: asyncio.Task[None] | None = None

    def on(self, channel: str, callback: OnNotification) -> "Listener":
        """Call back with each payload of a channel; register before `start`."""
        self._callbacks.setdefault(channel, []).append(callback)
        return self

    def on_gap(self, callback: OnGap) -> "Listener":
        """Call back after each (re)connect, since notifications may have been missed before it."""
        self._gap_callbacks.append(callback)
        return self

    async def start(self) -> None:
        """Listen from now on; returns when listening has begun, raises if the first connect fails."""
        connection = await self._open()
        self._task = asyncio.create_task(self._run(connection), name="listener")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _open(self) -> Connection:
        connection = await connect(self._dsn, application_name="outrider listener")
        try:
            for channel in self._callbacks:
                await connection.add_listener(channel, self._notified)
        except BaseException:
            connection.terminate()
            raise
        for callback in self._gap_callbacks:
            callback()
        return connection

    def _notified(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        for callback in self._callbacks[channel]:
            callback(str(payload))

    async def _run(self, connection: Connection) -> None:
        while True:
            try:
                await _until_lost(connection)
            finally:
                connection.terminate()
            log.warning("listener.lost", outcome="failed")
            connection = await self._reopen()
            log.info("listener.restored", outcome="ok")

    async def _reopen(self) -> Connection:
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._open()
            except STATEMENT_FAULTS:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)


async def _until_lost(connection: Connection) -> None:
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _connection: lost.set())
    while not lost.is_set() and not connection.is_closed():
        with contextlib.suppress(TimeoutError):
            # not wait_for: it may swallow the cancellation that ends this loop
            async with asyncio.timeout(_PING_SECONDS):
                await lost.wait()
            return
        try:
            await connection.execute("select 1", timeout=_PING_SECONDS)
        except STATEMENT_FAULTS:
            return
