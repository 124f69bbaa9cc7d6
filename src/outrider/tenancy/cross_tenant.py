"""The statements of tenancy that look across tenants, each with its reason; they run on the system pool."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Pool

# The key is what tells the tenant.
SELECT_ACTIVE_KEY = """
select k.organisation_id, k.application_id, k.id, k.scopes, k.environment, k.expires_at, o.tier
from api_keys k join organisations o on o.id = k.organisation_id
join applications a on a.organisation_id = k.organisation_id and a.id = k.application_id and a.archived_at is null
where k.secret_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
"""
# The same of a message key, which is an organisation's.
SELECT_MESSAGE_KEY = """
select k.organisation_id, k.id, k.sealed_secret, k.passphrase_hash, k.is_signing_required, k.is_secret_waived, o.tier,
  (select array_agg(m.application_id) from message_key_applications m
   where m.organisation_id = k.organisation_id and m.key_id = k.id) as application_ids
from message_keys k join organisations o on o.id = k.organisation_id
where k.key = $1 and k.revoked_at is null
"""
# And of a read key.
SELECT_READ_KEY = """
select k.organisation_id, k.id, k.scopes, k.expires_at from read_keys k
where k.secret_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
"""
# One statement for all keys that a process has seen used.
RECORD_USES = """
update read_keys k set last_used_at = greatest(k.last_used_at, u.used_at)
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) u(organisation_id, id, used_at)
where k.organisation_id = u.organisation_id and k.id = u.id
"""
# One call counts for all keys, of any tenants, whose requests came at the same time.
TAKE_REQUESTS = """
select key_id, granted, used, minute, is_burst
from take_requests($1, $2::uuid[], $3::integer[], $4::integer[], $5::integer[])
"""
# The same for read keys, whose limits are others.
TAKE_READS = "select key_id, granted, next_in, full_in from take_reads($1, $2::uuid[], $3::integer[])"
# The dispatcher and the operations on messages know the application, not its organisation.
SELECT_CONNECTION = """
select c.organisation_id, c.application_id, c.id, c.account_id, c.identifier, c.name, c.channel, c.provider, c.status,
  c.in_doubt_policy, c.system_platform_user_id, p.user_id as system_user_id, p.external_id as system_external_id,
  p.name as system_name, a.config::text as config, a.sealed_config, a.webhook_id
from connections c
join accounts a on a.organisation_id = c.organisation_id and a.id = c.account_id
join platform_users p on p.application_id = c.application_id and p.id = c.system_platform_user_id
where c.application_id = $1 and c.id = $2 and c.status <> 'deleted'
"""
# A platform knows the address that it was given and nothing else.
SELECT_WEBHOOK = """
select w.id as webhook_account_id, w.webhook_secret_hash, c.*
from accounts w
left join lateral (
  select c.organisation_id, c.application_id, c.id, c.account_id, c.identifier, c.name, c.channel, c.provider,
    c.status, c.in_doubt_policy, c.system_platform_user_id, p.user_id as system_user_id,
    p.external_id as system_external_id, p.name as system_name, w.config::text as config, w.sealed_config, w.webhook_id
  from connections c
  join platform_users p on p.application_id = c.application_id and p.id = c.system_platform_user_id
  where c.organisation_id = w.organisation_id and c.account_id = w.id and c.status = 'active'
  order by c.created_at, c.id limit 1
) c on true
where w.webhook_id = $1
"""
# The command line names organisations and applications as people do.
SELECT_ORGANISATIONS_NAMED = (
    "select id, name from organisations where name = $1 order by created_at, id limit $2"
)
SELECT_ORGANISATIONS = "select id, name from organisations order by created_at, id limit $1"
# Settings of any tenant may be sealed with a master key that is gone: the doctor compares.
SELECT_SEALING_KEYS = """
select distinct substring(sealed from 2 for 4) as key_id
from (select sealed_config from accounts where deleted_at is null union all select sealed_secret from subscriptions
  union all select sealed_secret from message_keys union all select sealed_key from signing_keys) as s(sealed)
"""
# Receiving, and whoever names an application in a header, knows it, not its organisation.
SELECT_APPLICATION_CONFIG = """
select id, organisation_id, config::text as config, kind = 'application' and archived_at is null as is_open
from applications where id = $1
"""
SELECT_APPLICATION_OWNER = "select organisation_id from applications where id = $1 and archived_at is null"


@dataclass(frozen=True, slots=True)
class ActiveKeyRow:
    """What a key that may be used allows."""

    organisation_id: UUID
    application_id: UUID
    id: UUID
    scopes: Sequence[str]
    environment: str
    expires_at: datetime | None
    tier: str


@dataclass(frozen=True, slots=True)
class MessageKeyRow:
    """A message key that may be used; `application_ids` None: it is not limited."""

    organisation_id: UUID
    id: UUID
    sealed_secret: bytes = field(repr=False)
    passphrase_hash: bytes = field(repr=False)
    is_signing_required: bool
    is_secret_waived: bool
    tier: str
    application_ids: Sequence[UUID] | None


@dataclass(frozen=True, slots=True)
class ReadKeyRow:
    """A read key that may be used."""

    organisation_id: UUID
    id: UUID
    scopes: Sequence[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TakenRow:
    """What a key's requests came to: `minute` counts since 1970; `is_burst`: only the second is full."""

    key_id: UUID
    granted: int
    used: int
    minute: int
    is_burst: bool


@dataclass(frozen=True, slots=True)
class TakenReadsRow:
    """What a read key's requests came to: in how many hundredths of a second one more may, and all are there again."""

    key_id: UUID
    granted: int
    next_in: int
    full_in: int


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection with its account's config, secrets sealed."""

    organisation_id: UUID
    application_id: UUID
    id: UUID
    account_id: UUID
    identifier: str
    name: str
    channel: str
    provider: str
    status: str
    in_doubt_policy: str
    system_platform_user_id: UUID
    system_user_id: UUID
    system_external_id: str
    system_name: str
    config: str
    webhook_id: UUID
    sealed_config: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """An account by its webhook, with its oldest active connection."""

    account_id: UUID
    secret_hash: bytes = field(repr=False)
    connection: ConnectionRow | None


@dataclass(frozen=True, slots=True)
class ApplicationConfigRow:
    """An application's config, JSON text; not `is_open`: archived, or the hidden one."""

    id: UUID
    organisation_id: UUID
    config: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """An organisation by its name."""

    id: UUID
    name: str


async def select_active_key(pool: Pool, secret_hash: bytes) -> ActiveKeyRow | None:
    """Find a key that is neither revoked nor expired by the hash of its token."""
    row = await pool.fetchrow(SELECT_ACTIVE_KEY, secret_hash)
    return ActiveKeyRow(**row) if row else None


async def select_message_key(pool: Pool, key: str) -> MessageKeyRow | None:
    """Find a message key that was not revoked."""
    row = await pool.fetchrow(SELECT_MESSAGE_KEY, key)
    return MessageKeyRow(**row) if row else None


async def select_read_key(pool: Pool, secret_hash: bytes) -> ReadKeyRow | None:
    """Find a read key that is neither revoked nor expired by the hash of its token."""
    row = await pool.fetchrow(SELECT_READ_KEY, secret_hash)
    return ReadKeyRow(**row) if row else None


async def record_uses(pool: Pool, uses: Sequence[tuple[UUID, UUID, datetime]]) -> None:
    """Record when keys were last used, each as (organisation, key, moment)."""
    await pool.execute(RECORD_USES, *map(list, zip(*uses, strict=True)))


async def take_reads(
    pool: Pool, moment: datetime, asked: Sequence[tuple[UUID, int]]
) -> dict[UUID, TakenReadsRow]:
    """Count requests of read keys at a moment; each key once, as (key, requests)."""
    keys, wanted = zip(*asked, strict=True)
    rows = await pool.fetch(TAKE_READS, moment, keys, wanted)
    return {row["key_id"]: TakenReadsRow(**row) for row in rows}


async def take_requests(
    pool: Pool, moment: datetime, asked: Sequence[tuple[UUID, int, int, int]]
) -> dict[UUID, TakenRow]:
    """Count requests at a moment; each key once, as (key, limit of a minute, limit of a second, requests)."""
    keys, limits, bursts, wanted = zip(*asked, strict=True)
    rows = await pool.fetch(TAKE_REQUESTS, moment, keys, limits, bursts, wanted)
    return {row["key_id"]: TakenRow(**row) for row in rows}


async def select_connection(pool: Pool, application_id: UUID, connection_id: UUID) -> ConnectionRow | None:
    """Find a connection that was not deleted."""
    row = await pool.fetchrow(SELECT_CONNECTION, application_id, connection_id)
    return _connection_row(row) if row else None


async def select_webhook(pool: Pool, webhook_id: UUID) -> WebhookRow | None:
    """Find the account that a webhook address belongs to."""
    row = await pool.fetchrow(SELECT_WEBHOOK, webhook_id)
    if row is None:
        return None
    connection = _connection_row(row) if row["id"] is not None else None
    return WebhookRow(row["webhook_account_id"], row["webhook_secret_hash"], connection)


async def select_organisations(pool: Pool, limit: int, *, name: str | None = None) -> list[OrganisationRow]:
    """Find organisations, those of a name or any, the oldest first; names are not unique."""
    if name is None:
        rows = await pool.fetch(SELECT_ORGANISATIONS, limit)
    else:
        rows = await pool.fetch(SELECT_ORGANISATIONS_NAMED, name, limit)
    return [OrganisationRow(**row) for row in rows]


async def select_sealing_keys(pool: Pool) -> set[bytes]:
    """Name the master keys that stored secrets are sealed with."""
    return {row["key_id"] for row in await pool.fetch(SELECT_SEALING_KEYS)}


async def select_application_owner(pool: Pool, application_id: UUID) -> UUID | None:
    """Tell which organisation an application belongs to."""
    return await pool.fetchval(SELECT_APPLICATION_OWNER, application_id)


async def select_application_config(pool: Pool, application_id: UUID) -> ApplicationConfigRow | None:
    """Find an application's config."""
    row = await pool.fetchrow(SELECT_APPLICATION_CONFIG, application_id)
    return ApplicationConfigRow(**row) if row else None


def _connection_row(row: asyncpg.Record) -> ConnectionRow:
    return ConnectionRow(**{name: row[name] for name in ConnectionRow.__slots__})
