"""The live feeds that are open in this process: how many there may be, and the end of all of them at a stop."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from outrider.core.errors import RateLimited, Unavailable
from outrider.core.metrics import Metrics
from outrider.tenancy.actors import Actor

MOST_OPEN: Final = 500
MOST_OF_A_KEY: Final = 20
# An organisation may make as many keys as it likes, and must leave feeds to others.
MOST_OF_AN_ORGANISATION: Final = 200
# Feeds share the connections of ordinary reads and must leave some to them. Who waits finds more at once.
_READS_AT_ONCE: Final = 3


class TooManyFeeds(RateLimited):
    """This key, or its organisation, has as many live feeds open as it may: end one of them first."""


class OpenFeeds:
    """Each open feed is an event that wakes it, under the key that opened it and that key's organisation."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: set[asyncio.Event] = set()
        self._counts: Counter[UUID] = Counter()
        self.is_ending = False
        self.reads = asyncio.Semaphore(_READS_AT_ONCE)

    @contextmanager
    def admitted(self, actor: Actor) -> Generator[asyncio.Event]:
        """Count a feed in, and give what wakes it; raises `TooManyFeeds`, or `Unavailable` beyond the process's own."""
        limits = {actor.key_id: MOST_OF_A_KEY, actor.organisation_id: MOST_OF_AN_ORGANISATION}
        for counted, most in limits.items():
            if self._counts[counted] >= most:
                raise TooManyFeeds(limit=most)
        if self.is_ending or len(self._open) >= MOST_OPEN:
            raise Unavailable("No more live feeds can be opened here right now; try again.")
        wake = asyncio.Event()
        self._open.add(wake)
        self._counts.update(limits.keys())
        self._metrics.feeds_open.set(len(self._open))
        try:
            yield wake
        finally:
            self._open.discard(wake)
            self._counts.subtract(limits.keys())
            self._counts += Counter()  # who has none left is forgotten
            self._metrics.feeds_open.set(len(self._open))

    def end_all(self) -> None:
        """The process stops: every feed ends, and none begins."""
        self.is_ending = True
        for wake in self._open:
            wake.set()
