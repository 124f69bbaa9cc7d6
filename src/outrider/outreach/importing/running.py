"""An import batch by batch: read and checked in a thread, then written in one transaction with how far it is.

So whoever goes on after a kill begins behind the last batch that was committed, and imports nothing twice.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from uuid import UUID

from outrider.core.database.pools import Connection
from outrider.core.ids import time_of
from outrider.outreach import queries, queries_imports
from outrider.outreach.companies import found_or_made
from outrider.outreach.errors import ImportTaken
from outrider.outreach.importing.planning import Plan, make_plan
from outrider.outreach.importing.records import open_records
from outrider.outreach.importing.rows import Batch, Batches, ImportRow, RowFlaw
from outrider.outreach.importing.values import ImportStatus, Job, Progress
from outrider.outreach.queries import ContactRow, FillRow
from outrider.outreach.values import Address, QualificationStatus
from outrider.tenancy.actors import Author
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction

MOST_PRETENDED: Final = 1_000_000
"""How many addresses of its own file a dry run remembers, to tell which would come twice."""


@dataclass(frozen=True, slots=True)
class Step:
    """A batch that is done."""

    progress: Progress
    flaws: tuple[RowFlaw, ...]
    is_last: bool


@dataclass(slots=True)
class _Pretended:
    """Whom a dry run would have created: a number in place of an id, by a hash in place of an address."""

    owners: dict[int, int] = field(default_factory=dict[int, int])

    def among(self, addresses: set[Address]) -> dict[Address, UUID]:
        found = ((one, self.owners.get(hash(one))) for one in addresses)
        return {one: UUID(int=number) for one, number in found if number is not None}

    def add(self, plan: Plan) -> None:
        for address, owner in plan.addresses.items():
            if len(self.owners) < MOST_PRETENDED:
                self.owners[hash(address)] = owner.int


def open_batches(stream: BinaryIO, job: Job, progress: Progress) -> Batches:
    """Begin to read, behind what is done; raises `ValidationError` for what cannot be imported at all."""
    records = open_records(stream, job.format, position=progress.position, number=progress.row_number)
    return Batches(records, job.mapping)


async def run_batches(
    context: TenancyContext, job: Job, batches: Batches, progress: Progress, *, by: Author | None
) -> AsyncGenerator[Step]:
    """Do one batch after another; raises `ImportTaken` when somebody else does, or has ended it."""
    pretended = _Pretended()
    while True:
        batch = await asyncio.to_thread(batches.read)
        step = await _done(context, job, batch, progress, pretended, by)
        progress = step.progress
        yield step
        if step.is_last:
            return


async def _done(
    context: TenancyContext,
    job: Job,
    batch: Batch,
    before: Progress,
    pretended: _Pretended,
    by: Author | None,
) -> Step:
    addresses = {one for row in batch.rows for one in row.addresses}
    async with settings_transaction(context, job.organisation_id) as connection:
        if not job.is_dry_run:
            await queries.lock_contacts(connection, job.organisation_id)
        owners = await queries.select_owners(connection, job.organisation_id, addresses)
        plan = make_plan(batch.rows, pretended.among(addresses) | owners, job.on_duplicate, context.ids.new)
        if job.is_dry_run:
            pretended.add(plan)
        else:
            await _write(context, connection, job, plan)
        flaws = tuple(sorted((*batch.flaws, *plan.flaws), key=lambda flaw: flaw.number))
        after = _after(before, batch, plan, len(flaws))
        if job.id is not None:
            await _keep(connection, job, job.id, before, after, flaws)
            if batch.is_last:
                await _finish(context, connection, job, job.id, after, by)
    return Step(after, flaws, batch.is_last)


async def _write(context: TenancyContext, connection: Connection, job: Job, plan: Plan) -> None:
    organisation_id = job.organisation_id
    wanted = [row.company for row in (*plan.created.values(), *plan.updated.values()) if row.company]
    companies = await found_or_made(context.ids, connection, organisation_id, wanted)

    def company_of(row: ImportRow) -> UUID | None:
        return companies[row.company] if row.company else None

    if plan.created:
        created = [
            _contact_row(job, contact_id, row, company_of(row)) for contact_id, row in plan.created.items()
        ]
        await queries.insert_contacts(connection, organisation_id, created)
    if plan.addresses:
        await queries.insert_addresses(connection, organisation_id, sorted(plan.addresses.items()))
    if plan.updated:
        updated = [
            _fill_row(job, contact_id, row, company_of(row)) for contact_id, row in plan.updated.items()
        ]
        await queries.fill_contacts(connection, organisation_id, updated)


def _contact_row(job: Job, contact_id: UUID, row: ImportRow, company_id: UUID | None) -> ContactRow:
    return ContactRow(
        id=contact_id,
        name=row.name or row.email.partition("@")[0],
        email=row.email,
        company_id=company_id,
        list_id=job.list_id,
        status=(row.status or QualificationStatus.UNQUALIFIED).value,
        fit_score=row.fit_score,
        urgency_score=row.urgency_score,
        created_at=time_of(contact_id),
    )


def _fill_row(job: Job, contact_id: UUID, row: ImportRow, company_id: UUID | None) -> FillRow:
    return FillRow(
        id=contact_id,
        name=row.name,
        company_id=company_id,
        list_id=job.list_id,
        status=None if row.status is None else row.status.value,
        fit_score=row.fit_score,
        urgency_score=row.urgency_score,
    )


def _after(before: Progress, batch: Batch, plan: Plan, failed: int) -> Progress:
    return Progress(
        position=batch.position,
        row_number=batch.number,
        created=before.created + len(plan.created),
        updated=before.updated + plan.updates,
        skipped=before.skipped + plan.skipped,
        failed=before.failed + failed,
    )


async def _keep(
    connection: Connection,
    job: Job,
    import_id: UUID,
    before: Progress,
    after: Progress,
    flaws: tuple[RowFlaw, ...],
) -> None:
    if not await queries_imports.advance_import(connection, job.organisation_id, job, before, after):
        raise ImportTaken(import_id=str(import_id))
    if flaws:
        await queries_imports.insert_errors(connection, job.organisation_id, import_id, flaws)


async def _finish(
    context: TenancyContext,
    connection: Connection,
    job: Job,
    import_id: UUID,
    progress: Progress,
    by: Author | None,
) -> None:
    await queries_imports.finish_import(connection, job.organisation_id, import_id, ImportStatus.FINISHED)
    await append_audit(
        context, connection, job.organisation_id, "system.import.finished", told_of(job, progress), by=by
    )


def told_of(job: Job, progress: Progress) -> dict[str, object]:
    """What an event says of an import."""
    return {
        "import_id": job.id,
        "list_id": job.list_id,
        "format": job.format.value,
        "dry_run": job.is_dry_run,
        "created": progress.created,
        "updated": progress.updated,
        "skipped": progress.skipped,
        "failed": progress.failed,
    }
