"""Cursors: opaque to callers, and checked to the last bit when they come back.

A cursor is base64 of what a list is ordered by, behind a mark of the list that it belongs to; it needs no
secret, since it only says where to go on within what the caller may read anyway.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

from asyncpg.pgproto.pgproto import UUID

from outrider.core.errors import ValidationError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ID_BYTES: Final = 16
_TIME_BYTES: Final = 8
_MOST_MICROSECONDS: Final = 250_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class CursorKind:
    """The cursors of one list: by id, or by time and id. Marks make every cursor a multiple of three bytes."""

    mark: bytes
    has_time: bool = False

    @property
    def length(self) -> int:
        """How many characters each has."""
        return (len(self.mark) + _ID_BYTES + (_TIME_BYTES if self.has_time else 0)) // 3 * 4

    def expression(self, row: str) -> str:
        """Give the cursor of a row in SQL."""
        time = (
            f"int8send((extract(epoch from {row}.created_at) * 1000000)::bigint) || " if self.has_time else ""
        )
        return _shown(f"'\\x{self.mark.hex()}'::bytea || {time}uuid_send({row}.id)")

    def read_id(self, value: object, name: str = "after") -> UUID:
        """Give the id at which a cursor stands, or raise `ValidationError` for the argument of this name."""
        return UUID(self._parse(value, name)[-_ID_BYTES:])

    def read_time(self, value: object, name: str = "after") -> datetime:
        """Give the time at which a cursor stands, or raise `ValidationError`."""
        microseconds = int.from_bytes(self._parse(value, name)[len(self.mark) : -_ID_BYTES], signed=True)
        if not 0 <= microseconds <= _MOST_MICROSECONDS:
            raise _bad_cursor(name)
        return _EPOCH + timedelta(microseconds=microseconds)

    def _parse(self, value: object, name: str) -> bytes:
        raw = _decoded(cast("str", value), self.length, self.mark)
        if raw is None:
            raise _bad_cursor(name)
        return raw


class FeedCursorKind:
    """The cursors of the live feed: places in the order of commit, which ids do not tell."""

    mark: Final = b"F"
    length: Final = 12

    def expression(self, row: str) -> str:
        """Give the cursor of an event's row in SQL."""
        return _shown(f"'\\x{self.mark.hex()}'::bytea || int8send({row}.position)")

    def write(self, position: int) -> str:
        """Give the cursor of a place."""
        return base64.urlsafe_b64encode(self.mark + position.to_bytes(8)).decode()

    def read_position(self, text: str) -> int | None:
        """Give the place at which a cursor stands; None if it is none of the feed's."""
        raw = _decoded(text, self.length, self.mark)
        position = None if raw is None else int.from_bytes(raw[len(self.mark) :], signed=True)
        return None if position is None or position < 0 else position


EVENTS: Final = CursorKind(b"E1")
DELIVERIES: Final = CursorKind(b"D1")
USERS: Final = CursorKind(b"U1\0", has_time=True)
PLATFORM_USERS: Final = CursorKind(b"P1\0", has_time=True)
CONVERSATIONS: Final = CursorKind(b"C1")
LOGS: Final = CursorKind(b"L1")
FILES: Final = CursorKind(b"F1")
SUPPRESSIONS: Final = CursorKind(b"S1")
FEED: Final = FeedCursorKind()


def _shown(raw: str) -> str:
    return f"translate(encode({raw}, 'base64'), '+/', '-_')"


def _decoded(text: str, length: int, mark: bytes) -> bytes | None:
    if len(text) != length:
        return None
    try:
        raw = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    # padding would make it shorter
    return raw if raw.startswith(mark) and len(raw) == length // 4 * 3 else None


def _bad_cursor(name: str) -> ValidationError:
    return ValidationError(f"{name} is not a cursor of this list.", path=name)
