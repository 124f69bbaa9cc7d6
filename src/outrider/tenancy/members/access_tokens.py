"""Access tokens: signed statements of who somebody is, good for a quarter of an hour at most.

A token names its session, which is looked up at every use: what it says of the role is for the client only.
PyJWT loads every algorithm that there is, 8 MB of them: the first who needs it has it loaded, beside the event loop.
"""

import asyncio
import importlib
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from outrider.core.ids import IdClock
from outrider.tenancy.members.signing_keys import SigningKeys

LIFETIME: Final = timedelta(minutes=15)
ISSUER: Final = "outrider"
AUDIENCE: Final = "outrider"
_ALGORITHM: Final = "HS256"
_LONGEST: Final = 2_048
_PARTS: Final = 3
# a header is a JSON object, and so begins with these letters in base64
_BEGINNING: Final = "eyJ"
_REQUIRED: Final = ["iss", "aud", "sub", "org", "sid", "exp", "iat", "jti"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    organisation_id: UUID
    member_id: UUID
    session_id: UUID


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A new token, and until when it is good."""

    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at!r})"


def looks_like_token(text: str) -> bool:
    """Whether a text can be an access token at all."""
    return text.startswith(_BEGINNING) and len(text) <= _LONGEST and text.count(".") == _PARTS - 1


async def issue_token(keys: SigningKeys, ids: IdClock, claims: Claims, role: str) -> AccessToken:
    """Sign a token."""
    await _load_library()
    import jwt  # noqa: PLC0415

    key = await keys.current()
    now = ids.now()
    expires_at = now + LIFETIME
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(claims.member_id),
        "org": str(claims.organisation_id),
        "sid": str(claims.session_id),
        "role": role,
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": str(ids.new()),
    }
    token = jwt.encode(payload, key.secret, algorithm=_ALGORITHM, headers={"kid": str(key.id)})
    return AccessToken(token, expires_at)


async def read_token(keys: SigningKeys, ids: IdClock, token: str) -> Claims | None:
    """Read a token; None if it is not valid, or not any more."""
    await _load_library()
    import jwt  # noqa: PLC0415

    try:
        key_id = UUID(jwt.get_unverified_header(token)["kid"])
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, AttributeError):
        return None
    key = await keys.find(key_id)
    if key is None:
        return None
    try:
        said: dict[str, Any] = jwt.decode(
            token,
            key.secret,
            algorithms=[_ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # times go by the database's clock
            options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        if said["exp"] <= ids.now().timestamp():
            return None
        return Claims(UUID(said["org"]), UUID(said["sub"]), UUID(said["sid"]))
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        return None


async def _load_library() -> None:
    if "jwt" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "jwt")
