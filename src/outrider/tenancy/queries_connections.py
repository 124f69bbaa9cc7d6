"""The statements on connections that exist, inside the walls of their organisation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection

_SELECT = """select c.id, c.account_id, c.identifier, c.name, c.channel, c.provider, c.status, c.in_doubt_policy,
  a.config::text as config, a.sealed_config, c.health_status, c.health_message, c.health_checked_at, c.created_at
from connections c join accounts a on a.organisation_id = c.organisation_id and a.id = c.account_id
where c.organisation_id = $1 and c.application_id = $2 and c.status <> 'deleted'"""
SELECT_CONNECTION = f"{_SELECT} and c.id = $3"
LOCK_CONNECTION = f"{_SELECT} and c.id = $3 for update"
SELECT_CONNECTIONS = f"{_SELECT} order by c.id desc limit $3"
SELECT_CONNECTIONS_BEFORE = f"{_SELECT} and c.id < $4 order by c.id desc limit $3"
UPDATE_CONNECTION = """
update connections set name = $3, in_doubt_policy = $4, status = $5 where organisation_id = $1 and id = $2
"""
UPDATE_ACCOUNT_CONFIG = """
update accounts set config = $3::json, sealed_config = $4 where organisation_id = $1 and id = $2
"""
# What was known of its health was known of the former config.
FORGET_HEALTH = """
update connections set health_status = null, health_message = null, health_checked_at = null
where organisation_id = $1 and account_id = $2 and status <> 'deleted' returning id
"""
UPDATE_HEALTH = """
update connections set health_status = $4, health_message = $5, health_checked_at = now()
where organisation_id = $1 and application_id = $2 and id = $3 and status <> 'deleted'
returning health_checked_at
"""
# Its identifier is free again.
DELETE_CONNECTION = """
update connections set status = 'deleted', identifier = id::text where organisation_id = $1 and id = $2
"""
FREE_ACCOUNT_IDENTIFIER = """
update accounts a set identifier = a.id::text
where a.organisation_id = $1 and a.id = $2 and a.identifier = $3 and not exists (
  select from connections c where c.organisation_id = $1 and c.account_id = $2 and c.status <> 'deleted')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedRow:
    """A connection with its account's config, secrets masked and, apart, sealed."""

    id: UUID
    account_id: UUID
    identifier: str
    name: str
    channel: str
    provider: str
    status: str
    in_doubt_policy: str
    config: str
    sealed_config: bytes = field(repr=False)
    health_status: str | None
    health_message: str | None
    health_checked_at: datetime | None
    created_at: datetime


async def select_connection(
    connection: Connection, organisation_id: UUID, application_id: UUID, connection_id: UUID
) -> ManagedRow | None:
    return _found(
        await connection.fetchrow(SELECT_CONNECTION, organisation_id, application_id, connection_id)
    )


async def lock_connection(
    connection: Connection, organisation_id: UUID, application_id: UUID, connection_id: UUID
) -> ManagedRow | None:
    """Hold a connection and its account until this transaction ends."""
    return _found(await connection.fetchrow(LOCK_CONNECTION, organisation_id, application_id, connection_id))


async def select_connections(
    connection: Connection, organisation_id: UUID, application_id: UUID, *, limit: int, before: UUID | None
) -> Sequence[ManagedRow]:
    """The newest connections, or those made before one."""
    if before is None:
        rows = await connection.fetch(SELECT_CONNECTIONS, organisation_id, application_id, limit)
    else:
        rows = await connection.fetch(
            SELECT_CONNECTIONS_BEFORE, organisation_id, application_id, limit, before
        )
    return [ManagedRow(**row) for row in rows]


async def update_connection(
    connection: Connection,
    organisation_id: UUID,
    connection_id: UUID,
    *,
    name: str,
    in_doubt_policy: str,
    status: str,
) -> None:
    await connection.execute(UPDATE_CONNECTION, organisation_id, connection_id, name, in_doubt_policy, status)


async def update_account_config(
    connection: Connection, organisation_id: UUID, account_id: UUID, *, config: str, sealed_config: bytes
) -> list[UUID]:
    """Store an account's config; returns the connections that use it."""
    await connection.execute(UPDATE_ACCOUNT_CONFIG, organisation_id, account_id, config, sealed_config)
    return [row["id"] for row in await connection.fetch(FORGET_HEALTH, organisation_id, account_id)]


async def update_health(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    connection_id: UUID,
    *,
    status: str,
    message: str,
) -> datetime | None:
    """Keep what a check found; returns when, None if the connection was deleted meanwhile."""
    return await connection.fetchval(
        UPDATE_HEALTH, organisation_id, application_id, connection_id, status, message
    )


async def delete_connection(connection: Connection, organisation_id: UUID, deleted: ManagedRow) -> None:
    await connection.execute(DELETE_CONNECTION, organisation_id, deleted.id)
    await connection.execute(FREE_ACCOUNT_IDENTIFIER, organisation_id, deleted.account_id, deleted.identifier)


def _found(row: asyncpg.Record | None) -> ManagedRow | None:
    return ManagedRow(**row) if row else None
