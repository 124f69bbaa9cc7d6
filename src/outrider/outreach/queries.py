"""The statements on contacts and their addresses. Rows are written many at a time, also where there is only one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection, Pool
from outrider.outreach.queries_words import by_words
from outrider.outreach.values import Address, CompanyRef, Contact, ListRef, QualificationStatus

# Who writes contacts of an organisation waits for whoever does so: what was looked up then still holds, and nobody
# waits in a circle.
LOCK_CONTACTS = "select pg_advisory_xact_lock(7305032, hashtext($1::uuid::text))"
SELECT_OWNERS = """
select a.channel_class, a.address, a.contact_id from unnest($2::text[], $3::text[]) as g(channel_class, address)
join contact_addresses a on a.organisation_id = $1 and a.channel_class = g.channel_class and a.address = g.address
"""
INSERT_CONTACTS = """
insert into contacts (organisation_id, id, name, email, company_id, list_id, qualification_status, fit_score,
  urgency_score, created_at, updated_at)
select $1, r.id, r.name, r.email, r.company_id, r.list_id, r.status, r.fit_score, r.urgency_score, r.created_at,
  r.created_at
from unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::smallint[], $9::smallint[],
  $10::timestamptz[])
  as r(id, name, email, company_id, list_id, status, fit_score, urgency_score, created_at)
"""
INSERT_ADDRESSES = """
insert into contact_addresses (organisation_id, channel_class, address, contact_id)
select $1, r.channel_class, r.address, r.contact_id from unnest($2::text[], $3::text[], $4::uuid[])
  as r(channel_class, address, contact_id)
"""
# What a row of an import does not say stays as it is.
FILL_CONTACTS = """
update contacts c set name = coalesce(r.name, c.name), company_id = coalesce(r.company_id, c.company_id),
  list_id = coalesce(r.list_id, c.list_id), qualification_status = coalesce(r.status, c.qualification_status),
  fit_score = coalesce(r.fit_score, c.fit_score), urgency_score = coalesce(r.urgency_score, c.urgency_score),
  updated_at = clock_timestamp()
from unnest($2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::smallint[], $8::smallint[])
  as r(id, name, company_id, list_id, status, fit_score, urgency_score)
where c.organisation_id = $1 and c.id = r.id
"""
UPDATE_CONTACT = """
update contacts set name = $3, email = $4, company_id = $5, list_id = $6, qualification_status = $7, fit_score = $8,
  urgency_score = $9, updated_at = clock_timestamp()
where organisation_id = $1 and id = $2
"""
DELETE_ADDRESSES = """
delete from contact_addresses a using unnest($3::text[], $4::text[]) as r(channel_class, address)
where a.organisation_id = $1 and a.contact_id = $2 and a.channel_class = r.channel_class and a.address = r.address
"""
DELETE_CONTACT = "delete from contacts where organisation_id = $1 and id = $2"
MOVE_CONTACTS = """
update contacts set list_id = $3, updated_at = clock_timestamp()
where organisation_id = $1 and id = any($2::uuid[]) and list_id is distinct from $3
returning id
"""
LOCK_CONTACT = "select 1 from contacts where organisation_id = $1 and id = $2 for update"
_SELECT = """
select c.id, c.name, c.email, c.company_id, m.name as company_name, m.domain as company_domain, c.list_id,
  l.name as list_name, c.qualification_status, c.fit_score, c.urgency_score, c.created_at, c.updated_at,
  array(select a.channel_class from contact_addresses a where a.organisation_id = $1 and a.contact_id = c.id
    order by a.channel_class, a.address) as channel_classes,
  array(select a.address from contact_addresses a where a.organisation_id = $1 and a.contact_id = c.id
    order by a.channel_class, a.address) as addresses
from contacts c
left join companies m on m.organisation_id = c.organisation_id and m.id = c.company_id
left join contact_lists l on l.organisation_id = c.organisation_id and l.id = c.list_id
where c.organisation_id = $1"""
SELECT_CONTACT = f"{_SELECT} and c.id = $2"
SELECT_MISSING = """
select g.id from unnest($2::uuid[]) as g(id)
where not exists (select from contacts c where c.organisation_id = $1 and c.id = g.id) limit 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A contact as it is written; without a status it is unqualified."""

    id: UUID
    name: str
    email: str
    company_id: UUID | None
    list_id: UUID | None
    status: str
    fit_score: int | None
    urgency_score: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """What an import says of a contact that is there; None says nothing."""

    id: UUID
    name: str | None
    company_id: UUID | None
    list_id: UUID | None
    status: str | None
    fit_score: int | None
    urgency_score: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactConditions:
    """Which contacts; None asks for nothing. `words` is of `search_query`, `below` the end of the page before."""

    words: str | None = None
    list_id: UUID | None = None
    company_id: UUID | None = None
    status: str | None = None
    address: Address | None = None
    below: UUID | None = None


async def lock_contacts(connection: Connection, organisation_id: UUID) -> None:
    await connection.execute(LOCK_CONTACTS, organisation_id)


async def select_owners(
    connection: Connection, organisation_id: UUID, addresses: Iterable[Address]
) -> dict[Address, UUID]:
    """Whose the addresses are, of those that anybody has."""
    asked = list(addresses)
    rows = await connection.fetch(
        SELECT_OWNERS, organisation_id, [one.channel_class for one in asked], [one.address for one in asked]
    )
    return {Address(row["channel_class"], row["address"]): row["contact_id"] for row in rows}


async def insert_contacts(connection: Connection, organisation_id: UUID, rows: Sequence[ContactRow]) -> None:
    await connection.execute(
        INSERT_CONTACTS,
        organisation_id,
        [row.id for row in rows],
        [row.name for row in rows],
        [row.email for row in rows],
        [row.company_id for row in rows],
        [row.list_id for row in rows],
        [row.status for row in rows],
        [row.fit_score for row in rows],
        [row.urgency_score for row in rows],
        [row.created_at for row in rows],
    )


async def insert_addresses(
    connection: Connection, organisation_id: UUID, rows: Sequence[tuple[Address, UUID]]
) -> None:
    """Give addresses to contacts; one that is somebody's already is a `UniqueViolationError`."""
    await connection.execute(
        INSERT_ADDRESSES,
        organisation_id,
        [address.channel_class for address, _ in rows],
        [address.address for address, _ in rows],
        [contact_id for _, contact_id in rows],
    )


async def fill_contacts(connection: Connection, organisation_id: UUID, rows: Sequence[FillRow]) -> None:
    await connection.execute(
        FILL_CONTACTS,
        organisation_id,
        [row.id for row in rows],
        [row.name for row in rows],
        [row.company_id for row in rows],
        [row.list_id for row in rows],
        [row.status for row in rows],
        [row.fit_score for row in rows],
        [row.urgency_score for row in rows],
    )


async def update_contact(connection: Connection, organisation_id: UUID, row: ContactRow) -> None:
    await connection.execute(
        UPDATE_CONTACT,
        organisation_id,
        row.id,
        row.name,
        row.email,
        row.company_id,
        row.list_id,
        row.status,
        row.fit_score,
        row.urgency_score,
    )


async def delete_addresses(
    connection: Connection, organisation_id: UUID, contact_id: UUID, addresses: Iterable[Address]
) -> None:
    gone = list(addresses)
    await connection.execute(
        DELETE_ADDRESSES,
        organisation_id,
        contact_id,
        [one.channel_class for one in gone],
        [one.address for one in gone],
    )


async def delete_contact(connection: Connection, organisation_id: UUID, contact_id: UUID) -> None:
    """Delete a contact; one that drafts are to is a `ForeignKeyViolationError`."""
    await connection.execute(DELETE_CONTACT, organisation_id, contact_id)


async def move_contacts(
    connection: Connection, organisation_id: UUID, contact_ids: Sequence[UUID], list_id: UUID | None
) -> list[UUID]:
    """Put contacts on a list, or on none; gives those that were elsewhere."""
    rows = await connection.fetch(MOVE_CONTACTS, organisation_id, contact_ids, list_id)
    return [row["id"] for row in rows]


async def select_contact(
    connection: Connection, organisation_id: UUID, contact_id: UUID, *, is_locked: bool = False
) -> Contact | None:
    """Find a contact, and perhaps hold it until this transaction ends."""
    if is_locked:
        # first, and alone: who waited for it must see what was changed meanwhile
        await connection.execute(LOCK_CONTACT, organisation_id, contact_id)
    row = await connection.fetchrow(SELECT_CONTACT, organisation_id, contact_id)
    return _contact(row) if row else None


async def select_missing(
    connection: Connection, organisation_id: UUID, contact_ids: Sequence[UUID]
) -> UUID | None:
    """The first that is not there, if any is not."""
    return await connection.fetchval(SELECT_MISSING, organisation_id, contact_ids)


async def select_contacts(
    pool: Pool, organisation_id: UUID, conditions: ContactConditions, limit: int
) -> list[Contact]:
    """Contacts by conditions, the newest first."""
    values: list[object] = [limit]
    given: list[str] = []
    address = conditions.address
    for name, value in (
        ("below", conditions.below),
        ("list_id", conditions.list_id),
        ("company_id", conditions.company_id),
        ("status", conditions.status),
        ("channel_class", address.channel_class if address else None),
        ("address", address.address if address else None),
        ("words", conditions.words),
    ):
        if value is not None:
            given.append(name)
            values.append(value)
    return [_contact(row) for row in await pool.fetch(_finding(tuple(given)), organisation_id, *values)]


_CONDITIONS = {
    "below": "c.id < {0}::uuid",
    "list_id": "c.list_id = {0}::uuid",
    "company_id": "c.company_id = {0}::uuid",
    "status": "c.qualification_status = {0}::text",
    "channel_class": "exists (select from contact_addresses a where a.organisation_id = $1 and a.contact_id = c.id"
    " and a.channel_class = {0}::text",
    "address": "a.address = {0}::text)",
}


@lru_cache(maxsize=128)
def _finding(given: tuple[str, ...]) -> str:
    """The statement for conditions that are given; the others do not stand in it."""
    numbers = {name: f"${at}" for at, name in enumerate(given, 3)}
    wheres = "".join(
        f" and {_CONDITIONS[name].format(number)}" for name, number in numbers.items() if name in _CONDITIONS
    )
    if "words" not in numbers:
        return f"{_SELECT}{wheres} order by c.id desc limit $2"
    return by_words(_SELECT, wheres, numbers["words"])


def _contact(row: asyncpg.Record) -> Contact:
    company_id, list_id = row["company_id"], row["list_id"]
    return Contact(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        addresses=[Address(*pair) for pair in zip(row["channel_classes"], row["addresses"], strict=True)],
        company=None
        if company_id is None
        else CompanyRef(company_id, row["company_name"], row["company_domain"]),
        list=None if list_id is None else ListRef(list_id, row["list_name"]),
        qualification_status=QualificationStatus(row["qualification_status"]),
        fit_score=row["fit_score"],
        urgency_score=row["urgency_score"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
