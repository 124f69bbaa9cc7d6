"""Cursors of the lists that are read in pages: which list it is of, and the id of an entry."""

import base64
import binascii
from typing import Final
from uuid import UUID

from outrider.core.errors import ValidationError

AUDIT_LOG: Final = b"A1"
SUPPRESSIONS: Final = b"S1"


def written_cursor(kind: bytes, entry_id: UUID) -> str:
    """Give the cursor of an entry."""
    return base64.urlsafe_b64encode(kind + entry_id.bytes).decode()


def read_cursor(kind: bytes, text: str | None) -> UUID | None:
    """Give the id that a cursor holds; raises `ValidationError` for one of another list."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    is_canonical = len(text) == (len(kind) + 16) // 3 * 4
    if not is_canonical or not raw.startswith(kind) or len(raw) != len(kind) + 16:
        raise ValidationError("after is not a cursor of this list.", path="after")
    return UUID(bytes=raw[len(kind) :])
