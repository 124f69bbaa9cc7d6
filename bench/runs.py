"""One run of the benchmark: where it works, how long it measures, what it found out on the way."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.databases import Connection, Database
from bench.servers import Credentials
from bench.sinks import Sink

CLIENTS = 32
_DRAIN_SECONDS = 180.0


@dataclass(frozen=True)
class Run:
    """What the rows share. `facts` are printed under the table and written with the figures."""

    folder: Path
    data_dir: Path
    database: Database
    probe: Connection
    sink: Sink
    credentials: Credentials
    seconds: float
    rounds: int
    facts: dict[str, object] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def number(self) -> int:
        """A number that no other message of this run has."""
        return next(self._numbers)

    def script(self, name: str, sql: str) -> Path:
        """A file for pgbench."""
        path = self.folder / f"{name}.sql"
        path.write_text(sql + ";\n")
        return path


async def interleaved(rounds: int, *measures: Callable[[], Awaitable[float]]) -> list[float]:
    """Measure in turns, so that a machine that slows down slows all of them down; the medians."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for values, measure in zip(found, measures, strict=True):
            values.append(await measure())
    return [statistics.median(values) for values in found]


async def wait_drained(probe: Connection, pause: float = 0.1) -> None:
    """Wait until nothing is left to deliver but what is due later."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while await unfinished(probe):
        if time.monotonic() > deadline:
            raise RuntimeError(f"deliveries are still unfinished after {_DRAIN_SECONDS:g} s")
        await asyncio.sleep(pause)


async def unfinished(probe: Connection) -> int:
    """How many deliveries could be attempted now and are not finished."""
    return int(
        await probe.fetchval(
            "select count(*) from delivery_queue where due_at is null or due_at <= clock_timestamp() + '1 min'"
        )
    )
