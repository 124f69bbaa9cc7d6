"""The statements on backends: which account sends a type of message for an application."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import Connection, Pool

SELECT_DEFAULTS = """
select d.application_id, d.channel, d.account_id, a.identifier, a.provider
from default_backends d join accounts a on a.organisation_id = d.organisation_id and a.id = d.account_id
where d.organisation_id = $1 and a.deleted_at is null order by d.application_id, d.channel
"""
PUT_DEFAULT = """
insert into default_backends (organisation_id, application_id, channel, account_id) values ($1, $2, $3, $4)
on conflict (organisation_id, application_id, channel) do update set account_id = excluded.account_id
"""
DELETE_DEFAULT = """
delete from default_backends where organisation_id = $1 and application_id = $2 and channel = $3
"""
SELECT_PROJECT = """
select id, slug from applications
where organisation_id = $1 and slug = $2 and kind = 'application' and archived_at is null
"""
SELECT_PROJECT_BY_ID = """
select id, slug from applications
where organisation_id = $1 and id = $2 and kind = 'application' and archived_at is null
"""
SELECT_PROJECTS = """
select id, slug from applications
where organisation_id = $1 and kind = 'application' and archived_at is null order by created_at, id
"""
SELECT_ACCOUNT_NAMED = """
select id from accounts where organisation_id = $1 and identifier = $2 and deleted_at is null
"""
# A connection that was disabled is the one that is used still: nobody may make another around it.
_BACKEND = """select a.id, a.identifier, a.provider,
  (select c.id from connections c where c.organisation_id = a.organisation_id and c.account_id = a.id
    and c.application_id = $2 and c.status <> 'deleted' order by c.status, c.created_at, c.id limit 1) as connection_id
from accounts a where a.organisation_id = $1 and a.channel = $3 and a.deleted_at is null"""
SELECT_BACKEND = f"{_BACKEND} and a.identifier = $4"
SELECT_BACKEND_BY_ID = f"{_BACKEND} and a.id = $4"
_DEFAULT = """(select d.account_id from default_backends d
  where d.organisation_id = $1 and d.application_id = $2 and d.channel = $3)"""
SELECT_DEFAULT_BACKEND = f"{_BACKEND} and a.id = {_DEFAULT}"


@dataclass(frozen=True, slots=True)
class DefaultRow:
    """The account that sends a type of message for an application."""

    application_id: UUID
    channel: str
    account_id: UUID
    identifier: str
    provider: str


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """An application that was not archived."""

    id: UUID
    slug: str


@dataclass(frozen=True, slots=True)
class BackendRow:
    """An account, and the application's connection that uses it, if there is one yet."""

    id: UUID
    identifier: str
    provider: str
    connection_id: UUID | None


async def select_defaults(connection: Connection, organisation_id: UUID) -> Sequence[DefaultRow]:
    return [DefaultRow(**row) for row in await connection.fetch(SELECT_DEFAULTS, organisation_id)]


async def put_default(
    connection: Connection, organisation_id: UUID, application_id: UUID, channel: str, account_id: UUID
) -> None:
    await connection.execute(PUT_DEFAULT, organisation_id, application_id, channel, account_id)


async def delete_default(
    connection: Connection, organisation_id: UUID, application_id: UUID, channel: str
) -> None:
    await connection.execute(DELETE_DEFAULT, organisation_id, application_id, channel)


async def select_projects(connection: Connection, organisation_id: UUID) -> Sequence[ProjectRow]:
    return [ProjectRow(**row) for row in await connection.fetch(SELECT_PROJECTS, organisation_id)]


async def select_account_named(connection: Connection, organisation_id: UUID, identifier: str) -> UUID | None:
    return await connection.fetchval(SELECT_ACCOUNT_NAMED, organisation_id, identifier)


async def select_project(pool: Pool, organisation_id: UUID, named: str | UUID) -> ProjectRow | None:
    """Find an application by its slug or its id."""
    if isinstance(named, UUID):
        row = await pool.fetchrow(SELECT_PROJECT_BY_ID, organisation_id, named)
    else:
        row = await pool.fetchrow(SELECT_PROJECT, organisation_id, named)
    return ProjectRow(**row) if row else None


async def select_backend(
    pool: Pool, organisation_id: UUID, application_id: UUID, channel: str, named: str | UUID | None
) -> BackendRow | None:
    """Find an account by its identifier or id, or the application's default (None)."""
    if named is None:
        row = await pool.fetchrow(SELECT_DEFAULT_BACKEND, organisation_id, application_id, channel)
    elif isinstance(named, UUID):
        row = await pool.fetchrow(SELECT_BACKEND_BY_ID, organisation_id, application_id, channel, named)
    else:
        row = await pool.fetchrow(SELECT_BACKEND, organisation_id, application_id, channel, named)
    return BackendRow(**row) if row else None
