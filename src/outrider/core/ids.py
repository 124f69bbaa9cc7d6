"""Ids: UUIDv7 for things that happen, UUIDv8 for things that several writers must name alike.

Ids of one `IdClock` never go backwards. They are the driver's own UUID type, a subclass of `uuid.UUID` that
is equal to it, eight times faster to print, and what every row read from the database holds anyway.
"""

import hmac
import os
import struct
import time
import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from asyncpg.pgproto.pgproto import UUID

from outrider.core.errors import ValidationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BATCH = 512
_RANDOM_WORDS = struct.Struct(f">{_RANDOM_BATCH}Q")
_RANDOM_MASK = (1 << 62) - 1
_VERSION_7 = 0x7
_TAIL = struct.Struct(">QQ")
_UUID_LENGTH = 36
_HYPHENS = (8, 13, 18, 23)


class IdClock:
    """Makes ids from the database's clock: this machine's clock plus the offset that was measured.

    48 bits of milliseconds, a 12-bit counter, 62 random bits. With more than 4,096 ids in a millisecond, or a
    clock that is set back, ids run ahead of the clock instead of backwards. It takes no lock: one event loop
    may use it.
    """

    __slots__ = ("_last", "_offset_ms", "_random")

    def __init__(self, offset_ms: int = 0) -> None:
        self._offset_ms = offset_ms
        self._last = 0
        self._random: list[int] = []
        # A forked child must not hand out the same random bits as its parent.
        os.register_at_fork(after_in_child=self._random.clear)

    def set_offset(self, ms: int) -> None:
        """Set how many milliseconds the database's clock is ahead of this machine's."""
        self._offset_ms = ms

    def now_ms(self) -> int:
        """Tell the database's time in milliseconds since 1970."""
        return time.time_ns() // 1_000_000 + self._offset_ms

    def now(self) -> datetime:
        """Tell the database's time, for what is due or expires."""
        return datetime.now(UTC) + self._offset_ms * _MILLISECOND

    def new(self) -> uuid.UUID:
        """Make the next id."""
        tick = (time.time_ns() // 1_000_000 + self._offset_ms) << 12
        if tick <= self._last:
            tick = self._last + 1
        self._last = tick
        pool = self._random
        if not pool:
            pool.extend(_RANDOM_WORDS.unpack(os.urandom(8 * _RANDOM_BATCH)))
        # tick is (milliseconds << 12 | counter); the version goes between the two.
        high = (tick >> 12) << 16 | 0x7000 | (tick & 0xFFF)
        return UUID(_TAIL.pack(high, 1 << 63 | pool.pop() & _RANDOM_MASK))


def time_of(made: uuid.UUID, /) -> datetime:
    """Tell when a UUIDv7 was made, in UTC, to the millisecond."""
    value = made.int
    if (value >> 76) & 0xF != _VERSION_7:
        raise ValueError(f"{made} holds no time: it is not a UUIDv7")
    return _EPOCH + (value >> 80) * _MILLISECOND


def first_id_at(moment: datetime) -> uuid.UUID:
    """Give the lowest id made at or after a moment: `id >= first_id_at(t)` says `created_at >= t`.

    A moment between two milliseconds counts as the later one, since ids know milliseconds only.
    """
    return _lowest_id(-((_EPOCH - moment) // _MILLISECOND))


def first_id_after(moment: datetime) -> uuid.UUID:
    """Give the lowest id made after a moment: `id >= first_id_after(t)` says `created_at > t`."""
    return _lowest_id((moment - _EPOCH) // _MILLISECOND + 1)


def _lowest_id(milliseconds: int) -> uuid.UUID:
    return UUID(_TAIL.pack(max(milliseconds, 0) << 16 | 0x7000, 1 << 63))


def parse_id(text: str, *, prefixes: Collection[str] = ()) -> uuid.UUID:
    """Read an id as callers write it: a plain UUID, or one behind a typed prefix such as `pc_`.

    Any lower-case prefix passes unless `prefixes` names the ones allowed.
    """
    bare = text
    if len(text) != _UUID_LENGTH:
        prefix, separator, bare = text.rpartition("_")
        if not separator or not _is_prefix(prefix) or (prefixes and prefix not in prefixes):
            raise _malformed(text)
    if len(bare) != _UUID_LENGTH or any(bare[at] != "-" for at in _HYPHENS):
        raise _malformed(text)
    try:
        return UUID(bare)
    except ValueError:
        raise _malformed(text) from None


def _is_prefix(text: str) -> bool:
    return text.isascii() and text.isalpha() and text.islower()


def _malformed(text: str) -> ValidationError:
    shown = text if len(text) <= 2 * _UUID_LENGTH else text[: 2 * _UUID_LENGTH] + "…"
    return ValidationError(f"{shown!r} is not an id: a UUID such as {UUID(bytes(16))} is expected")


def derived_id(key: bytes, *parts: bytes | str | uuid.UUID) -> uuid.UUID:
    """Name a thing by what it is: every caller with the same key and parts gets the same UUIDv8."""
    message = bytearray()
    for part in parts:
        if isinstance(part, str):
            part_bytes = part.encode("utf-8", "surrogatepass")
        else:
            part_bytes = part if isinstance(part, bytes) else part.bytes
        # With the length in front, ("ab", "c") and ("a", "bc") are different names.
        message += len(part_bytes).to_bytes(8, "big")
        message += part_bytes
    digest = bytearray(hmac.digest(key, bytes(message), "sha256")[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes(digest))
