"""Message keys: an organisation's credentials for transactional messages, made, listed, revoked and recognised.

A key has three parts. The key itself names it and is no secret; the secret signs requests and is sealed, since an
HMAC needs it as it is; of the passphrase only the hash is kept. Nobody reads the last two again.
"""

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection, Database
from outrider.core.errors import NotFound, ValidationError
from outrider.core.hashing import hash_secret
from outrider.core.sealing import SealBroken, Sealer
from outrider.tenancy import queries_message_keys as queries
from outrider.tenancy.actors import Actor, ActorKind, Author, Environment, Scope
from outrider.tenancy.applications import missing_application
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.cross_tenant import select_message_key
from outrider.tenancy.naming import checked_name

KEY_CHARACTERS: Final = 48
SECRET_CHARACTERS: Final = 64
PASSPHRASE_CHARACTERS: Final = 30
_MOST_APPLICATIONS: Final = 100
_PASSPHRASE_ALPHABET: Final = string.ascii_lowercase + string.digits
_SCOPES: Final = frozenset({Scope.EVENTS_READ.value, Scope.EVENTS_WRITE.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessageKey:
    """A key to create.

    Without `application_ids` it reaches every application of its organisation. Where signing is not required the
    secret has to be sent instead, unless that is waived.
    """

    name: str
    application_ids: Sequence[UUID] | None = None
    is_signing_required: bool = True
    is_secret_waived: bool = False


@dataclass(frozen=True, slots=True)
class CreatedMessageKey:
    """A new key; its secret and its passphrase are told here and never again."""

    id: UUID
    key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKey:
    """A stored key; `application_ids` None: it reaches them all."""

    id: UUID
    name: str
    key: str
    application_ids: Sequence[UUID] | None
    is_signing_required: bool
    is_secret_waived: bool
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSender:
    """Who submits messages: a key of an organisation, with the applications that it reaches (None: all)."""

    organisation_id: UUID
    key_id: UUID
    application_ids: frozenset[UUID] | None
    tier: str

    @property
    def told_as(self) -> Mapping[str, object]:
        """The `by` of an event."""
        return {"type": "message_key", "id": str(self.key_id)}

    @property
    def counted_as(self) -> UUID:
        """What its requests are counted under."""
        return self.key_id

    def reaches(self, application_id: UUID) -> bool:
        """Whether it may submit messages of an application of its organisation."""
        return self.application_ids is None or application_id in self.application_ids

    def in_application(self, application_id: UUID) -> Actor:
        """Who it is in an application of its organisation that it reaches, which is the caller's to know."""
        return Actor(
            organisation_id=self.organisation_id,
            application_id=application_id,
            key_id=self.key_id,
            scopes=_SCOPES,
            environment=Environment.LIVE,
            tier=self.tier,
            kind=ActorKind.API_KEY,
        )


async def create_message_key(
    context: TenancyContext,
    organisation_id: UUID,
    new: NewMessageKey,
    *,
    is_replacing: bool = False,
    by: Author | None = None,
) -> CreatedMessageKey:
    """Create a key; `is_replacing` revokes the organisation's older keys of the same name."""
    created = CreatedMessageKey(
        context.ids.new(),
        secrets.token_urlsafe(KEY_CHARACTERS * 3 // 4),
        secrets.token_urlsafe(SECRET_CHARACTERS * 3 // 4),
        "".join(secrets.choice(_PASSPHRASE_ALPHABET) for _ in range(PASSPHRASE_CHARACTERS)),
    )
    insert = _insert(context, organisation_id, new, created)
    async with settings_transaction(context, organisation_id) as connection:
        replaced = await _revoke_namesakes(connection, organisation_id, insert.name) if is_replacing else []
        await queries.insert_message_key(connection, organisation_id, insert)
        await _limit(connection, organisation_id, created.id, new.application_ids)
        payload: dict[str, object] = {
            "message_key_id": created.id,
            "name": insert.name,
            "key": created.key,
            "application_ids": new.application_ids,
            "is_signing_required": new.is_signing_required,
            "is_secret_waived": new.is_secret_waived,
            "replaced": replaced,
        }
        await append_audit(context, connection, organisation_id, "system.message_key.created", payload, by=by)
    return created


async def list_message_keys(context: TenancyContext, organisation_id: UUID) -> list[MessageKey]:
    """List an organisation's message keys, revoked ones too, the oldest first."""
    async with settings_transaction(context, organisation_id) as connection:
        rows = await queries.select_message_keys(connection, organisation_id)
    return [
        MessageKey(
            id=row.id,
            name=row.name,
            key=row.key,
            application_ids=row.application_ids,
            is_signing_required=row.is_signing_required,
            is_secret_waived=row.is_secret_waived,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    ]


async def revoke_message_key(
    context: TenancyContext, organisation_id: UUID, key_id: UUID, *, by: Author | None = None
) -> None:
    """Refuse a key from now on, in every process."""
    async with settings_transaction(context, organisation_id) as connection:
        if not await queries.revoke_message_key(connection, organisation_id, key_id):
            raise NotFound("Message key not found.", resource_type="MessageKey", resource_id=str(key_id))
        await tell_change(connection, Changed.MESSAGE_KEY, key_id)
        payload = {"message_key_id": key_id}
        await append_audit(context, connection, organisation_id, "system.message_key.revoked", payload, by=by)


def _insert(
    context: TenancyContext, organisation_id: UUID, new: NewMessageKey, created: CreatedMessageKey
) -> queries.MessageKeyInsert:
    if new.is_signing_required and new.is_secret_waived:
        raise ValidationError(
            "The secret can only be waived for a key that need not sign.", path="secretWaived"
        )
    return queries.MessageKeyInsert(
        id=created.id,
        name=checked_name(new.name),
        key=created.key,
        sealed_secret=context.sealer.seal(
            created.secret.encode(), tenant=organisation_id, purpose=_purpose(created.id)
        ),
        passphrase_hash=hash_secret(created.passphrase),
        is_signing_required=new.is_signing_required,
        is_secret_waived=new.is_secret_waived,
    )


async def _limit(
    connection: Connection, organisation_id: UUID, key_id: UUID, application_ids: Sequence[UUID] | None
) -> None:
    if application_ids is None:
        return
    if not 1 <= len(application_ids) <= _MOST_APPLICATIONS:
        raise ValidationError(
            f"applicationIds must have 1 to {_MOST_APPLICATIONS} applications, or be left out for all.",
            path="applicationIds",
        )
    found = await queries.limit_message_key(connection, organisation_id, key_id, application_ids)
    for application_id in application_ids:
        if application_id not in found:
            raise missing_application(application_id)


async def _revoke_namesakes(connection: Connection, organisation_id: UUID, name: str) -> list[UUID]:
    revoked = await queries.revoke_message_keys_named(connection, organisation_id, name)
    for key_id in revoked:
        await tell_change(connection, Changed.MESSAGE_KEY, key_id)
    return revoked


def _purpose(key_id: UUID) -> str:
    return f"message key {key_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMessageKey:
    """A key that may be used. `secret` None: it cannot be opened, and nothing that it signs can be verified."""

    sender: MessageSender
    secret: str | None = field(repr=False)
    passphrase_hash: bytes = field(repr=False)
    is_signing_required: bool
    is_secret_waived: bool


class MessageKeyDirectory:
    """Finds message keys by their key; what is sent beside it is the caller's to compare."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._cache: LookupCache[str, KnownMessageKey] = LookupCache(self._load)

    async def get(self, key: str) -> KnownMessageKey | None:
        """Find a key that was not revoked; raises `Unavailable` while the database cannot be asked."""
        return await self._cache.get(key) if len(key) == KEY_CHARACTERS and key.isascii() else None

    def forget(self, key_id: UUID) -> None:
        """Look a key up anew when it is used next."""
        self._cache.forget(lambda known: known.sender.key_id == key_id)

    def clear(self) -> None:
        """Look every key up anew."""
        self._cache.clear()

    async def _load(self, key: str) -> KnownMessageKey | None:
        with faults_as_unavailable():
            row = await select_message_key(self._database.system, key)
        if row is None:
            return None
        sender = MessageSender(
            organisation_id=row.organisation_id,
            key_id=row.id,
            application_ids=None if row.application_ids is None else frozenset(row.application_ids),
            tier=row.tier,
        )
        return KnownMessageKey(
            sender=sender,
            secret=self._opened(row.organisation_id, row.id, row.sealed_secret),
            passphrase_hash=row.passphrase_hash,
            is_signing_required=row.is_signing_required,
            is_secret_waived=row.is_secret_waived,
        )

    def _opened(self, organisation_id: UUID, key_id: UUID, sealed: bytes) -> str | None:
        try:
            return self._sealer.unseal(sealed, tenant=organisation_id, purpose=_purpose(key_id)).decode()
        except SealBroken as broken:
            log.error("message_key.unreadable", outcome="failed", message_key_id=key_id, reason=str(broken))
            return None
