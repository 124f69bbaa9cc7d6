"""Signed requests: HMAC-SHA256 over timestamp, method, path and body, without anything between them, in base64.

The timestamp counts as it stands in its header, the path with its query, the body as its bytes came; of a form only
the text of its part `message` is signed.
"""

import base64
import hashlib
import hmac
import re
from typing import Final

from outrider.core.asgi import Scope
from outrider.core.hashing import secrets_equal

WINDOW_SECONDS: Final = 300
_TIMESTAMP: Final = re.compile(rb"[0-9]{1,12}(?:\.[0-9]{1,12})?")


def signature_of(secret: str, timestamp: bytes, method: str, target: bytes, body: bytes) -> str:
    """Give the signature that a request must carry."""
    signed = timestamp + method.upper().encode() + target + body
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


def is_timely(timestamp: bytes, now: float) -> bool:
    """Whether a timestamp lies within the window; decimals are allowed."""
    return _TIMESTAMP.fullmatch(timestamp) is not None and abs(float(timestamp) - now) <= WINDOW_SECONDS


def is_signed(
    secret: str, signature: bytes, *, timestamp: bytes, method: str, target: bytes, body: bytes
) -> bool:
    """Compare a signature with what it must be, in a time that says nothing of where they differ."""
    return secrets_equal(signature, signature_of(secret, timestamp, method, target, body))


def target_of(scope: Scope) -> bytes:
    """The path with its query, as they were sent."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
