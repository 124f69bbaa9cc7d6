"""The statements on lists of contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection, Pool
from outrider.outreach.values import ContactList, SourceType

_SELECT = """select l.id, l.name, l.source_type, l.description, l.connection_point, l.goal, l.member_id,
  l.application_id, l.account_id, l.archived_at, l.created_at, l.updated_at
from contact_lists l where l.organisation_id = $1"""
SELECT_LIST = f"{_SELECT} and l.id = $2"
FIND_LISTS = f"{_SELECT} and l.name = $2 and l.archived_at is null order by l.id limit 2"
_BELOW = "l.id < coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')"
SELECT_ALL = f"{_SELECT} and {_BELOW} order by l.id desc limit $2"
SELECT_UNARCHIVED = f"{_SELECT} and {_BELOW} and l.archived_at is null order by l.id desc limit $2"
LOCK_LIST = "select 1 from contact_lists where organisation_id = $1 and id = $2 for update"
INSERT_LIST = """
insert into contact_lists (organisation_id, id, name, source_type, description, connection_point, goal, member_id,
  application_id, account_id, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
"""
UPDATE_LIST = """
update contact_lists set name = $3, description = $4, connection_point = $5, goal = $6, application_id = $7,
  account_id = $8, archived_at = $9, updated_at = clock_timestamp()
where organisation_id = $1 and id = $2
"""
COUNT_CONTACTS = "select count(*) from contacts where organisation_id = $1 and list_id = $2"
SELECT_SENDER = """
select exists (select from applications p where p.organisation_id = $1 and p.id = $2 and p.kind = 'application'
    and p.archived_at is null) as has_application,
  exists (select from accounts a where a.organisation_id = $1 and a.id = $3 and a.deleted_at is null) as has_account
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A list as it is written."""

    id: UUID
    name: str
    source_type: str
    description: str | None
    connection_point: str | None
    goal: str | None
    member_id: UUID | None
    application_id: UUID | None
    account_id: UUID | None
    archived_at: datetime | None
    created_at: datetime


async def insert_list(connection: Connection, organisation_id: UUID, row: ListRow) -> None:
    await connection.execute(
        INSERT_LIST,
        organisation_id,
        row.id,
        row.name,
        row.source_type,
        row.description,
        row.connection_point,
        row.goal,
        row.member_id,
        row.application_id,
        row.account_id,
        row.created_at,
    )


async def update_list(connection: Connection, organisation_id: UUID, row: ListRow) -> None:
    await connection.execute(
        UPDATE_LIST,
        organisation_id,
        row.id,
        row.name,
        row.description,
        row.connection_point,
        row.goal,
        row.application_id,
        row.account_id,
        row.archived_at,
    )


async def select_sender(
    connection: Connection, organisation_id: UUID, application_id: UUID | None, account_id: UUID | None
) -> tuple[bool, bool]:
    """Whether there are such an application and such an account."""
    row = await connection.fetchrow(SELECT_SENDER, organisation_id, application_id, account_id)
    assert row is not None
    return row["has_application"], row["has_account"]


async def select_list(
    connection: Connection, organisation_id: UUID, list_id: UUID, *, is_locked: bool = False
) -> ContactList | None:
    """Find a list, and perhaps hold it until this transaction ends."""
    if is_locked:
        # first, and alone: who waited for it must see what was changed meanwhile
        await connection.execute(LOCK_LIST, organisation_id, list_id)
    row = await connection.fetchrow(SELECT_LIST, organisation_id, list_id)
    return _list(row) if row else None


async def find_lists(connection: Connection, organisation_id: UUID, name: str) -> list[ContactList]:
    """Up to two lists of this name that are not archived."""
    return [_list(row) for row in await connection.fetch(FIND_LISTS, organisation_id, name)]


async def select_lists(
    pool: Pool, organisation_id: UUID, limit: int, below: UUID | None, *, is_archived_wanted: bool
) -> Sequence[ContactList]:
    """Lists, the newest first."""
    statement = SELECT_ALL if is_archived_wanted else SELECT_UNARCHIVED
    return [_list(row) for row in await pool.fetch(statement, organisation_id, limit, below)]


async def count_contacts(pool: Pool, organisation_id: UUID, list_id: UUID) -> int:
    return await pool.fetchval(COUNT_CONTACTS, organisation_id, list_id)


def _list(row: asyncpg.Record) -> ContactList:
    values: dict[str, Any] = dict(row)
    values["source_type"] = SourceType(row["source_type"])
    return ContactList(**values)
