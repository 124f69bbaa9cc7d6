"""How Mailgun signs its webhooks: HMAC-SHA256 over a time and a token, which do not cover the body.

Whoever has seen one webhook could therefore put its signature under another. So a signature counts for a day only,
which is longer than Mailgun tries, and a process refuses a token that it has seen with another body.
"""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from outrider.platforms.base import InboundRequest
from outrider.platforms.vendor_forms import read_form
from outrider.platforms.vendor_json import as_id, as_object, read

_OLDEST_SECONDS: Final = 24 * 3600.0
_MOST_AHEAD_SECONDS: Final = 15 * 60.0
_MOST_TOKENS: Final = 10_000
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Signed:
    """What a webhook says of who made it."""

    timestamp: str
    token: str
    signature: str


@dataclass(frozen=True, slots=True)
class SeenTokens:
    """The newest tokens with the digest of the body that each came with."""

    _bodies: OrderedDict[str, bytes] = field(default_factory=OrderedDict[str, bytes], repr=False)

    def is_other_body(self, token: str, body: bytes) -> bool:
        """Whether the token came with another body before; else it is remembered with this one."""
        digest = hashlib.sha256(body).digest()
        known = self._bodies.setdefault(token, digest)
        if len(self._bodies) > _MOST_TOKENS:
            self._bodies.popitem(last=False)
        return known != digest


def is_authentic(request: InboundRequest, key: object, now: float) -> bool:
    """Whether the signature was made with the key, not long ago."""
    signed = signed_in(request)
    if signed is None or not isinstance(key, str) or not key:
        return False
    expected = signature_of(key, signed.timestamp, signed.token)
    if not hmac.compare_digest(signed.signature.encode(errors="replace"), expected.encode()):
        return False
    try:
        age = now - float(signed.timestamp)
    except ValueError:
        return False
    return -_MOST_AHEAD_SECONDS <= age <= _OLDEST_SECONDS


def signature_of(key: str, timestamp: str, token: str) -> str:
    """The signature that Mailgun makes."""
    message = f"{timestamp}{token}".encode("utf-8", "replace")
    return hmac.new(key.encode("utf-8", "replace"), message, hashlib.sha256).hexdigest()


def signed_in(request: InboundRequest) -> Signed | None:
    """The signature of a webhook: a member of a JSON body, or fields of a form."""
    if is_json(request):
        try:
            found = as_object(as_object(read(request.body)).get("signature"))
        except ValueError:
            return None
        given = [as_id(found.get(name)) for name in ("timestamp", "token", "signature")]
    else:
        form = read_form(request.headers, request.body)
        given = [form.text(name) for name in ("timestamp", "token", "signature")]
    timestamp, token, signature = given
    if not timestamp or not token or not signature or len(token) > _LONGEST:
        return None
    return Signed(timestamp, token, signature)


def is_json(request: InboundRequest) -> bool:
    """Whether it is an event; mail that comes in is a form."""
    return request.headers.get("content-type", "").lower().startswith("application/json")
