"""Cursors of lists whose order is that of ids: a mark of the list, and the id of an entry."""

import base64
import binascii
from uuid import UUID

from outrider.core.errors import ValidationError


def cursor_of(mark: bytes, entry_id: UUID) -> str:
    """The cursor of an entry of the list that two bytes mark."""
    return base64.urlsafe_b64encode(mark + entry_id.bytes).decode()


def read_cursor(mark: bytes, text: str | None) -> UUID | None:
    """The entry that a cursor of this list names, or a refusal; None for none."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != len(mark) + 16 or not raw.startswith(mark):
        raise ValidationError("after is not a cursor of this list.", path="after")
    return UUID(bytes=raw[len(mark) :])
