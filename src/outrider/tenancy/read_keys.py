"""Read keys: an organisation's credentials for the read API, made, listed, revoked and recognised.

Only the hash of a key is stored. A key that was revoked is refused as soon as its notification arrives, and after
`caching.HARD_SECONDS` if it never does. When a key was used is recorded by `KeyUses`, not by requests.
"""

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection, Database
from outrider.core.errors import Forbidden, NotFound, Unauthorized, ValidationError
from outrider.core.hashing import hash_secret
from outrider.core.ids import IdClock
from outrider.tenancy import queries_read_keys as queries
from outrider.tenancy.actors import Author
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.cross_tenant import select_read_key
from outrider.tenancy.naming import checked_name

PREFIX: Final = "obk_live_"
_SECRET_BYTES: Final = 16
_TOKEN: Final = re.compile(r"obk_live_[0-9a-f]{32}")


class ReadScope(StrEnum):
    """What a read key allows to be read."""

    CONTACTS = "contacts.read"
    LISTS = "lists.read"
    DRAFTS = "drafts.read"
    EVENTS = "events.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReadKey:
    """A key to create; without `expires_at` it lasts until it is revoked."""

    name: str
    scopes: Collection[str] = tuple(ReadScope)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreatedReadKey:
    """A new key and its token, which nobody can read again."""

    id: UUID
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKey:
    """A stored key; `masked_token` shows how its token ended. `last_used_at` may be a minute behind."""

    id: UUID
    name: str
    masked_token: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: a key of an organisation, with what it may read."""

    organisation_id: UUID
    key_id: UUID
    scopes: frozenset[str]

    def require(self, scope: ReadScope) -> None:
        """Raise `Forbidden` unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"The API key lacks the scope {scope.value}.", required_scope=scope.value)


@dataclass(frozen=True, slots=True)
class Myself:
    """A key as it sees itself, and the organisation that it belongs to."""

    key: ReadKey
    organisation_id: UUID
    organisation_name: str


async def create_read_key(
    context: TenancyContext,
    organisation_id: UUID,
    new: NewReadKey,
    *,
    is_replacing: bool = False,
    by: Author | None = None,
) -> CreatedReadKey:
    """Create a key; `is_replacing` revokes the organisation's older keys of the same name."""
    if new.expires_at is not None and new.expires_at <= context.ids.now():
        raise ValidationError("expiresAt must lie in the future.", path="expiresAt")
    token = f"{PREFIX}{secrets.token_hex(_SECRET_BYTES)}"
    insert = queries.ReadKeyInsert(
        id=context.ids.new(),
        name=checked_name(new.name),
        secret_hash=hash_secret(token),
        hint=token[-4:],
        scopes=_checked_scopes(new.scopes),
        expires_at=new.expires_at,
    )
    async with settings_transaction(context, organisation_id) as connection:
        replaced = await _revoke_namesakes(connection, organisation_id, insert.name) if is_replacing else []
        await queries.insert_read_key(connection, organisation_id, insert)
        payload: dict[str, object] = {
            "read_key_id": insert.id,
            "name": insert.name,
            "scopes": insert.scopes,
            "expires_at": insert.expires_at,
            "replaced": replaced,
        }
        await append_audit(context, connection, organisation_id, "system.read_key.created", payload, by=by)
    return CreatedReadKey(insert.id, token)


async def list_read_keys(context: TenancyContext, organisation_id: UUID) -> list[ReadKey]:
    """List an organisation's read keys, revoked ones too, the oldest first."""
    async with settings_transaction(context, organisation_id) as connection:
        rows = await queries.select_read_keys(connection, organisation_id)
    return [_key(row) for row in rows]


async def revoke_read_key(
    context: TenancyContext, organisation_id: UUID, key_id: UUID, *, by: Author | None = None
) -> None:
    """Refuse a key from now on, in every process."""
    async with settings_transaction(context, organisation_id) as connection:
        if not await queries.revoke_read_key(connection, organisation_id, key_id):
            raise NotFound("Read key not found.", resource_type="ReadKey", resource_id=str(key_id))
        await tell_change(connection, Changed.READ_KEY, key_id)
        payload: Mapping[str, object] = {"read_key_id": key_id}
        await append_audit(context, connection, organisation_id, "system.read_key.revoked", payload, by=by)


async def show_myself(context: TenancyContext, reader: Reader) -> Myself:
    """Show a key itself and its organisation."""
    organisation_id = reader.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        found = await queries.select_read_key(connection, organisation_id, reader.key_id)
    if found is None:
        raise Unauthorized
    row, organisation_name = found
    return Myself(_key(row), organisation_id, organisation_name)


def _key(row: queries.ReadKeyRow) -> ReadKey:
    return ReadKey(
        id=row.id,
        name=row.name,
        masked_token=f"{PREFIX}…{row.hint}",
        scopes=row.scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


def _checked_scopes(scopes: Collection[str]) -> list[str]:
    known = [scope.value for scope in ReadScope]
    unknown = sorted(set(scopes) - set(known))
    if unknown or not scopes:
        problem = f"unknown: {', '.join(unknown)}" if unknown else "at least one is required"
        raise ValidationError(f"scopes: {problem}; allowed are {', '.join(known)}.", path="scopes")
    return [scope for scope in known if scope in scopes]


async def _revoke_namesakes(connection: Connection, organisation_id: UUID, name: str) -> list[UUID]:
    revoked = await queries.revoke_read_keys_named(connection, organisation_id, name)
    for key_id in revoked:
        await tell_change(connection, Changed.READ_KEY, key_id)
    return revoked


@dataclass(frozen=True, slots=True)
class _KnownKey:
    reader: Reader
    expires_at: datetime | None


class ReadKeyDirectory:
    """Recognises tokens; the hot path is one hash and one look into memory."""

    def __init__(self, database: Database, ids: IdClock) -> None:
        self._database = database
        self._ids = ids
        self._cache: LookupCache[bytes, _KnownKey] = LookupCache(self._load)

    async def authenticate(self, token: str) -> Reader:
        """Tell who holds a token, or raise `Unauthorized`; `Unavailable` while the database cannot be asked."""
        known = await self._cache.get(hash_secret(token)) if _TOKEN.fullmatch(token) else None
        if known is None or (known.expires_at is not None and known.expires_at <= self._ids.now()):
            raise Unauthorized("The presented API key is not valid.")
        return known.reader

    def forget(self, key_id: UUID) -> None:
        """Look a key up anew when it is used next."""
        self._cache.forget(lambda known: known.reader.key_id == key_id)

    def clear(self) -> None:
        """Look every key up anew."""
        self._cache.clear()

    async def _load(self, secret_hash: bytes) -> _KnownKey | None:
        with faults_as_unavailable():
            row = await select_read_key(self._database.system, secret_hash)
        if row is None:
            return None
        return _KnownKey(Reader(row.organisation_id, row.id, frozenset(row.scopes)), row.expires_at)
