"""The webhook address of an account as it is given to its vendor with each message.

Of the address that the account's owner was told only a hash is kept. This one carries another secret, which derives
from the master key and the address's id, so that it can be made anew with each message; both lead to the same door.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from outrider.core.hashing import hash_secret

PURPOSE: Final = "webhook callbacks"


@dataclass(frozen=True, slots=True)
class CallbackAddresses:
    """Makes addresses and knows their secrets; `keys` are the current one and its predecessors."""

    public_url: str
    keys: Sequence[bytes] = field(repr=False)

    def url(self, webhook_id: UUID) -> str:
        """The address to give to a vendor."""
        return f"{self.public_url}/webhooks/{webhook_id}/{_secret(self.keys[0], webhook_id)}"

    def secret_hashes(self, webhook_id: UUID) -> tuple[bytes, ...]:
        """The hashes of the secrets that count for an address."""
        return tuple(hash_secret(_secret(key, webhook_id)) for key in self.keys)


def _secret(key: bytes, webhook_id: UUID) -> str:
    digest = hmac.new(key, webhook_id.bytes, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
