"""Who submits: the headers `Outkit-Access-*`, and what a key asks for beside itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from outrider.core.asgi import Scope, header
from outrider.core.client_addresses import Networks, is_https
from outrider.core.errors import AppError, ErrorKind, Unauthorized
from outrider.core.hashing import hash_secret, secrets_equal
from outrider.surfaces.outkit_rest.signing import is_signed, is_timely, target_of
from outrider.tenancy.message_keys import KnownMessageKey, MessageSender
from outrider.tenancy.rate_limits import LimitState

_UNKNOWN: Final = "The key, the passphrase, the secret or the signature is not valid."


class HttpsRequired(AppError):
    """These credentials are only taken over https."""

    kind = ErrorKind.FORBIDDEN
    code = "HTTPS_REQUIRED"


@dataclass(frozen=True, slots=True)
class Door:
    """A key that was presented with its passphrase; whether it may come in, its signature or secret says."""

    known: KnownMessageKey
    timestamp: bytes | None
    signature: bytes | None
    secret: bytes | None


@dataclass(frozen=True, slots=True)
class SubmitterAccess:
    """The door that every request with these credentials passes. `now` is the database's time."""

    find_key: Callable[[str], Awaitable[KnownMessageKey | None]]
    count: Callable[[MessageSender], Awaitable[LimitState]]
    now: Callable[[], datetime]
    trusted_proxies: Networks
    is_loopback: bool

    async def recognise(self, scope: Scope) -> Door:
        """Find who sent a request, before its body is read; raises `Unauthorized`, or `HttpsRequired`."""
        if not self.is_loopback and not is_https(scope, self.trusted_proxies):
            raise HttpsRequired
        key, passphrase = _access(scope, b"key"), _access(scope, b"passphrase")
        if not key or not passphrase:
            raise Unauthorized("Outkit-Access-Key and Outkit-Access-Passphrase are required.")
        known = await self.find_key(key.decode("latin-1"))
        expected = known.passphrase_hash if known is not None else bytes(32)
        is_right = secrets_equal(hash_secret(passphrase.decode("latin-1")), expected)
        if known is None or not is_right:
            raise Unauthorized(_UNKNOWN)
        return Door(
            known, _access(scope, b"timestamp"), _access(scope, b"signature"), _access(scope, b"secret")
        )

    def verify(self, door: Door, scope: Scope, signed_body: bytes) -> bool:
        """Check the signature, or the secret; tells whether the request was signed. Raises `Unauthorized`."""
        if door.signature is not None and self._is_signed(door, scope, signed_body):
            return True
        known = door.known
        if known.is_signing_required:
            raise Unauthorized(
                "This key requires signed requests: send Outkit-Access-Timestamp and Outkit-Access-Signature."
                if door.signature is None
                else "The signature is not valid, or its timestamp is more than 5 minutes away from now."
            )
        if known.is_secret_waived or (door.signature is None and _is_secret(known, door.secret)):
            return False
        raise Unauthorized(_UNKNOWN)

    def _is_signed(self, door: Door, scope: Scope, body: bytes) -> bool:
        secret = door.known.secret
        if door.signature is None or door.timestamp is None or secret is None:
            return False
        return is_timely(door.timestamp, self.now().timestamp()) and is_signed(
            secret,
            door.signature,
            timestamp=door.timestamp,
            method=scope["method"],
            target=target_of(scope),
            body=body,
        )


def _is_secret(known: KnownMessageKey, secret: bytes | None) -> bool:
    return known.secret is not None and secret is not None and secrets_equal(secret, known.secret)


def _access(scope: Scope, name: bytes) -> bytes | None:
    return header(scope, b"outkit-access-" + name)
