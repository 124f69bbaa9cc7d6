"""The imports of one process in the background, one at a time; several processes share what is due.

A process that ends in between is followed by one that goes on behind the last batch.
"""

import asyncio
import contextlib
import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import BinaryIO, Final
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.errors import AppError, Unavailable
from outrider.files.storage import ContentStorage
from outrider.outreach import queries_imports
from outrider.outreach.errors import ImportTaken
from outrider.outreach.importing.cross_tenant import ClaimedImport, claim_import
from outrider.outreach.importing.running import open_batches, run_batches, told_of
from outrider.outreach.importing.values import ImportStatus, Job
from outrider.outreach.imports import job_of, opened_content
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import Signature

_TICK_SECONDS: Final = 1.0
_PUT_OFF_SECONDS: Final = 10.0


@dataclass(slots=True)
class Importer:
    """Takes imports that are due, as long as the process runs."""

    tenancy: TenancyContext
    storage: ContentStorage
    tick_seconds: float = _TICK_SECONDS
    _task: asyncio.Task[None] | None = field(default=None)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="importer")

    async def close(self) -> None:
        """Stop; what is under way goes on elsewhere, or with the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    async def _run(self) -> None:
        while True:
            claimed = None
            try:
                claimed = await claim_import(self.tenancy.database.system, self.tenancy.ids.new())
                if claimed is not None:
                    await carry_out(self.tenancy, self.storage, claimed)
            except (Unavailable, *DATABASE_FAULTS) as fault:
                log.warning("imports.not_run", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
            except Exception as error:  # noqa: BLE001 -- the next round must come
                log.exception("importer.broken", error)
            if claimed is None:
                await asyncio.sleep(self.tick_seconds)


async def carry_out(tenancy: TenancyContext, storage: ContentStorage, claimed: ClaimedImport) -> None:
    """Do a claimed import to its end, or as far as it goes now."""
    job = job_of(claimed.organisation_id, claimed.found, claimed.claim)
    by = None if claimed.found.member_id is None else Signature(claimed.found.member_id)
    began, progress = monotonic(), claimed.found.progress
    try:
        async with _opened(storage, claimed) as stream:
            batches = await asyncio.to_thread(open_batches, stream, job, progress)
            async for step in run_batches(tenancy, job, batches, progress, by=by):
                progress = step.progress
    except ImportTaken:
        # cancelled, or another process found it left alone for too long
        return
    except (Unavailable, *DATABASE_FAULTS):
        await _give_back(tenancy, job, claimed.claim, _PUT_OFF_SECONDS)
        raise
    except asyncio.CancelledError:
        await _give_back(tenancy, job, claimed.claim, 0.0)
        raise
    except AppError as problem:
        await _fail(tenancy, job, claimed, problem.message)
        return
    except Exception:
        await _fail(tenancy, job, claimed, "It broke off through a fault of the server; its log tells more.")
        raise
    log.wide(
        "contacts.imported",
        level="info",
        outcome="ok",
        organisation_id=job.organisation_id,
        import_id=job.id,
        rows=progress.rows,
        failed_rows=progress.failed,
        duration_ms=round((monotonic() - began) * 1000),
    )


@asynccontextmanager
async def _opened(storage: ContentStorage, claimed: ClaimedImport) -> AsyncGenerator[BinaryIO]:
    if claimed.stored_sha256 is None:
        yield io.BytesIO(claimed.content or b"")
        return
    with await opened_content(storage, claimed.stored_sha256) as stream:
        yield stream


async def _give_back(tenancy: TenancyContext, job: Job, claim: UUID, seconds: float) -> None:
    # where this cannot be written either, the claim runs out by itself
    with contextlib.suppress(Unavailable, *DATABASE_FAULTS):
        async with settings_transaction(tenancy, job.organisation_id) as connection:
            assert job.id is not None, "it was claimed"
            await queries_imports.put_off(connection, job.organisation_id, job.id, claim, seconds)


async def _fail(tenancy: TenancyContext, job: Job, claimed: ClaimedImport, words: str) -> None:
    found = claimed.found
    async with settings_transaction(tenancy, job.organisation_id) as connection:
        if await queries_imports.finish_import(
            connection, job.organisation_id, found.id, ImportStatus.FAILED, words[:500]
        ):
            payload = {**told_of(job, found.progress), "failure": words[:500]}
            await append_audit(
                tenancy, connection, job.organisation_id, "system.import.failed", payload, by=None
            )
