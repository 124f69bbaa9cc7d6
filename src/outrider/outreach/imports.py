"""Imports of contacts as members and the operator see them: begun, watched, cancelled. running.py does the work."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import time_of
from outrider.files.storage import ContentStorage
from outrider.files.storing import file_not_found, known_files
from outrider.files.values import FileState
from outrider.outreach import queries_imports as queries
from outrider.outreach.acting import checked_first, require
from outrider.outreach.errors import ImportTaken
from outrider.outreach.importing.columns import checked_mapping
from outrider.outreach.importing.planning import OnDuplicate
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.importing.rows import RowFlaw
from outrider.outreach.importing.running import open_batches, told_of
from outrider.outreach.importing.values import Import, ImportStatus, Job, Progress
from outrider.outreach.lists import check_joinable
from outrider.outreach.queries_imports import ImportRecord
from outrider.outreach.values import Page
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember, actor_in
from outrider.tenancy.members.roles import Permission

MOST_CONTENT: Final = 1_000_000
"""How many bytes an import may bring along."""
MOST_ERRORS: Final = 1_000
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImportingContext:
    """What imports need of the process: where stored files lie."""

    tenancy: TenancyContext
    storage: ContentStorage


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A file that an application has stored."""

    application_id: UUID
    file_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a file is imported."""

    format: FileFormat
    list_id: UUID | None = None
    mapping: Mapping[str, object] = field(default_factory=dict[str, object])
    on_duplicate: OnDuplicate = OnDuplicate.SKIP
    is_dry_run: bool = False


async def start_import(
    context: ImportingContext,
    organisation_id: UUID,
    options: ImportOptions,
    source: str | StoredSource,
    *,
    by: ActingMember,
) -> Import:
    """Begin an import that a worker carries out: of a text, or of a stored file."""
    require(by)
    job = _job(organisation_id, options)
    content, sha256, size = None, None, 0
    if isinstance(source, StoredSource):
        sha256, size = await _stored(context, by, source)
        with await opened_content(context.storage, sha256) as stream:
            open_batches(stream, job, Progress())
    else:
        content = source.encode()
        size = len(content)
        if size > MOST_CONTENT:
            raise ValidationError(
                f"content has at most {MOST_CONTENT:,} bytes: store a file for more.", path="content"
            )
        open_batches(io.BytesIO(content), job, Progress())
    record = _record(context.tenancy, job, by, size=size, content=content, sha256=sha256)
    return await _insert(context.tenancy, record, organisation_id, by)


async def begin_command(
    context: TenancyContext, organisation_id: UUID, options: ImportOptions, stream: BinaryIO
) -> tuple[Import, bool]:
    """Begin the import of a command's file, or go on with what the same command left undone (then True)."""
    job = _job(organisation_id, options)
    digest, size = _digest(stream)
    told = (digest.hex(), job.format, job.list_id, job.mapping, job.on_duplicate)
    key = hashlib.sha256(orjson.dumps(told, default=str)).digest()
    async with settings_transaction(context, organisation_id) as connection:
        found = await queries.find_command(connection, organisation_id, key)
    if found is not None:
        return found, True
    stream.seek(0)
    open_batches(stream, job, Progress())
    record = _record(context, job, None, size=size, key=key)
    try:
        return await _insert(context, record, organisation_id, None), False
    except asyncpg.UniqueViolationError:
        raise ImportTaken from None


async def cancel_import(
    context: TenancyContext, organisation_id: UUID, import_id: UUID, *, by: ActingMember | None
) -> Import:
    """End an import where it is: what was imported stays. One that has ended stays as it is."""
    require(by)
    async with settings_transaction(context, organisation_id) as connection:
        cancelled = await queries.finish_import(
            connection, organisation_id, import_id, ImportStatus.CANCELLED
        )
        found = await queries.select_import(connection, organisation_id, import_id)
        if found is None:
            raise missing_import(import_id)
        if cancelled:
            told = told_of(job_of(organisation_id, found), found.progress)
            await append_audit(context, connection, organisation_id, "system.import.cancelled", told, by=by)
    return found


async def get_import(
    context: TenancyContext, organisation_id: UUID, import_id: UUID, *, by: ActingMember | None
) -> Import | None:
    """An import, None if there is none of this id."""
    require(by, Permission.READ)
    async with settings_transaction(context, organisation_id) as connection:
        return await queries.select_import(connection, organisation_id, import_id)


async def list_imports(
    context: TenancyContext,
    organisation_id: UUID,
    *,
    first: int,
    after: UUID | None = None,
    by: ActingMember | None,
) -> Page[Import]:
    """List imports, the newest first."""
    require(by, Permission.READ)
    checked_first(first)
    with faults_as_unavailable():
        rows = await queries.select_imports(context.database.reads, organisation_id, first + 1, after)
    return Page(rows[:first], len(rows) > first, after is not None)


async def list_errors(
    context: TenancyContext,
    organisation_id: UUID,
    import_id: UUID,
    *,
    first: int = MOST_ERRORS,
    after: int = 0,
    by: ActingMember | None,
) -> Sequence[RowFlaw] | None:
    """The rows that an import left out, in their order, those behind a row.

    None once they are told no longer: `Import.errors_until` says when.
    """
    require(by, Permission.READ)
    if not 1 <= first <= MOST_ERRORS:
        raise ValidationError(f"first must be a number from 1 to {MOST_ERRORS:,}.", path="first")
    async with settings_transaction(context, organisation_id) as connection:
        return await queries.select_errors(connection, organisation_id, import_id, after=after, limit=first)


def missing_import(import_id: UUID) -> NotFound:
    """The refusal for an import that is missing, or another organisation's."""
    return NotFound("Import not found.", resource_type="ContactImport", resource_id=str(import_id))


async def opened_content(storage: ContentStorage, sha256: bytes) -> BinaryIO:
    """Open the content of a stored file; one that is gone is the request's mistake."""
    try:
        return await storage.opened(sha256)
    except OSError:
        raise ValidationError("The file's content is gone.", path="fileId") from None


def job_of(organisation_id: UUID, found: Import, claim: UUID | None = None) -> Job:
    """What is left to do of an import."""
    return Job(
        organisation_id=organisation_id,
        id=found.id,
        list_id=found.list_id,
        format=found.format,
        mapping=found.mapping,
        on_duplicate=found.on_duplicate,
        is_dry_run=found.is_dry_run,
        claim=claim,
    )


def passing_job(organisation_id: UUID, options: ImportOptions) -> Job:
    """A job of which nothing is kept, for a dry run at the command line."""
    return _job(organisation_id, options)


def _job(organisation_id: UUID, options: ImportOptions) -> Job:
    return Job(
        organisation_id=organisation_id,
        id=None,
        list_id=options.list_id,
        format=options.format,
        mapping=checked_mapping(options.mapping),
        on_duplicate=options.on_duplicate,
        is_dry_run=options.is_dry_run,
    )


def _record(
    context: TenancyContext,
    job: Job,
    by: ActingMember | None,
    *,
    size: int,
    content: bytes | None = None,
    sha256: bytes | None = None,
    key: bytes | None = None,
) -> ImportRecord:
    import_id = context.ids.new()
    return ImportRecord(
        id=import_id,
        member_id=None if by is None else by.id,
        list_id=job.list_id,
        format=job.format,
        mapping=job.mapping,
        on_duplicate=job.on_duplicate,
        is_dry_run=job.is_dry_run,
        content=content,
        stored_sha256=sha256,
        size=size,
        command_key=key,
        # whoever runs a command does the work itself
        status=ImportStatus.WAITING if key is None else ImportStatus.RUNNING,
        created_at=time_of(import_id),
    )


async def _insert(
    context: TenancyContext, record: ImportRecord, organisation_id: UUID, by: ActingMember | None
) -> Import:
    async with settings_transaction(context, organisation_id) as connection:
        await check_joinable(connection, organisation_id, record.list_id)
        await queries.insert_import(connection, organisation_id, record)
        made = await queries.select_import(connection, organisation_id, record.id)
        assert made is not None, "it was just inserted"
        payload = {
            "import_id": made.id,
            "list_id": made.list_id,
            "format": made.format.value,
            "dry_run": made.is_dry_run,
            "size": made.size,
        }
        await append_audit(context, connection, organisation_id, "system.import.started", payload, by=by)
    return made


async def _stored(context: ImportingContext, by: ActingMember, source: StoredSource) -> tuple[bytes, int]:
    """The digest and size of a file of an application of the organisation."""
    await actor_in(context.tenancy, by, source.application_id)
    found = await known_files(context.tenancy.database.system, source.application_id, [source.file_id])
    file = found.get(source.file_id)
    if file is None or file.state is not FileState.READY or file.sha256 is None or file.size is None:
        raise file_not_found(source.file_id)
    return file.sha256, file.size


def _digest(stream: BinaryIO) -> tuple[bytes, int]:
    digest, size = hashlib.sha256(), 0
    stream.seek(0)
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.digest(), size
