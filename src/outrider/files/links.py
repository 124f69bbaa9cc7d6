"""Links under which anybody who holds one gets a file, for seven days.

A link names application, file and the moment of its end, and carries an HMAC-SHA256 over them. The key derives from
the master key; links that were signed with an earlier one count as long as that key is there.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from outrider.core.errors import ValidationError
from outrider.core.ids import IdClock, parse_id

LINK_SECONDS: Final = 7 * 24 * 3600
PURPOSE: Final = "file links"
_MINUTE: Final = 60
_LONGEST_QUERY: Final = 300


class BadLink(Enum):
    """Why a link leads nowhere."""

    FORGED = auto()
    EXPIRED = auto()


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """The file that a good link leads to."""

    application_id: UUID
    file_id: UUID


@dataclass(frozen=True, slots=True)
class FileLinks:
    """Signs links and reads them; `keys` are the current one and its predecessors."""

    public_url: str
    keys: Sequence[bytes] = field(repr=False)
    ids: IdClock

    def url(self, application_id: UUID, file_id: UUID) -> str:
        """A link to a file. Those made within the same minute are equal, so that an answer can be cached."""
        now = self.ids.now_ms() // 1000
        expires = (now + LINK_SECONDS) // _MINUTE * _MINUTE
        signature = _signature(self.keys[0], application_id, file_id, expires)
        return (
            f"{self.public_url}/files/{file_id}?application={application_id}&expires={expires}"
            f"&signature={signature}"
        )

    def read(self, file_id: str, query: str) -> LinkTarget | BadLink:
        """Which file a link leads to; whatever is wrong with it but its age is a forgery."""
        if len(query) > _LONGEST_QUERY:
            return BadLink.FORGED
        given = dict(parse_qsl(query))
        try:
            target = LinkTarget(parse_id(given.get("application", "")), parse_id(file_id))
        except ValidationError:
            return BadLink.FORGED
        expires, signature = given.get("expires", ""), given.get("signature", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
            return BadLink.FORGED
        good = [
            hmac.compare_digest(
                _signature(key, target.application_id, target.file_id, int(expires)).encode(),
                signature.encode(errors="replace"),
            )
            for key in self.keys
        ]
        if not any(good):
            return BadLink.FORGED
        return target if int(expires) > self.ids.now_ms() // 1000 else BadLink.EXPIRED


def _signature(key: bytes, application_id: UUID, file_id: UUID, expires: int) -> str:
    signed = f"{application_id}\n{file_id}\n{expires}".encode()
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
