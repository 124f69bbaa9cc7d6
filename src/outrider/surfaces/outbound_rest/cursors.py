"""Cursors: base64url without padding of `{"id":"…","t":"…"}`, the entry behind which a list goes on and its time.

Lists are ordered by id, which begins with the time: `t` says nothing that `id` does not, and must agree with it.
"""

import base64
import binascii
from typing import Final
from uuid import UUID

import msgspec

from outrider.core.errors import ValidationError
from outrider.core.ids import time_of
from outrider.events.bodies import shown_time

_LONGEST: Final = 200


class _Place(msgspec.Struct, frozen=True):
    """Where a cursor stands."""

    id: UUID
    t: str


def write_cursor(entry_id: UUID) -> str:
    """Give the cursor of an entry."""
    raw = msgspec.json.encode(_Place(UUID(bytes=entry_id.bytes), shown_time(time_of(entry_id))))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_cursor(text: str) -> UUID:
    """Give the id at which a cursor stands, or raise `ValidationError`: it must be one that we have written."""
    try:
        if len(text) <= _LONGEST:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            entry_id = msgspec.json.decode(raw, type=_Place).id
            if write_cursor(entry_id) == text:
                return entry_id
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        pass
    raise ValidationError("cursor is not the nextCursor of a page.", path="cursor")
