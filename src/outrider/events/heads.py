"""Tells those who follow an application's log in this process that it may have grown.

A commit of this process tells at once whose log it was. For those of other processes, and for whatever nobody told,
one statement looks for all who follow at the same time: after a notification, and every other second besides.
"""

import asyncio
import contextlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Pool
from outrider.events.cross_tenant import select_heads
from outrider.events.values import Flushed

_POLL_SECONDS = 2.0
# Notifications come with every commit of others: looking takes a fifth of this task's time at most.
_LEAST_PAUSE_SECONDS = 0.02
_PAUSE_SHARE = 4


@dataclass(slots=True)
class _Followed:
    """An application's log: up to where it was told of, and whom to wake."""

    position: int = 0
    followers: set[asyncio.Event] = field(default_factory=set[asyncio.Event])

    def tell(self, position: int) -> None:
        if position > self.position:
            self.position = position
            for follower in self.followers:
                follower.set()


class LogHeads:
    """How far each log that is followed has come, as far as this process has heard."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._followed: dict[UUID, _Followed] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look; needs a running loop."""
        self._task = asyncio.create_task(self._run(), name="log-heads")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @contextmanager
    def following(self, application_id: UUID, follower: asyncio.Event) -> Generator[None]:
        """Set an event whenever the log of an application may have grown."""
        followed = self._followed.setdefault(application_id, _Followed())
        followed.followers.add(follower)
        self._wake.set()
        try:
            yield
        finally:
            followed.followers.discard(follower)
            if not followed.followers:
                self._followed.pop(application_id, None)

    def on_flushed(self, flushed: Flushed) -> None:
        """A commit of this process."""
        if not self._followed or flushed.last_position is None:
            return
        for application_id in {item.application_id for item in flushed.items}:
            if followed := self._followed.get(application_id):
                followed.tell(flushed.last_position)

    def look(self) -> None:
        """Something may have been committed elsewhere."""
        if self._followed:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            if not self._followed:
                await self._wake.wait()
            # not wait_for: it may swallow the cancellation that ends this loop
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            began = monotonic()
            await self._look()
            await asyncio.sleep(max(_LEAST_PAUSE_SECONDS, _PAUSE_SHARE * (monotonic() - began)))

    async def _look(self) -> None:
        try:
            heads = await select_heads(self._pool, list(self._followed))
        except STATEMENT_FAULTS as error:
            log.warning("heads.not_read", outcome="failed", reason=f"{type(error).__name__}: {error}")
            return
        for application_id, position in heads:
            if followed := self._followed.get(application_id):
                followed.tell(position)
