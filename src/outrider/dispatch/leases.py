"""Which shards this process owns: one heartbeat row, leases with an epoch, the database's clock.

A process that vanished is replaced when its lease runs out, or at once where this machine can tell that it
has ended. A process that cannot reach the database fences itself long before its lease runs out: it starts
no attempt without a fresh heartbeat.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from uuid import UUID

import asyncpg

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Pool
from outrider.dispatch import cross_tenant

_DECLARED_DEAD = "OR001"
_OFFSETS_KEPT = 10
_CLOSE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class LeaseLimits:
    """How often a process says that it lives, when it counts as gone, and when it stops by itself before that."""

    beat_seconds: float = 1.0
    lease_seconds: float = 15.0
    fence_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat learnt. `taken`: newly owned shards and whether their last owner vanished.

    `offset_ms`: how far the database's clock is ahead of ours.
    """

    owned: dict[int, int]
    taken: dict[int, bool]
    live_processes: int
    live_workers: int
    offset_ms: int


def boot_id() -> str:
    """Names the kernel and pid namespace: inside it, a pid tells whether a process lives."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"


def start_ticks(pid: int) -> int | None:
    """When a process of this machine was started, in the kernel's ticks since its boot; None if nothing tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    # a zombie has ended, though nobody took note of it yet
    return 0 if fields[0] == "Z" else int(fields[19])


def has_ended(pid: int, ticks: int) -> bool:
    """Whether the process that was started then is gone (its pid may be another's by now)."""
    found = start_ticks(pid)
    if found is not None:
        return found != ticks
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


class Leases:
    """The heartbeat of one process; see the module."""

    def __init__(
        self,
        pool: Pool,
        process: UUID,
        *,
        role: str,
        on_beat: Callable[[Beat], None],
        limits: LeaseLimits | None = None,
    ) -> None:
        self._limits = limits or LeaseLimits()
        self._offsets: deque[int] = deque(maxlen=_OFFSETS_KEPT)
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
        return monotonic() - self._beaten_at > self._limits.fence_seconds

    async def start(self) -> None:
        """Join, take shards, and keep them."""
        await self._join()
        await self._beat()
        self._task = asyncio.create_task(self._run(), name="leases")

    async def close(self, unclean: Collection[int] = ()) -> None:
        """Hand back every shard; what fails here is healed by the lease running out.

        The next owner of an `unclean` shard reckons with attempts that are still under way.
        """
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=1)
        self._task = None
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await cross_tenant.delete_process(self._pool, self._process, sorted(unclean))
        except STATEMENT_FAULTS as error:
            log.warning("leases.not_released", outcome="failed", reason=str(error))

    def give_back(self, shard: int) -> None:
        """Hand a shard back with the next heartbeat; no attempt of it may be under way."""
        self._give.add(shard)

    async def _join(self) -> None:
        await cross_tenant.insert_process(
            self._pool,
            self._process,
            host=socket.gethostname(),
            boot_id=self._boot_id,
            pid=os.getpid(),
            start_ticks=start_ticks(os.getpid()) or 0,
            role=self._role,
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._limits.beat_seconds)
            try:
                async with asyncio.timeout(self._limits.fence_seconds):
                    await self._beat()
            except STATEMENT_FAULTS as error:
                log.warning("leases.beat_failed", outcome="failed", reason=f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 -- without the next heartbeat this process would be dead
                log.exception("leases.broken", error)

    async def _beat(self) -> None:
        await self._bury_neighbours()
        given = sorted(self._give)
        try:
            rows = await self._keep(given)
        except asyncpg.PostgresError as error:
            if error.sqlstate != _DECLARED_DEAD:
                raise
            # paused for longer than the lease: the epochs tell which shards are somebody else's now
            log.warning("leases.declared_dead", outcome="joining")
            await self._join()
            rows = await self._keep(given)
        self._give.difference_update(given)
        self._beaten_at = monotonic()
        # an answer that took its time makes the database's clock look late, never early
        self._offsets.append(round((rows[0]["now"] - datetime.now(UTC)).total_seconds() * 1000))
        beat = _beat_of(rows, max(self._offsets))
        self.live_processes = beat.live_processes
        self._on_beat(beat)

    async def _keep(self, given: list[int]) -> list[asyncpg.Record]:
        return await cross_tenant.keep_shards(
            self._pool,
            self._process,
            lease_seconds=self._limits.lease_seconds,
            is_worker=self._role != "api",
            give=given,
        )

    async def _bury_neighbours(self) -> None:
        for process, pid, ticks in await cross_tenant.select_neighbours(
            self._pool, self._boot_id, self._process
        ):
            if has_ended(pid, ticks):
                await cross_tenant.free_dead(self._pool, process)
                log.info("leases.freed", outcome="ok", process_id=process, pid=pid)


def _beat_of(rows: list[asyncpg.Record], offset_ms: int) -> Beat:
    owned = {row["shard"]: row["epoch"] for row in rows if row["shard"] is not None}
    taken = {row["shard"]: row["is_unclean"] for row in rows if row["is_new"]}
    return Beat(owned, taken, rows[0]["live_processes"], rows[0]["live_workers"], offset_ms)
