"""The statements on settings; each takes the organisation first and runs inside its walls."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Connection

NOTIFY_CHANGE = "select pg_notify($1, $2)"
APPEND_AUDIT = "select append_audit($1, $2, $3, $4)"
INSERT_ORGANISATION = "insert into organisations (id, name, tier) values ($1, $2, $3)"
UPDATE_TIER = "update organisations set tier = $2 where id = $1 returning id"
INSERT_APPLICATION = """
insert into applications (organisation_id, id, kind, slug, name, config) values ($1, $2, $3, $4, $5, $6::json)
"""
SELECT_APPLICATION = """
select id, slug, name from applications where organisation_id = $1 and slug = $2 and kind = 'application'
"""
LOCK_APPLICATION = """
select id, slug, name, config::text as config, created_at from applications
where organisation_id = $1 and id = $2 and kind = 'application' and archived_at is null for update
"""
SELECT_APPLICATION_CONFIG = """
select id, slug, name, config::text as config, created_at from applications
where organisation_id = $1 and id = $2 and kind = 'application' and archived_at is null
"""
# Its slug is free again.
ARCHIVE_APPLICATION = """
update applications set archived_at = now(), archived_slug = slug, slug = id::text
where organisation_id = $1 and id = $2
"""
LOCK_ARCHIVED = """
select id, name, archived_slug from applications
where organisation_id = $1 and id = $2 and kind = 'application' and archived_at is not null for update
"""
RESTORE_APPLICATION = """
update applications set archived_at = null, archived_slug = null, slug = $3 where organisation_id = $1 and id = $2
"""
SELECT_KEYS_IN_USE = """
select id from api_keys where organisation_id = $1 and application_id = $2 and revoked_at is null
"""
STOP_CONNECTIONS = """
update connections set status = 'disabled', is_stopped = true
where organisation_id = $1 and application_id = $2 and status = 'active' returning id
"""
# Not what was disabled before, nor what was deleted meanwhile.
RESUME_CONNECTIONS = """
update connections set status = 'active', is_stopped = false
where organisation_id = $1 and application_id = $2 and status = 'disabled' and is_stopped returning id
"""
UPDATE_APPLICATION = (
    "update applications set name = $3, config = $4::json where organisation_id = $1 and id = $2"
)
INSERT_API_KEY = """
insert into api_keys (organisation_id, application_id, id, kind, name, environment, secret_hash, hint, scopes,
  expires_at)
select a.organisation_id, a.id, $3, 'developer', $4, $5, $6, $7, $8, $9 from applications a
where a.organisation_id = $1 and a.id = $2 and a.kind = 'application' and a.archived_at is null
returning created_at
"""
SELECT_API_KEYS = """
select id, application_id, name, environment, hint, scopes, created_at, expires_at, revoked_at
from api_keys where organisation_id = $1 order by created_at, id
"""
LOCK_API_KEY = """
select id, application_id, name, environment, hint, scopes, created_at, expires_at, revoked_at
from api_keys where organisation_id = $1 and id = $2 for update
"""
END_API_KEY = """
update api_keys set expires_at = least(expires_at, $3) where organisation_id = $1 and id = $2
"""
REVOKE_API_KEY = """
update api_keys set revoked_at = coalesce(revoked_at, now()) where organisation_id = $1 and id = $2 returning id
"""
REVOKE_API_KEYS_NAMED = """
update api_keys set revoked_at = now()
where organisation_id = $1 and application_id = $2 and name = $3 and revoked_at is null returning id
"""
INSERT_ACCOUNT = """
insert into accounts (organisation_id, id, provider, channel, identifier, config, sealed_config, webhook_id,
  webhook_secret_hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
SELECT_ACCOUNT = """
select provider, channel, webhook_id from accounts where organisation_id = $1 and id = $2 and deleted_at is null
for share
"""
INSERT_CONNECTION = """
insert into connections (organisation_id, application_id, id, account_id, identifier, name, channel, provider,
  in_doubt_policy, system_platform_user_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
returning created_at
"""
CREATE_SYSTEM_USER = "select create_system_user($1, $2, $3, $4, $5, $6)"


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """An application as it is found by its slug."""

    id: UUID
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class ConfiguredRow:
    """An application with its config, JSON text."""

    id: UUID
    slug: str
    name: str
    config: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ArchivedRow:
    """An application that is archived; `archived_slug` is None if a release archived it that did not keep it."""

    id: UUID
    name: str
    archived_slug: str | None


@dataclass(frozen=True, slots=True)
class AffectedRows:
    """What stopped with an application, or goes on with it."""

    api_keys: Sequence[UUID]
    connections: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """A stored key; its secret is gone, `hint` is how it ended."""

    id: UUID
    application_id: UUID
    name: str
    environment: str
    hint: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInsert:
    """A new row of accounts; `config` is JSON without secrets."""

    id: UUID
    provider: str
    channel: str
    identifier: str
    config: str
    sealed_config: bytes
    webhook_id: UUID
    webhook_secret_hash: bytes


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What a second connection of an account has to agree with."""

    provider: str
    channel: str
    webhook_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInsert:
    """A new row of connections."""

    application_id: UUID
    id: UUID
    account_id: UUID
    identifier: str
    name: str
    channel: str
    provider: str
    in_doubt_policy: str
    system_platform_user_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyInsert:
    """A new row of api_keys."""

    application_id: UUID
    id: UUID
    name: str
    environment: str
    secret_hash: bytes
    hint: str
    scopes: Sequence[str]
    expires_at: datetime | None


async def notify_change(connection: Connection, channel: str, payload: str) -> None:
    await connection.execute(NOTIFY_CHANGE, channel, payload)


async def append_audit(
    connection: Connection, organisation_id: UUID, event_type: str, payload: str, event_id: UUID
) -> None:
    await connection.execute(APPEND_AUDIT, organisation_id, event_type, payload, event_id)


async def insert_organisation(connection: Connection, organisation_id: UUID, name: str, tier: str) -> None:
    await connection.execute(INSERT_ORGANISATION, organisation_id, name, tier)


async def update_tier(connection: Connection, organisation_id: UUID, tier: str) -> bool:
    return await connection.fetchval(UPDATE_TIER, organisation_id, tier) is not None


async def insert_application(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    *,
    kind: str,
    slug: str,
    name: str,
    config: str = "{}",
) -> None:
    await connection.execute(INSERT_APPLICATION, organisation_id, application_id, kind, slug, name, config)


async def archive_application(
    connection: Connection, organisation_id: UUID, application_id: UUID
) -> AffectedRows:
    await connection.execute(ARCHIVE_APPLICATION, organisation_id, application_id)
    return await _affected(connection, organisation_id, application_id, STOP_CONNECTIONS)


async def lock_archived(
    connection: Connection, organisation_id: UUID, application_id: UUID
) -> ArchivedRow | None:
    """Find an archived application, and hold it until this transaction ends."""
    row = await connection.fetchrow(LOCK_ARCHIVED, organisation_id, application_id)
    return ArchivedRow(**row) if row else None


async def restore_application(
    connection: Connection, organisation_id: UUID, application_id: UUID, slug: str
) -> AffectedRows:
    await connection.execute(RESTORE_APPLICATION, organisation_id, application_id, slug)
    return await _affected(connection, organisation_id, application_id, RESUME_CONNECTIONS)


async def _affected(
    connection: Connection, organisation_id: UUID, application_id: UUID, change_connections: str
) -> AffectedRows:
    keys = await connection.fetch(SELECT_KEYS_IN_USE, organisation_id, application_id)
    connections = await connection.fetch(change_connections, organisation_id, application_id)
    return AffectedRows([row["id"] for row in keys], [row["id"] for row in connections])


async def select_application(
    connection: Connection, organisation_id: UUID, slug: str
) -> ApplicationRow | None:
    row = await connection.fetchrow(SELECT_APPLICATION, organisation_id, slug)
    return ApplicationRow(**row) if row else None


async def select_application_config(
    connection: Connection, organisation_id: UUID, application_id: UUID, *, is_locked: bool = False
) -> ConfiguredRow | None:
    """Find an application by its id; `is_locked` holds it until this transaction ends."""
    statement = LOCK_APPLICATION if is_locked else SELECT_APPLICATION_CONFIG
    row = await connection.fetchrow(statement, organisation_id, application_id)
    return ConfiguredRow(**row) if row else None


async def update_application(
    connection: Connection, organisation_id: UUID, application_id: UUID, *, name: str, config: str
) -> None:
    await connection.execute(UPDATE_APPLICATION, organisation_id, application_id, name, config)


async def insert_api_key(connection: Connection, organisation_id: UUID, key: ApiKeyInsert) -> datetime | None:
    """Insert a key; None if the organisation has no such application."""
    return await connection.fetchval(
        INSERT_API_KEY,
        organisation_id,
        key.application_id,
        key.id,
        key.name,
        key.environment,
        key.secret_hash,
        key.hint,
        key.scopes,
        key.expires_at,
    )


async def select_api_keys(connection: Connection, organisation_id: UUID) -> list[ApiKeyRow]:
    return [ApiKeyRow(**row) for row in await connection.fetch(SELECT_API_KEYS, organisation_id)]


async def lock_api_key(connection: Connection, organisation_id: UUID, key_id: UUID) -> ApiKeyRow | None:
    """Find a key and hold it until this transaction ends."""
    row = await connection.fetchrow(LOCK_API_KEY, organisation_id, key_id)
    return ApiKeyRow(**row) if row else None


async def end_api_key(
    connection: Connection, organisation_id: UUID, key_id: UUID, expires_at: datetime
) -> None:
    """Let a key expire then, unless it does so earlier."""
    await connection.execute(END_API_KEY, organisation_id, key_id, expires_at)


async def revoke_api_key(connection: Connection, organisation_id: UUID, key_id: UUID) -> bool:
    return await connection.fetchval(REVOKE_API_KEY, organisation_id, key_id) is not None


async def revoke_api_keys_named(
    connection: Connection, organisation_id: UUID, application_id: UUID, name: str
) -> list[UUID]:
    rows = await connection.fetch(REVOKE_API_KEYS_NAMED, organisation_id, application_id, name)
    return [row["id"] for row in rows]


async def insert_account(connection: Connection, organisation_id: UUID, account: AccountInsert) -> None:
    await connection.execute(
        INSERT_ACCOUNT,
        organisation_id,
        account.id,
        account.provider,
        account.channel,
        account.identifier,
        account.config,
        account.sealed_config,
        account.webhook_id,
        account.webhook_secret_hash,
    )


async def select_account(
    connection: Connection, organisation_id: UUID, account_id: UUID
) -> AccountRow | None:
    row = await connection.fetchrow(SELECT_ACCOUNT, organisation_id, account_id)
    return AccountRow(**row) if row else None


async def insert_connection(connection: Connection, organisation_id: UUID, new: ConnectionInsert) -> datetime:
    return await connection.fetchval(
        INSERT_CONNECTION,
        organisation_id,
        new.application_id,
        new.id,
        new.account_id,
        new.identifier,
        new.name,
        new.channel,
        new.provider,
        new.in_doubt_policy,
        new.system_platform_user_id,
    )


async def create_system_user(
    connection: Connection,
    organisation_id: UUID,
    connection_id: UUID,
    *,
    user_id: UUID,
    platform_user_id: UUID,
    external_id: str,
    name: str,
) -> None:
    await connection.execute(
        CREATE_SYSTEM_USER, organisation_id, connection_id, user_id, platform_user_id, external_id, name
    )
