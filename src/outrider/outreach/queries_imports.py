"""The statements on imports of contacts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.pools import Connection, Pool
from outrider.outreach.importing.planning import OnDuplicate
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.importing.rows import RowFlaw
from outrider.outreach.importing.values import KEPT_DAYS, Import, ImportStatus, Job, Progress

CLAIM_SECONDS = 60.0
"""After how long without a batch another worker takes an import over."""
IMPORT_COLUMNS = """i.id, i.member_id, i.list_id, i.format, i.mapping::text as mapping, i.on_duplicate, i.is_dry_run,
  i.size, i.status, i.position, i.row_number, i.created_count, i.updated_count, i.skipped_count, i.failed_count,
  i.failure, i.created_at, i.updated_at, i.finished_at"""
_SELECT = f"select {IMPORT_COLUMNS} from contact_imports i where i.organisation_id = $1"  # noqa: S608 -- its own columns
SELECT_IMPORT = f"{_SELECT} and i.id = $2"
SELECT_IMPORTS = f"{_SELECT} order by i.id desc limit $2"
SELECT_IMPORTS_BELOW = f"{_SELECT} and i.id < $3 order by i.id desc limit $2"
FIND_COMMAND = f"{_SELECT} and i.command_key = $2 and i.status = 'running'"
INSERT_IMPORT = """
insert into contact_imports (organisation_id, id, member_id, list_id, format, mapping, on_duplicate, is_dry_run,
  content, stored_sha256, size, command_key, status, due_at, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6::text::json, $7, $8, $9, $10, $11, $12, $13,
  case when $13 = 'waiting' then clock_timestamp() end, $14, $14)
"""
# A process that was overtaken, or whose import was cancelled, changes nothing.
ADVANCE = """
update contact_imports set position = $4, row_number = $5, created_count = $6, updated_count = $7, skipped_count = $8,
  failed_count = $9, updated_at = clock_timestamp(),
  due_at = case when claim is not null then clock_timestamp() + make_interval(secs => $11) end
where organisation_id = $1 and id = $2 and position = $3 and status = 'running' and claim is not distinct from $10
returning 1
"""
FINISH = """
update contact_imports set status = $3, failure = $4, content = null, due_at = null, claim = null,
  finished_at = clock_timestamp(), updated_at = clock_timestamp()
where organisation_id = $1 and id = $2 and status in ('waiting', 'running')
returning 1
"""
PUT_OFF = """
update contact_imports set claim = null, due_at = clock_timestamp() + make_interval(secs => $4)
where organisation_id = $1 and id = $2 and claim = $3 and status = 'running'
"""
INSERT_ERRORS = """
insert into contact_import_errors (organisation_id, import_id, row_number, field, reason)
select $1, $2, r.row_number, r.field, r.reason from unnest($3::integer[], $4::text[], $5::text[])
  as r(row_number, field, reason)
"""
ARE_ERRORS_GONE = """
select i.finished_at < clock_timestamp() - make_interval(days => $3) from contact_imports i
where i.organisation_id = $1 and i.id = $2
"""
SELECT_ERRORS = """
select e.row_number, e.field, e.reason from contact_import_errors e
where e.organisation_id = $1 and e.import_id = $2 and e.row_number > $3 order by e.row_number limit $4
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """An import as it is written at first."""

    id: UUID
    member_id: UUID | None
    list_id: UUID | None
    format: FileFormat
    mapping: Mapping[str, str]
    on_duplicate: OnDuplicate
    is_dry_run: bool
    content: bytes | None
    stored_sha256: bytes | None
    size: int
    command_key: bytes | None
    status: ImportStatus
    created_at: datetime


async def insert_import(connection: Connection, organisation_id: UUID, row: ImportRecord) -> None:
    """Write a new import; a command's that is under way already is a `UniqueViolationError`."""
    await connection.execute(
        INSERT_IMPORT,
        organisation_id,
        row.id,
        row.member_id,
        row.list_id,
        row.format.value,
        orjson.dumps(row.mapping).decode(),
        row.on_duplicate.value,
        row.is_dry_run,
        row.content,
        row.stored_sha256,
        row.size,
        row.command_key,
        row.status.value,
        row.created_at,
    )


async def advance_import(
    connection: Connection, organisation_id: UUID, job: Job, before: Progress, after: Progress
) -> bool:
    """Keep how far an import is; False if somebody else has gone on with it, or ended it."""
    changed = await connection.fetchval(
        ADVANCE,
        organisation_id,
        job.id,
        before.position,
        after.position,
        after.row_number,
        after.created,
        after.updated,
        after.skipped,
        after.failed,
        job.claim,
        CLAIM_SECONDS,
    )
    return changed is not None


async def finish_import(
    connection: Connection,
    organisation_id: UUID,
    import_id: UUID,
    status: ImportStatus,
    failure: str | None = None,
) -> bool:
    """End an import; its content is not kept. False if it has ended."""
    changed = await connection.fetchval(FINISH, organisation_id, import_id, status.value, failure)
    return changed is not None


async def put_off(
    connection: Connection, organisation_id: UUID, import_id: UUID, claim: UUID, seconds: float
) -> None:
    """Give an import back, for any worker to take after so many seconds."""
    await connection.execute(PUT_OFF, organisation_id, import_id, claim, seconds)


async def insert_errors(
    connection: Connection, organisation_id: UUID, import_id: UUID, flaws: Sequence[RowFlaw]
) -> None:
    await connection.execute(
        INSERT_ERRORS,
        organisation_id,
        import_id,
        [flaw.number for flaw in flaws],
        [flaw.column for flaw in flaws],
        [flaw.reason for flaw in flaws],
    )


async def select_errors(
    connection: Connection, organisation_id: UUID, import_id: UUID, *, after: int, limit: int
) -> list[RowFlaw] | None:
    """Rows that were left out, in their order, behind a row; None once they are kept no longer."""
    if await connection.fetchval(ARE_ERRORS_GONE, organisation_id, import_id, KEPT_DAYS):
        return None
    rows = await connection.fetch(SELECT_ERRORS, organisation_id, import_id, after, limit)
    return [RowFlaw(row["row_number"], row["field"], row["reason"]) for row in rows]


async def select_import(connection: Connection, organisation_id: UUID, import_id: UUID) -> Import | None:
    row = await connection.fetchrow(SELECT_IMPORT, organisation_id, import_id)
    return import_of(row) if row else None


async def find_command(connection: Connection, organisation_id: UUID, command_key: bytes) -> Import | None:
    """The import that the same command began and has not ended."""
    row = await connection.fetchrow(FIND_COMMAND, organisation_id, command_key)
    return import_of(row) if row else None


async def select_imports(pool: Pool, organisation_id: UUID, limit: int, below: UUID | None) -> list[Import]:
    """Imports, the newest first."""
    if below is None:
        rows = await pool.fetch(SELECT_IMPORTS, organisation_id, limit)
    else:
        rows = await pool.fetch(SELECT_IMPORTS_BELOW, organisation_id, limit, below)
    return [import_of(row) for row in rows]


def import_of(row: asyncpg.Record) -> Import:
    """An import from its columns."""
    return Import(
        id=row["id"],
        member_id=row["member_id"],
        list_id=row["list_id"],
        format=FileFormat(row["format"]),
        mapping=orjson.loads(row["mapping"]),
        on_duplicate=OnDuplicate(row["on_duplicate"]),
        is_dry_run=row["is_dry_run"],
        size=row["size"],
        status=ImportStatus(row["status"]),
        progress=progress_of(row),
        failure=row["failure"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        finished_at=row["finished_at"],
    )


def progress_of(row: asyncpg.Record) -> Progress:
    """How far an import is, from its columns."""
    return Progress(
        row["position"],
        row["row_number"],
        row["created_count"],
        row["updated_count"],
        row["skipped_count"],
        row["failed_count"],
    )
