"""The statements that show a whole organisation, and those on its accounts; each takes the organisation first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection, Pool

SELECT_ORGANISATION = "select id, name, tier, created_at from organisations where id = $1"
LOCK_ORGANISATION = "select id, name, tier, created_at from organisations where id = $1 for update"
RENAME_ORGANISATION = "update organisations set name = $2 where id = $1"
RENAME_HIDDEN_APPLICATION = """
update applications set name = $2 where organisation_id = $1 and kind = 'organisation'
"""
SELECT_APPLICATIONS = """
select id, slug, name, config::text as config, created_at, archived_at from applications
where organisation_id = $1 and kind = 'application' order by created_at, id
"""
_CONNECTION = """select c.id, c.application_id, c.account_id, c.identifier, c.name, c.channel, c.provider, c.status,
  c.in_doubt_policy, a.config::text as config, a.webhook_id, c.health_status, c.health_message, c.health_checked_at,
  c.created_at
from connections c join accounts a on a.organisation_id = c.organisation_id and a.id = c.account_id
where c.organisation_id = $1 and c.status <> 'deleted'"""
SELECT_CONNECTIONS = f"{_CONNECTION} order by c.created_at, c.id"
SELECT_CONNECTION = f"{_CONNECTION} and c.id = $2"
_ACCOUNT = """select id, provider, channel, identifier, config::text as config, sealed_config, webhook_id, created_at
from accounts where organisation_id = $1 and deleted_at is null"""
SELECT_ACCOUNTS = f"{_ACCOUNT} order by created_at, id"
LOCK_ACCOUNT = f"{_ACCOUNT} and id = $2 for update"
RENAME_ACCOUNT = "update accounts set identifier = $3 where organisation_id = $1 and id = $2"
COUNT_CONNECTIONS = """
select count(*) from connections where organisation_id = $1 and account_id = $2 and status <> 'deleted'
"""
# Connections that were deleted name it still; its identifier is free again, and its secrets are gone.
DELETE_ACCOUNT = """
update accounts set deleted_at = now(), identifier = id::text, config = '{}', sealed_config = ''
where organisation_id = $1 and id = $2
"""
_AUDIT = """select id, event_type, payload::text as payload from events
where application_id = $1 and id >= $2 and id < $3"""
SELECT_AUDIT = f"{_AUDIT} order by id desc limit $4"
SELECT_AUDIT_OF_TYPES = f"{_AUDIT} and event_type = any($5) order by id desc limit $4"


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """A stored organisation."""

    id: UUID
    name: str
    tier: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """A stored application, archived or not."""

    id: UUID
    slug: str
    name: str
    config: str
    created_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRow:
    """A connection of any application of the organisation; secrets of the config are masked."""

    id: UUID
    application_id: UUID
    account_id: UUID
    identifier: str
    name: str
    channel: str
    provider: str
    status: str
    in_doubt_policy: str
    config: str
    webhook_id: UUID
    health_status: str | None
    health_message: str | None
    health_checked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """A stored account; secrets of the config are masked and, apart, sealed."""

    id: UUID
    provider: str
    channel: str
    identifier: str
    config: str
    sealed_config: bytes = field(repr=False)
    webhook_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An event of the organisation's own log; `payload` is JSON text."""

    id: UUID
    event_type: str
    payload: str


async def select_organisation(
    connection: Connection, organisation_id: UUID, *, is_locked: bool = False
) -> OrganisationRow | None:
    statement = LOCK_ORGANISATION if is_locked else SELECT_ORGANISATION
    row = await connection.fetchrow(statement, organisation_id)
    return OrganisationRow(**row) if row else None


async def rename_organisation(connection: Connection, organisation_id: UUID, name: str) -> None:
    await connection.execute(RENAME_ORGANISATION, organisation_id, name)
    await connection.execute(RENAME_HIDDEN_APPLICATION, organisation_id, name)


async def select_applications(connection: Connection, organisation_id: UUID) -> Sequence[ApplicationRow]:
    return [ApplicationRow(**row) for row in await connection.fetch(SELECT_APPLICATIONS, organisation_id)]


async def select_connections(connection: Connection, organisation_id: UUID) -> Sequence[ConnectionRow]:
    return [ConnectionRow(**row) for row in await connection.fetch(SELECT_CONNECTIONS, organisation_id)]


async def select_connection(
    connection: Connection, organisation_id: UUID, connection_id: UUID
) -> ConnectionRow | None:
    row = await connection.fetchrow(SELECT_CONNECTION, organisation_id, connection_id)
    return ConnectionRow(**row) if row else None


async def select_accounts(connection: Connection, organisation_id: UUID) -> Sequence[AccountRow]:
    return [AccountRow(**row) for row in await connection.fetch(SELECT_ACCOUNTS, organisation_id)]


async def lock_account(connection: Connection, organisation_id: UUID, account_id: UUID) -> AccountRow | None:
    """Find an account and hold it until this transaction ends."""
    row: asyncpg.Record | None = await connection.fetchrow(LOCK_ACCOUNT, organisation_id, account_id)
    return AccountRow(**row) if row else None


async def rename_account(
    connection: Connection, organisation_id: UUID, account_id: UUID, identifier: str
) -> None:
    await connection.execute(RENAME_ACCOUNT, organisation_id, account_id, identifier)


async def count_connections(connection: Connection, organisation_id: UUID, account_id: UUID) -> int:
    return await connection.fetchval(COUNT_CONNECTIONS, organisation_id, account_id)


async def delete_account(connection: Connection, organisation_id: UUID, account_id: UUID) -> None:
    await connection.execute(DELETE_ACCOUNT, organisation_id, account_id)


async def select_audit(
    pool: Pool,
    hidden_application_id: UUID,
    *,
    lowest: UUID,
    below: UUID,
    limit: int,
    event_types: Sequence[str] | None,
) -> Sequence[AuditRow]:
    """The newest events of an organisation's own log, from `lowest` to just below another id."""
    if event_types is None:
        rows = await pool.fetch(SELECT_AUDIT, hidden_application_id, lowest, below, limit)
    else:
        rows = await pool.fetch(
            SELECT_AUDIT_OF_TYPES, hidden_application_id, lowest, below, limit, event_types
        )
    return [AuditRow(**row) for row in rows]
