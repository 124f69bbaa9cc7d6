"""The read cache in front of lookups that every request makes: keys, connections, subscriptions.

An answer is used for at most `HARD_SECONDS` after the moment at which its lookup began, whether or not anybody
told of a change; from `SOFT_SECONDS` on it is looked up anew while it is still used. So a change holds
everywhere within that time even if its notification is lost, and at once if it is not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

SOFT_SECONDS = 2.0
HARD_SECONDS = 3.5
MISSING_SECONDS = 1.0


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V | None
    soft_until: float
    hard_until: float


class LookupCache(Generic[K, V]):
    """A bounded cache of one lookup; what does not exist is remembered too, shortly and apart.

    Concurrent misses of one key share one lookup. Lookups that fail raise and are not remembered.
    """

    __slots__ = ("_capacity", "_clock", "_entries", "_flights", "_load", "_missing", "_missing_capacity")

    def __init__(
        self,
        load: Callable[[K], Awaitable[V | None]],
        *,
        capacity: int = 50_000,
        missing_capacity: int = 5_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._capacity = capacity
        self._missing_capacity = missing_capacity
        self._clock = clock
        self._entries: dict[K, _Entry[V]] = {}
        self._missing: dict[K, _Entry[V]] = {}
        self._flights: dict[K, asyncio.Task[V | None]] = {}

    async def get(self, key: K) -> V | None:
        """Give what the lookup found, None for nothing."""
        entry = self._entries.get(key) or self._missing.get(key)
        if entry is not None:
            now = self._clock()
            if now < entry.soft_until:
                return entry.value
            if now < entry.hard_until:
                self._flight(key)
                return entry.value
        return await asyncio.shield(self._flight(key))

    def forget(self, concerns: Callable[[V], bool]) -> None:
        """Drop what a change concerns, and everything that was missing, since it may exist now."""
        for key in [key for key, entry in self._entries.items() if entry.value and concerns(entry.value)]:
            del self._entries[key]
        self._missing.clear()
        # A lookup under way may have read what was there before: whoever asks from now on asks anew.
        self._flights.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self._missing.clear()
        self._flights.clear()

    def __len__(self) -> int:
        return len(self._entries) + len(self._missing)

    def _flight(self, key: K) -> "asyncio.Task[V | None]":
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._look_up(key))
            flight.add_done_callback(_retrieve_exception)
            self._flights[key] = flight
        return flight

    async def _look_up(self, key: K) -> V | None:
        began = self._clock()
        this_task = asyncio.current_task()
        try:
            value = await self._load(key)
        finally:
            is_current = self._flights.get(key) is this_task
            if is_current:
                del self._flights[key]
        if is_current:
            self._remember(key, value, began)
        return value

    def _remember(self, key: K, value: V | None, began: float) -> None:
        self._entries.pop(key, None)
        self._missing.pop(key, None)
        if value is None:
            until = began + MISSING_SECONDS
            _put(self._missing, key, _Entry(value, until, until), self._missing_capacity)
        else:
            entry = _Entry(value, began + SOFT_SECONDS, began + HARD_SECONDS)
            _put(self._entries, key, entry, self._capacity)


def _put(entries: dict[K, _Entry[V]], key: K, entry: _Entry[V], capacity: int) -> None:
    """Put a new entry in; at capacity the one looked up longest ago goes."""
    if len(entries) >= capacity:
        del entries[next(iter(entries))]
    entries[key] = entry


def _retrieve_exception(flight: "asyncio.Task[V | None]") -> None:
    """Whoever waits gets the failure; a refresh behind a value still in use may fail unheard."""
    if not flight.cancelled():
        flight.exception()
