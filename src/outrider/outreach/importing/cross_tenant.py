"""Statements on many tenants at once: a worker takes whatever import is due, and sweeps behind all that have ended."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Pool
from outrider.outreach.importing.values import Import
from outrider.outreach.queries_imports import CLAIM_SECONDS, IMPORT_COLUMNS, import_of

# Whatever tenant's is due: a claim holds the others off for as long as it is renewed with each batch.
CLAIM_IMPORT = f"""
with due as (
  select i.organisation_id, i.id from contact_imports i where i.due_at <= clock_timestamp()
  order by i.due_at limit 1 for update skip locked
)
update contact_imports i set claim = $1, status = 'running', due_at = clock_timestamp() + make_interval(secs => $2)
from due where i.organisation_id = due.organisation_id and i.id = due.id
returning i.organisation_id, i.content, i.stored_sha256, {IMPORT_COLUMNS}
"""  # noqa: S608 -- columns that another module names

# What follows goes behind the ends of all tenants' imports alike; one that goes on has no end yet.
SELECT_SWEPT_UNTIL = "select clock_timestamp() - make_interval(days => $1)"
DELETE_ERRORS = """
delete from contact_import_errors where ctid in (
  select e.ctid from contact_imports i
  join contact_import_errors e on e.organisation_id = i.organisation_id and e.import_id = i.id
  where i.finished_at < $1 and not i.is_swept limit 5000)
"""
MARK_SWEPT = """
update contact_imports set is_swept = true where finished_at < $1 and not is_swept
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


async def select_swept_until(pool: Pool, days: int) -> datetime:
    """Whatever ended before this has been kept for so many days, by the database's clock."""
    return await pool.fetchval(SELECT_SWEPT_UNTIL, days)


async def delete_errors(pool: Pool, before: datetime) -> int:
    """Delete what was left out by imports that ended before, in small steps; returns how many rows."""
    total = 0
    while True:
        count = int((await pool.execute(DELETE_ERRORS, before)).removeprefix("DELETE "))
        total += count
        if count < 5_000:
            return total


async def mark_swept(pool: Pool, before: datetime) -> None:
    """Remember that nothing is left to delete of imports that ended before."""
    await pool.execute(MARK_SWEPT, before)
