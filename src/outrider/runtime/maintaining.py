"""What a running server does for itself: partitions ahead, expiry, retention, and the numbers of its health."""

import asyncio
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
            try:
                if monotonic() >= chores_at:
                    await self._do_chores()
                    chores_at = monotonic() + _CHORES_SECONDS
                depth, age = await queue.select_age(self.pool)
                self.metrics.queue_depth.set(depth)
                self.metrics.queue_age_seconds.set(age)
            except STATEMENT_FAULTS as error:
                log.warning("maintenance.failed", outcome="failed", reason=f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 -- the next round must come
                log.exception("maintenance.broken", error)
            await asyncio.sleep(_GAUGE_SECONDS)

    async def _do_chores(self) -> None:
        made = await cross_tenant.ensure_partitions(self.pool, MONTHS_AHEAD)
        await cross_tenant.delete_expired_keys(self.pool)
        await members.delete_expired(self.pool)
        unmatched = await cross_tenant.delete_unmatched_receipts(self.pool)
        if unmatched:
            # usually of messages that somebody else sent through the same account
            log.warning("receipts.unmatched", outcome="dropped", receipts=unmatched)
            self.metrics.receipts_unmatched_total.add(by=unmatched)
        dropped = await cross_tenant.drop_old_partitions(self.pool, self.retention_days)
        if made or dropped:
            log.info("partitions.maintained", outcome="ok", made=made, dropped=dropped)
        await self._sweep_files()
        misplaced = await cross_tenant.count_misplaced(self.pool)
        if misplaced:
            log.error("partitions.misplaced", outcome="failed", rows=misplaced)
        swept = await imports.sweep(self.pool)
        if swept:
            log.info("imports.swept", outcome="ok", errors=swept)

    async def _sweep_files(self) -> None:
        """A sixteenth each hour: a folder of a million files takes its time."""
        share = f"{datetime.now(UTC).hour % 16:x}"
        removed = await sweep(self.pool, self.files, share)
        if removed:
            log.info("files.swept", outcome="ok", removed=removed)
