"""Ids that every writer of the same identity arrives at without asking: HMACs under the organisation's key.

Concurrent creators of one platform user need not read back; the unique key on (application, connection,
external id) holds whatever the id.
"""

from functools import lru_cache
from uuid import UUID

from outrider.core.ids import derived_id

# People write more than once; an HMAC costs more than looking up.
_REMEMBERED = 16_384


@lru_cache(maxsize=_REMEMBERED)
def platform_user_id(identity_key: bytes, connection_id: UUID, external_id: str) -> UUID:
    """Name the platform user that this connection knows by this external id."""
    return derived_id(identity_key, "platform_user", connection_id, external_id)


@lru_cache(maxsize=_REMEMBERED)
def user_id(identity_key: bytes, connection_id: UUID, external_id: str) -> UUID:
    """Name the user that is created together with that platform user."""
    return derived_id(identity_key, "user", connection_id, external_id)
