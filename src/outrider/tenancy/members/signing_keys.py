"""The keys that access tokens are signed with: random, sealed in the database, the same for all processes.

Each signs for a month and is good for a little longer, so that what it signed last can still be read. The first
process that finds none makes the next.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.ids import IdClock
from outrider.core.sealing import SealBroken, Sealer
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.members import cross_tenant

SIGNS_FOR: Final = timedelta(days=30)
GOOD_FOR: Final = timedelta(days=31)
_BYTES: Final = 32
# They belong to the installation, to no tenant.
_NO_TENANT: Final = UUID(int=0)
_NEWEST: Final = "newest"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, opened."""

    id: UUID
    created_at: datetime
    secret: bytes = field(repr=False)


class SigningKeys:
    """Finds keys by their ids, and the one to sign with."""

    def __init__(self, pool: Pool, sealer: Sealer, ids: IdClock) -> None:
        self._pool = pool
        self._sealer = sealer
        self._ids = ids
        self._known: LookupCache[UUID, SigningKey] = LookupCache(self._load)
        self._newest: LookupCache[str, SigningKey] = LookupCache(self._newest_or_new)

    async def find(self, key_id: UUID) -> SigningKey | None:
        """Find a key that is still good."""
        key = await self._known.get(key_id)
        return key if key is not None and self._ids.now() < key.created_at + GOOD_FOR else None

    async def current(self) -> SigningKey:
        """Give the key to sign with."""
        key = await self._newest.get(_NEWEST)
        if key is None or self._ids.now() >= key.created_at + SIGNS_FOR:
            self._newest.clear()
            key = await self._newest.get(_NEWEST)
        assert key is not None, "there is always one, if need be a new one"
        return key

    async def _load(self, key_id: UUID) -> SigningKey | None:
        with faults_as_unavailable():
            row = await cross_tenant.select_signing_key(self._pool, key_id)
        return self._opened(row) if row else None

    async def _newest_or_new(self, _: str) -> SigningKey:
        key_id = self._ids.new()
        sealed = self._sealer.seal(secrets.token_bytes(_BYTES), tenant=_NO_TENANT, purpose=_purpose(key_id))
        with faults_as_unavailable():
            row = await cross_tenant.provide_signing_key(
                self._pool,
                cross_tenant.SigningKeyRow(key_id, sealed, self._ids.now()),
                is_usable=self._is_usable,
            )
        key = self._opened(row)
        assert key is not None, "one that cannot be opened is not usable"
        return key

    def _is_usable(self, row: cross_tenant.SigningKeyRow) -> bool:
        return self._ids.now() < row.created_at + SIGNS_FOR and self._opened(row) is not None

    def _opened(self, row: cross_tenant.SigningKeyRow) -> SigningKey | None:
        try:
            secret = self._sealer.unseal(row.sealed_key, tenant=_NO_TENANT, purpose=_purpose(row.id))
        except SealBroken as broken:
            log.error("signing_key.unreadable", outcome="failed", key_id=row.id, reason=str(broken))
            return None
        return SigningKey(row.id, row.created_at, secret)


def _purpose(key_id: UUID) -> str:
    return f"signing key {key_id}"
