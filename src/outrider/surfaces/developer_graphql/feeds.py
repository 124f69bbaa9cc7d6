"""The live feeds that are open in this process: how many there may be, and the end of all of them at a stop."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from outrider.core.errors import RateLimited, Unavailable
from outrider.core.metrics import Metrics

MOST_OPEN: Final = 500
MOST_OF_A_KEY: Final = 20
# Feeds share the connections of ordinary reads and must leave some to them. Who waits finds more at once.
_READS_AT_ONCE: Final = 3


class TooManyFeeds(RateLimited):
    """This key has as many live feeds open as it may: end one of them first."""


class OpenFeeds:
    """Each open feed is an event that wakes it, under the key that opened it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: set[asyncio.Event] = set()
        self._of_keys: Counter[UUID] = Counter()
        self.is_ending = False
        self.reads = asyncio.Semaphore(_READS_AT_ONCE)

    @contextmanager
    def admitted(self, key_id: UUID) -> Generator[asyncio.Event]:
        """Count a feed in, and give what wakes it; raises `TooManyFeeds`, or `Unavailable` beyond the process's own."""
        if self._of_keys[key_id] >= MOST_OF_A_KEY:
            raise TooManyFeeds(limit=MOST_OF_A_KEY)
        if self.is_ending or len(self._open) >= MOST_OPEN:
            raise Unavailable("No more live feeds can be opened here right now; try again.")
        wake = asyncio.Event()
        self._open.add(wake)
        self._of_keys[key_id] += 1
        self._metrics.feeds_open.set(len(self._open))
        try:
            yield wake
        finally:
            self._open.discard(wake)
            self._of_keys[key_id] -= 1
            self._of_keys += Counter()  # who has none left is forgotten
            self._metrics.feeds_open.set(len(self._open))

    def end_all(self) -> None:
        """The process stops: every feed ends, and none begins."""
        self.is_ending = True
        for wake in self._open:
            wake.set()
