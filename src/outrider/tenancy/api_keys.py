"""Developer API keys: made, listed, revoked, and recognised on every request.

Only the hash of a key is stored. A key that was revoked is refused as soon as its notification arrives, and
after `caching.HARD_SECONDS` if it never does.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection, Database
from outrider.core.errors import NotFound, Unauthorized, ValidationError
from outrider.core.hashing import hash_secret, new_token
from outrider.core.ids import IdClock
from outrider.tenancy import queries
from outrider.tenancy.actors import Actor, Author, Environment, Scope
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.cross_tenant import select_active_key
from outrider.tenancy.naming import checked_name

_PREFIXES = tuple(f"otr_{environment}_" for environment in Environment)
_SHORTEST_TOKEN = 40
_LONGEST_TOKEN = 128
LONGEST_OVERLAP: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key to create; without `expires_at` it lasts until it is revoked."""

    application_id: UUID
    name: str
    scopes: Collection[str]
    environment: Environment = Environment.LIVE
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """A new key and its token, which nobody can read again."""

    id: UUID
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key; `masked_token` shows how its token ended."""

    id: UUID
    application_id: UUID
    name: str
    environment: Environment
    masked_token: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


async def create_api_key(
    context: TenancyContext,
    organisation_id: UUID,
    new: NewApiKey,
    *,
    is_replacing: bool = False,
    by: Author | None = None,
) -> CreatedApiKey:
    """Create a key of an application; `is_replacing` revokes its older keys of the same name."""
    if new.expires_at is not None and new.expires_at <= datetime.now(UTC):
        raise ValidationError("expires_at must lie in the future.", path="expires_at")
    key, token = _made(context, new)
    async with settings_transaction(context, organisation_id) as connection:
        replaced = await _revoke_namesakes(connection, organisation_id, key) if is_replacing else []
        if await queries.insert_api_key(connection, organisation_id, key) is None:
            raise NotFound(resource_type="Application", resource_id=str(new.application_id))
        payload: dict[str, object] = {
            "api_key_id": key.id,
            "application_id": key.application_id,
            "name": key.name,
            "environment": key.environment,
            "scopes": key.scopes,
            "replaced": replaced,
        }
        await append_audit(context, connection, organisation_id, "system.api_key.created", payload, by=by)
    return CreatedApiKey(key.id, token)


async def rotate_api_key(
    context: TenancyContext,
    organisation_id: UUID,
    key_id: UUID,
    *,
    overlap: timedelta,
    by: Author | None = None,
) -> CreatedApiKey:
    """Give a key a successor that may do the same; the old one works until the overlap ends."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise ValidationError("The overlap must have 0 to 10080 minutes.", path="overlapMinutes")
    async with settings_transaction(context, organisation_id) as connection:
        old = await queries.lock_api_key(connection, organisation_id, key_id)
        if old is None:
            raise _missing(key_id)
        now = context.ids.now()
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
            raise ValidationError("The key is used no more: it was revoked, or has expired.", path="id")
        new = NewApiKey(
            application_id=old.application_id,
            name=old.name,
            scopes=old.scopes,
            environment=Environment(old.environment),
            expires_at=old.expires_at,
        )
        key, token = _made(context, new)
        if await queries.insert_api_key(connection, organisation_id, key) is None:
            raise _missing(key_id)
        await queries.end_api_key(connection, organisation_id, key_id, now + overlap)
        await tell_change(connection, Changed.API_KEY, key_id)
        payload = {"api_key_id": key.id, "replaced": [key_id], "replaced_until": now + overlap}
        await append_audit(context, connection, organisation_id, "system.api_key.rotated", payload, by=by)
    return CreatedApiKey(key.id, token)


async def list_api_keys(context: TenancyContext, organisation_id: UUID) -> list[ApiKey]:
    """List an organisation's keys, revoked ones too, the oldest first."""
    async with settings_transaction(context, organisation_id) as connection:
        rows = await queries.select_api_keys(connection, organisation_id)
    return [
        ApiKey(
            id=row.id,
            application_id=row.application_id,
            name=row.name,
            environment=Environment(row.environment),
            masked_token=f"otr_{row.environment}_…{row.hint}",
            scopes=row.scopes,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    ]


async def revoke_api_key(
    context: TenancyContext, organisation_id: UUID, key_id: UUID, *, by: Author | None = None
) -> None:
    """Refuse a key from now on, in every process."""
    async with settings_transaction(context, organisation_id) as connection:
        if not await queries.revoke_api_key(connection, organisation_id, key_id):
            raise _missing(key_id)
        await tell_change(connection, Changed.API_KEY, key_id)
        payload = {"api_key_id": key_id}
        await append_audit(context, connection, organisation_id, "system.api_key.revoked", payload, by=by)


def _made(context: TenancyContext, new: NewApiKey) -> tuple[queries.ApiKeyInsert, str]:
    """A key ready to be stored, and its token."""
    token = f"otr_{new.environment}_{new_token()}"
    key = queries.ApiKeyInsert(
        application_id=new.application_id,
        id=context.ids.new(),
        name=checked_name(new.name),
        environment=new.environment,
        secret_hash=hash_secret(token),
        hint=token[-4:],
        scopes=_checked_scopes(new.scopes),
        expires_at=new.expires_at,
    )
    return key, token


def _missing(key_id: UUID) -> NotFound:
    return NotFound("API key not found.", resource_type="ApiKey", resource_id=str(key_id))


async def _revoke_namesakes(
    connection: Connection, organisation_id: UUID, key: queries.ApiKeyInsert
) -> list[UUID]:
    revoked = await queries.revoke_api_keys_named(connection, organisation_id, key.application_id, key.name)
    for key_id in revoked:
        await tell_change(connection, Changed.API_KEY, key_id)
    return revoked


def _checked_scopes(scopes: Collection[str]) -> list[str]:
    known = [scope.value for scope in Scope]
    unknown = sorted(set(scopes) - set(known))
    if unknown or not scopes:
        problem = f"unknown: {', '.join(unknown)}" if unknown else "at least one is required"
        raise ValidationError(f"scopes: {problem}; allowed are {', '.join(known)}.", path="scopes")
    return sorted(set(scopes))


@dataclass(frozen=True, slots=True)
class _KnownKey:
    actor: Actor
    expires_at_ms: int | None


class ApiKeyDirectory:
    """Recognises tokens; the hot path is one hash and one look into memory."""

    def __init__(self, database: Database, ids: IdClock) -> None:
        self._database = database
        self._ids = ids
        self._cache: LookupCache[bytes, _KnownKey] = LookupCache(self._load)

    async def authenticate(self, token: str) -> Actor:
        """Tell who holds a token, or raise `Unauthorized`; `Unavailable` while the database cannot be asked."""
        if not _is_token(token):
            raise Unauthorized("Invalid or missing API key.")
        known = await self._cache.get(hash_secret(token))
        if known is None or (known.expires_at_ms is not None and known.expires_at_ms <= self._ids.now_ms()):
            raise Unauthorized("Invalid or missing API key.")
        return known.actor

    def forget(self, key_id: UUID) -> None:
        """Look a key up anew when it is used next."""
        self._cache.forget(lambda known: known.actor.key_id == key_id)

    def clear(self) -> None:
        """Look every key up anew."""
        self._cache.clear()

    async def _load(self, secret_hash: bytes) -> _KnownKey | None:
        with faults_as_unavailable():
            row = await select_active_key(self._database.system, secret_hash)
        if row is None:
            return None
        actor = Actor(
            organisation_id=row.organisation_id,
            application_id=row.application_id,
            key_id=row.id,
            scopes=frozenset(row.scopes),
            environment=Environment(row.environment),
            tier=row.tier,
        )
        return _KnownKey(actor, _milliseconds(row.expires_at) if row.expires_at else None)


def _is_token(text: str) -> bool:
    """Whether a text can be a token at all; anything else costs no lookup."""
    return text.startswith(_PREFIXES) and _SHORTEST_TOKEN <= len(text) <= _LONGEST_TOKEN


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
