"""Where an entry stands in its list: its id, behind two bytes that tell the lists apart."""

import base64
import binascii
from typing import Final
from uuid import UUID

from outrider.core.errors import ValidationError

_LENGTH: Final = (2 + 16) // 3 * 4


def written_cursor(kind: bytes, entry_id: UUID) -> str:
    """The cursor of an entry of the lists of a kind, which is two bytes."""
    return base64.urlsafe_b64encode(kind + entry_id.bytes).decode()


def read_cursor(kind: bytes, text: str) -> UUID:
    """The entry that a cursor names; raises `ValidationError` for any other text, other lists' cursors too."""
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(text) != _LENGTH or not raw.startswith(kind) or len(raw) != len(kind) + 16:
        raise ValidationError("after is not a cursor of this list.", path="after")
    return UUID(bytes=raw[len(kind) :])
