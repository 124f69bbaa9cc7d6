"""Which messages belong together: a conversation is a connection and whom it speaks with."""

from functools import lru_cache
from hashlib import blake2b
from uuid import UUID


@lru_cache(maxsize=16_384)
def conversation_key(connection_id: UUID, external_id: str) -> int:
    """The ordering key of a conversation: 64 bits, signed, equal in every process."""
    digest = blake2b(external_id.encode("utf-8", "replace"), digest_size=8, key=connection_id.bytes)
    return int.from_bytes(digest.digest(), "big", signed=True)
