"""Which shards this process owns: one heartbeat row, leases with an epoch, the database's clock.

A process that vanished is replaced when its lease runs out, or at once where this machine can tell that it
has ended. A process that cannot reach the database fences itself long before its lease runs out: it starts
no attempt without a fresh heartbeat.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from uuid import UUID

import asyncpg

from outrider.core import log
from outrider.core.database.pools import Pool
from outrider.dispatch import cross_tenant

BEAT_SECONDS = 1.0
LEASE_SECONDS = 15.0
FENCE_SECONDS = 5.0
_DECLARED_DEAD = "OR001"


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat learnt. `taken`: newly owned shards and whether their last owner vanished."""

    owned: dict[int, int]
    taken: dict[int, bool]
    live_processes: int
    live_workers: int
    offset_ms: int


def boot_id() -> str:
    """Names the kernel and pid namespace: inside it, a pid tells whether a process lives."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"


def has_ended(pid: int, started: float) -> bool:
    """Whether the process that registered itself at `started` is gone (its pid may be another's by now)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return not Path(f"/proc/{pid}").exists()
    if fields[0] == "Z":
        return True
    ticks = float(fields[19]) / os.sysconf("SC_CLK_TCK")
    born = float(Path("/proc/stat").read_text("ascii").split("btime ")[1].split()[0]) + ticks
    return born > started + 5.0


class Leases:
    """The heartbeat of one process; see the module."""

    def __init__(self, pool: Pool, process: UUID, *, role: str, on_beat: Callable[[Beat], None]) -> None:
        self._pool = pool
        self._process = process
        self._role = role
        self._on_beat = on_beat
        self._give: set[int] = set()
        self._beaten_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._boot_id = boot_id()
        self.live_processes = 1

    @property
    def is_fenced(self) -> bool:
        """Whether attempts must not start: the last heartbeat is too old."""
        return monotonic() - self._beaten_at > FENCE_SECONDS

    async def start(self) -> None:
        """Join, take shards, and keep them."""
        await self._join()
        await self._beat()
        self._task = asyncio.create_task(self._run(), name="leases")

    async def close(self) -> None:
        """Hand back every shard; what fails here is healed by the lease running out."""
        if self._task is not None:
            self._task.cancel()
        try:
            await asyncio.wait_for(cross_tenant.delete_process(self._pool, self._process), 3)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("leases.not_released", outcome="failed", reason=str(error))

    def give_back(self, shard: int) -> None:
        """Hand a shard back with the next heartbeat; no attempt of it may be under way."""
        self._give.add(shard)

    async def _join(self) -> None:
        await cross_tenant.insert_process(
            self._pool, self._process, socket.gethostname(), self._boot_id, os.getpid(), self._role
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await asyncio.wait_for(self._beat(), FENCE_SECONDS)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("leases.beat_failed", outcome="failed", reason=f"{type(error).__name__}: {error}")

    async def _beat(self) -> None:
        await self._bury_neighbours()
        given = sorted(self._give)
        try:
            rows = await cross_tenant.keep_shards(
                self._pool,
                self._process,
                lease_seconds=LEASE_SECONDS,
                is_worker=self._role != "api",
                give=given,
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate != _DECLARED_DEAD:
                raise
            # paused for longer than the lease: the shards are somebody else's now
            await self._join()
            self._on_beat(Beat({}, {}, 1, 1, 0))
            return
        self._give.difference_update(given)
        self._beaten_at = monotonic()
        beat = _beat_of(rows)
        self.live_processes = beat.live_processes
        self._on_beat(beat)

    async def _bury_neighbours(self) -> None:
        for process, pid, started in await cross_tenant.select_neighbours(
            self._pool, self._boot_id, self._process
        ):
            if has_ended(pid, started):
                await cross_tenant.free_dead(self._pool, process)
                log.info("leases.freed", outcome="ok", process_id=process, pid=pid)


def _beat_of(rows: list[asyncpg.Record]) -> Beat:
    owned = {row["shard"]: row["epoch"] for row in rows if row["shard"] is not None}
    taken = {row["shard"]: row["is_unclean"] for row in rows if row["is_new"]}
    offset = rows[0]["now"] - datetime.now(UTC)
    return Beat(
        owned, taken, rows[0]["live_processes"], rows[0]["live_workers"], round(offset.total_seconds() * 1000)
    )
