"""What a running server does for itself: partitions ahead, expiry, retention, and the numbers of its health."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Pool
from outrider.core.metrics import Metrics
from outrider.dispatch import cross_tenant as queue
from outrider.files.storage import ContentStorage
from outrider.files.sweeping import sweep
from outrider.outreach.importing import sweeping as imports
from outrider.runtime import cross_tenant
from outrider.tenancy.members import cross_tenant as members

MONTHS_AHEAD = 3
_GAUGE_SECONDS = 5.0
_CHORES_SECONDS = 3_600.0
_AGAIN_SECONDS = 60.0


@dataclass(slots=True)
class Maintenance:
    """The chores of one process; several processes may do them at once without harm."""

    pool: Pool
    metrics: Metrics
    retention_days: int
    files: ContentStorage
    _task: asyncio.Task[None] | None = field(default=None)

    def start(self) -> None:
        """Begin; the first round is at once."""
        self._task = asyncio.create_task(self._run(), name="maintenance")

    def close(self) -> None:
        """Stop; an unfinished chore is taken up by whoever is next."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        chores_at = 0.0
        while True:
            if monotonic() >= chores_at:
                are_done = await self._do_chores()
                chores_at = monotonic() + (_CHORES_SECONDS if are_done else _AGAIN_SECONDS)
            await _is_done(self._look_at_queue)
            await asyncio.sleep(_GAUGE_SECONDS)

    async def _do_chores(self) -> bool:
        """Do each of them, whatever becomes of the others; False if one failed."""
        chores = (
            self._keep_partitions,
            self._delete_expired,
            self._drop_unmatched,
            self._sweep_files,
            self._sweep_imports,
        )
        return all([await _is_done(chore) for chore in chores])

    async def _look_at_queue(self) -> None:
        depth, age = await queue.select_age(self.pool)
        self.metrics.queue_depth.set(depth)
        self.metrics.queue_age_seconds.set(age)

    async def _keep_partitions(self) -> None:
        made = await cross_tenant.ensure_partitions(self.pool, MONTHS_AHEAD)
        dropped = await cross_tenant.drop_old_partitions(self.pool, self.retention_days)
        if made or dropped:
            log.info("partitions.maintained", outcome="ok", made=made, dropped=dropped)
        misplaced = await cross_tenant.count_misplaced(self.pool)
        if misplaced:
            log.error("partitions.misplaced", outcome="failed", rows=misplaced)

    async def _delete_expired(self) -> None:
        await cross_tenant.delete_expired_keys(self.pool)
        await members.delete_expired(self.pool)

    async def _drop_unmatched(self) -> None:
        unmatched = await cross_tenant.delete_unmatched_receipts(self.pool)
        if unmatched:
            # usually of messages that somebody else sent through the same account
            log.warning("receipts.unmatched", outcome="dropped", receipts=unmatched)
            self.metrics.receipts_unmatched_total.add(by=unmatched)

    async def _sweep_imports(self) -> None:
        swept = await imports.sweep(self.pool)
        if swept:
            log.info("imports.swept", outcome="ok", errors=swept)

    async def _sweep_files(self) -> None:
        """A sixteenth each hour: a folder of a million files takes its time."""
        share = f"{datetime.now(UTC).hour % 16:x}"
        removed = await sweep(self.pool, self.files, share)
        if removed:
            log.info("files.swept", outcome="ok", removed=removed)


async def _is_done(chore: Callable[[], Awaitable[None]]) -> bool:
    """Do a chore; whatever it ran into is logged, and the next round must come."""
    try:
        await chore()
    except STATEMENT_FAULTS as error:
        log.warning("maintenance.failed", outcome="failed", reason=f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 -- a bug in one chore keeps nobody from the others
        log.exception("maintenance.broken", error)
    else:
        return True
    return False
