"""The statements on companies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Connection, Pool
from outrider.outreach.values import Company

_SELECT = """select c.id, c.name, c.domain, c.created_at, c.updated_at from companies c where c.organisation_id = $1"""
SELECT_COMPANY = f"{_SELECT} and c.id = $2"
SELECT_COMPANIES = f"{_SELECT} order by c.id desc limit $2"
SELECT_COMPANIES_BELOW = f"{_SELECT} and c.id < $3 order by c.id desc limit $2"
LOCK_COMPANY = "select 1 from companies where organisation_id = $1 and id = $2 for update"
INSERT_COMPANIES = """
insert into companies (organisation_id, id, name, domain, created_at, updated_at)
select $1, r.id, r.name, r.domain, r.created_at, r.created_at
from unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[]) as r(id, name, domain, created_at)
on conflict do nothing
"""
UPDATE_COMPANY = """
update companies set name = $3, domain = $4, updated_at = clock_timestamp() where organisation_id = $1 and id = $2
"""
DELETE_COMPANY = "delete from companies where organisation_id = $1 and id = $2"
FIND_BY_DOMAIN = """
select c.domain, c.id from companies c where c.organisation_id = $1 and c.domain = any($2::text[])
"""
# Of several with one name the oldest, unless one is known by its name alone.
FIND_BY_NAME = """
select distinct on (g.name) g.name, c.id from unnest($2::text[]) as g(name)
join companies c on c.organisation_id = $1 and lower(c.name) = lower(g.name)
order by g.name, c.domain is not null, c.id
"""


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """A company as it is written."""

    id: UUID
    name: str | None
    domain: str | None
    created_at: datetime


async def insert_companies(connection: Connection, organisation_id: UUID, rows: Sequence[CompanyRow]) -> int:
    """Make companies, unless they are there already; gives how many were made."""
    tag = await connection.execute(
        INSERT_COMPANIES,
        organisation_id,
        [row.id for row in rows],
        [row.name for row in rows],
        [row.domain for row in rows],
        [row.created_at for row in rows],
    )
    return int(tag.rpartition(" ")[2])


async def find_by_domain(
    connection: Connection, organisation_id: UUID, domains: Sequence[str]
) -> dict[str, UUID]:
    """The companies of these domains, for those that one has."""
    rows = await connection.fetch(FIND_BY_DOMAIN, organisation_id, domains)
    return {row["domain"]: row["id"] for row in rows}


async def find_by_name(
    connection: Connection, organisation_id: UUID, names: Sequence[str]
) -> dict[str, UUID]:
    """The companies of these names in any case, for those names that one has."""
    rows = await connection.fetch(FIND_BY_NAME, organisation_id, names)
    return {row["name"]: row["id"] for row in rows}


async def update_company(
    connection: Connection, organisation_id: UUID, company_id: UUID, *, name: str | None, domain: str | None
) -> None:
    """Change a company; a domain or sole name that another has is a `UniqueViolationError`."""
    await connection.execute(UPDATE_COMPANY, organisation_id, company_id, name, domain)


async def delete_company(connection: Connection, organisation_id: UUID, company_id: UUID) -> None:
    """Delete a company; one that contacts belong to is a `ForeignKeyViolationError`."""
    await connection.execute(DELETE_COMPANY, organisation_id, company_id)


async def select_company(
    connection: Connection, organisation_id: UUID, company_id: UUID, *, is_locked: bool = False
) -> Company | None:
    """Find a company, and perhaps hold it until this transaction ends."""
    if is_locked:
        # first, and alone: who waited for it must see what was changed meanwhile
        await connection.execute(LOCK_COMPANY, organisation_id, company_id)
    row = await connection.fetchrow(SELECT_COMPANY, organisation_id, company_id)
    return Company(**row) if row else None


async def select_companies(
    pool: Pool, organisation_id: UUID, limit: int, below: UUID | None
) -> list[Company]:
    """Companies, the newest first."""
    if below is None:
        rows = await pool.fetch(SELECT_COMPANIES, organisation_id, limit)
    else:
        rows = await pool.fetch(SELECT_COMPANIES_BELOW, organisation_id, limit, below)
    return [Company(**row) for row in rows]
