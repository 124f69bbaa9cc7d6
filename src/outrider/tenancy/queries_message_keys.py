"""The statements on message keys; each takes the organisation first and runs inside its walls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Connection

INSERT_MESSAGE_KEY = """
insert into message_keys (organisation_id, id, name, key, sealed_secret, passphrase_hash, is_signing_required,
  is_secret_waived)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
LIMIT_MESSAGE_KEY = """
insert into message_key_applications (organisation_id, key_id, application_id)
select a.organisation_id, $2, a.id from applications a
where a.organisation_id = $1 and a.id = any($3::uuid[]) and a.kind = 'application' and a.archived_at is null
returning application_id
"""
SELECT_MESSAGE_KEYS = """
select k.id, k.name, k.key, k.is_signing_required, k.is_secret_waived, k.created_at, k.revoked_at,
  (select array_agg(m.application_id order by m.application_id) from message_key_applications m
   where m.organisation_id = k.organisation_id and m.key_id = k.id) as application_ids
from message_keys k where k.organisation_id = $1 order by k.created_at, k.id
"""
REVOKE_MESSAGE_KEY = """
update message_keys set revoked_at = coalesce(revoked_at, now()) where organisation_id = $1 and id = $2 returning id
"""
REVOKE_MESSAGE_KEYS_NAMED = """
update message_keys set revoked_at = now() where organisation_id = $1 and name = $2 and revoked_at is null
returning id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKeyInsert:
    """A new row of message_keys."""

    id: UUID
    name: str
    key: str
    sealed_secret: bytes = field(repr=False)
    passphrase_hash: bytes = field(repr=False)
    is_signing_required: bool
    is_secret_waived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKeyRow:
    """A stored key without its secrets; `application_ids` None: it is not limited."""

    id: UUID
    name: str
    key: str
    is_signing_required: bool
    is_secret_waived: bool
    created_at: datetime
    revoked_at: datetime | None
    application_ids: Sequence[UUID] | None


async def insert_message_key(connection: Connection, organisation_id: UUID, new: MessageKeyInsert) -> None:
    await connection.execute(
        INSERT_MESSAGE_KEY,
        organisation_id,
        new.id,
        new.name,
        new.key,
        new.sealed_secret,
        new.passphrase_hash,
        new.is_signing_required,
        new.is_secret_waived,
    )


async def limit_message_key(
    connection: Connection, organisation_id: UUID, key_id: UUID, application_ids: Sequence[UUID]
) -> set[UUID]:
    """Limit a key to applications; returns those that the organisation has."""
    rows = await connection.fetch(LIMIT_MESSAGE_KEY, organisation_id, key_id, application_ids)
    return {row["application_id"] for row in rows}


async def select_message_keys(connection: Connection, organisation_id: UUID) -> list[MessageKeyRow]:
    return [MessageKeyRow(**row) for row in await connection.fetch(SELECT_MESSAGE_KEYS, organisation_id)]


async def revoke_message_key(connection: Connection, organisation_id: UUID, key_id: UUID) -> bool:
    return await connection.fetchval(REVOKE_MESSAGE_KEY, organisation_id, key_id) is not None


async def revoke_message_keys_named(connection: Connection, organisation_id: UUID, name: str) -> list[UUID]:
    rows = await connection.fetch(REVOKE_MESSAGE_KEYS_NAMED, organisation_id, name)
    return [row["id"] for row in rows]
