"""The statements on read keys; each takes the organisation first and runs inside its walls."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Connection

INSERT_READ_KEY = """
insert into read_keys (organisation_id, id, name, secret_hash, hint, scopes, expires_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""
SELECT_READ_KEYS = """
select id, name, hint, scopes, created_at, expires_at, revoked_at, last_used_at
from read_keys where organisation_id = $1 order by created_at, id
"""
SELECT_READ_KEY = """
select k.id, k.name, k.hint, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
  o.name as organisation_name
from read_keys k join organisations o on o.id = k.organisation_id
where k.organisation_id = $1 and k.id = $2
"""
REVOKE_READ_KEY = """
update read_keys set revoked_at = coalesce(revoked_at, now()) where organisation_id = $1 and id = $2 returning id
"""
REVOKE_READ_KEYS_NAMED = """
update read_keys set revoked_at = now() where organisation_id = $1 and name = $2 and revoked_at is null
returning id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKeyInsert:
    """A new row of read_keys."""

    id: UUID
    name: str
    secret_hash: bytes = field(repr=False)
    hint: str
    scopes: Sequence[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKeyRow:
    """A stored key."""

    id: UUID
    name: str
    hint: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


async def insert_read_key(connection: Connection, organisation_id: UUID, new: ReadKeyInsert) -> None:
    await connection.execute(
        INSERT_READ_KEY,
        organisation_id,
        new.id,
        new.name,
        new.secret_hash,
        new.hint,
        new.scopes,
        new.expires_at,
    )


async def select_read_keys(connection: Connection, organisation_id: UUID) -> list[ReadKeyRow]:
    return [ReadKeyRow(**row) for row in await connection.fetch(SELECT_READ_KEYS, organisation_id)]


async def select_read_key(
    connection: Connection, organisation_id: UUID, key_id: UUID
) -> tuple[ReadKeyRow, str] | None:
    """Find a key, with its organisation's name."""
    row = await connection.fetchrow(SELECT_READ_KEY, organisation_id, key_id)
    if row is None:
        return None
    return ReadKeyRow(**{name: row[name] for name in ReadKeyRow.__slots__}), row["organisation_name"]


async def revoke_read_key(connection: Connection, organisation_id: UUID, key_id: UUID) -> bool:
    return await connection.fetchval(REVOKE_READ_KEY, organisation_id, key_id) is not None


async def revoke_read_keys_named(connection: Connection, organisation_id: UUID, name: str) -> list[UUID]:
    rows = await connection.fetch(REVOKE_READ_KEYS_NAMED, organisation_id, name)
    return [row["id"] for row in rows]
