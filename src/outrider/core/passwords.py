"""Passwords: hashed with argon2id in a thread, few at a time, so that sign-ins cannot take the whole machine."""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from outrider.core.errors import Unavailable, ValidationError

SHORTEST: Final = 12
LONGEST: Final = 256
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 64
_KEPT_FREE: Final = 16
"""Places behind those, for who is expected: strangers, however many, do not take them."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a password turned out to be; `is_outdated`: its hash should be made anew."""

    is_right: bool
    is_outdated: bool = False


class Passwords:
    """Hashes and verifies; whoever comes while too many wait is refused."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str, *, is_expected: bool = False) -> str:
        """Hash a password."""
        async with self._turn(is_expected=is_expected):
            return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def verify(self, password: str, known: str | None, *, is_expected: bool = False) -> Verified:
        """Compare a password with a hash; where there is none it takes as long, and the password is wrong."""
        async with self._turn(is_expected=is_expected):
            return await asyncio.to_thread(self._verify, _bytes(password), known)

    @asynccontextmanager
    async def _turn(self, *, is_expected: bool) -> AsyncGenerator[None]:
        if self._waiting >= _MOST_WAITING + (_KEPT_FREE if is_expected else 0):
            raise Unavailable("Too many are signing in at once; try again.")
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1

    def _verify(self, password: bytes, known: str | None) -> Verified:
        if not self._nobodys:
            self._nobodys = self._hasher.hash(b"nobody's password")
        try:
            self._hasher.verify(known or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return Verified(is_right=False)
        if known is None:
            return Verified(is_right=False)
        return Verified(is_right=True, is_outdated=self._hasher.check_needs_rehash(known))


def checked_password(text: str, field: str = "password") -> str:
    """Give a new password as it is, or refuse it."""
    if not SHORTEST <= len(text) <= LONGEST:
        raise ValidationError(f"{field} must have {SHORTEST} to {LONGEST} characters.", path=field)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValidationError(f"{field} must not hold control characters or lone surrogates.", path=field)
    return text


def _bytes(password: str) -> bytes:
    # the same letters may come composed or not, as the keyboard has it
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
