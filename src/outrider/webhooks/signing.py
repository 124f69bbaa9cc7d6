"""Signatures of outgoing webhooks: Standard Webhooks on every delivery, and the one of its family.

Two secrets stand during a rotation, the new one first: Standard Webhooks carries a signature of each, the one
header of Outeract, or of Outbound, is signed with the new one.
"""

import base64
import binascii
import hmac
import secrets as random_secrets
from collections.abc import Mapping, Sequence
from typing import Final

from outrider.core.errors import ValidationError

SHORTEST_SECRET: Final = 32
LONGEST_SECRET: Final = 255
_STANDARD_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"
_SCHEME: Final = "sha256="


def new_secret() -> str:
    """Make a secret for a subscription that brings none."""
    return _STANDARD_PREFIX + base64.b64encode(random_secrets.token_bytes(32)).decode()


def checked_secret(text: str) -> str:
    """Give a caller's secret as it is, or refuse it; the message never repeats it."""
    if not SHORTEST_SECRET <= len(text) <= LONGEST_SECRET:
        raise ValidationError(
            f"secret must have {SHORTEST_SECRET} to {LONGEST_SECRET} characters.", path="secret"
        )
    try:
        _keys(text)
    except UnicodeEncodeError:
        raise ValidationError("secret must not hold lone surrogates.", path="secret") from None
    except binascii.Error:
        raise ValidationError(
            "secret begins with whsec_ but is not base64 after it.", path="secret"
        ) from None
    return text


def signature_headers(
    secrets: Sequence[str], delivery_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Sign one delivery with every secret that its receiver may hold, the newest first."""
    return {
        **_standard_headers(secrets, delivery_id, timestamp, body),
        "X-Outeract-Signature": _SCHEME + _timed_signature(secrets[0], b"%d.%b" % (timestamp, body)),
        "X-Outeract-Timestamp": str(timestamp),
    }


def outbound_headers(secrets: Sequence[str], delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Sign one delivery to an endpoint of the family outbound."""
    return {
        **_standard_headers(secrets, delivery_id, timestamp, body),
        "X-Outbound-Signature": _timed_signature(secrets[0], b"%d.%b" % (timestamp, body)),
        "X-Outbound-Timestamp": str(timestamp),
    }


def _standard_headers(
    secrets: Sequence[str], delivery_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    signed = b"%b.%d.%b" % (delivery_id.encode(), timestamp, body)
    standard = " ".join(_standard_signature(secret, signed) for secret in secrets)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard,
    }


def verify_standard(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of a delivery's Standard Webhooks signatures was made with this secret.

    Header names are lower-case. The age of the timestamp is the caller's to judge.
    """
    delivery_id, timestamp = _sent(headers, "webhook-id"), _sent(headers, "webhook-timestamp")
    expected = _standard_signature(secret, b"%b.%b.%b" % (delivery_id, timestamp, body)).encode()
    given = _sent(headers, "webhook-signature").split()
    return any(hmac.compare_digest(expected, one) for one in given)


def verify_outeract(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a delivery's `X-Outeract-Signature` was made with this secret. Header names are lower-case."""
    expected = _timed_signature(secret, b"%b.%b" % (_sent(headers, "x-outeract-timestamp"), body))
    return hmac.compare_digest((_SCHEME + expected).encode(), _sent(headers, "x-outeract-signature"))


def verify_outbound(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a delivery's `X-Outbound-Signature` was made with this secret. Header names are lower-case."""
    expected = _timed_signature(secret, b"%b.%b" % (_sent(headers, "x-outbound-timestamp"), body))
    return hmac.compare_digest(expected.encode(), _sent(headers, "x-outbound-signature"))


def _sent(headers: Mapping[str, str], name: str) -> bytes:
    """A header as it came over the wire: servers decode what is not UTF-8 to lone surrogates."""
    return headers.get(name, "").encode("utf-8", "surrogateescape")


def _standard_signature(secret: str, signed: bytes) -> str:
    digest = hmac.digest(_keys(secret)[0], signed, "sha256")
    return _VERSION + base64.b64encode(digest).decode()


def _timed_signature(secret: str, signed: bytes) -> str:
    return hmac.digest(_keys(secret)[1], signed, "sha256").hex()


def _keys(secret: str) -> tuple[bytes, bytes]:
    """The key of each kind: Standard Webhooks decodes a `whsec_` secret, the others take the text whole."""
    text = secret.encode()
    if not secret.startswith(_STANDARD_PREFIX):
        return text, text
    return base64.b64decode(text.removeprefix(_STANDARD_PREFIX.encode()), validate=True), text
