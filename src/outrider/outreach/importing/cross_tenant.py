"""Statements on many tenants at once: a worker takes whatever import is due."""

from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import Pool
from outrider.outreach.importing.values import Import
from outrider.outreach.queries_imports import CLAIM_SECONDS, import_of

# Whatever tenant's is due: a claim holds the others off for as long as it is renewed with each batch.
CLAIM_IMPORT = """
with due as (
  select i.organisation_id, i.id from contact_imports i where i.due_at <= clock_timestamp()
  order by i.due_at limit 1 for update skip locked
)
update contact_imports i set claim = $1, status = 'running', due_at = clock_timestamp() + make_interval(secs => $2)
from due where i.organisation_id = due.organisation_id and i.id = due.id
returning i.organisation_id, i.content, i.stored_sha256, i.id, i.member_id, i.list_id, i.format,
  i.mapping::text as mapping, i.on_duplicate, i.is_dry_run, i.size, i.status, i.position, i.row_number,
  i.created_count, i.updated_count, i.skipped_count, i.failed_count, i.failure, i.created_at, i.updated_at,
  i.finished_at
"""


@dataclass(frozen=True, slots=True)
class ClaimedImport:
    """An import that is this process's for a while, and where its rows are."""

    organisation_id: UUID
    claim: UUID
    found: Import
    content: bytes | None
    stored_sha256: bytes | None


async def claim_import(pool: Pool, claim: UUID) -> ClaimedImport | None:
    """Take an import that is due, if any is."""
    row = await pool.fetchrow(CLAIM_IMPORT, claim, CLAIM_SECONDS)
    if row is None:
        return None
    return ClaimedImport(row["organisation_id"], claim, import_of(row), row["content"], row["stored_sha256"])
