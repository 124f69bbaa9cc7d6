"""Watches the free space under the data directory, so that a full disk stops new facts and not the recovery.

Below the limit new facts are refused while receipts and completions go on. A reserve file is given back when
space is critically low, so that PostgreSQL can start and finish what it has, and is made again later.
"""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outrider.core import log

RESERVE_BYTES: Final = 64 * 1024 * 1024

_LEAST_FREE_BYTES: Final = 1_000_000_000
_LEAST_FREE_SHARE: Final = 0.05
_CRITICAL_BYTES: Final = 128 * 1024 * 1024
_CHECK_SECONDS: Final = 1.0
_RESERVE_FILE: Final = "reserve"


@dataclass(frozen=True, slots=True)
class Space:
    """The size of a file system and what of it this process may still fill."""

    free: int
    total: int


def measure(folder: Path) -> Space:
    """Ask the file system of a folder, or of the place where it would be made."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            found = os.statvfs(place)
            return Space(free=found.f_bavail * found.f_frsize, total=found.f_blocks * found.f_frsize)
    raise FileNotFoundError(folder)


def least_free_bytes(space: Space) -> int:
    """How much must be free for new facts to be taken."""
    return max(_LEAST_FREE_BYTES, int(space.total * _LEAST_FREE_SHARE))


class DiskWatch:
    """Answers from a measurement that is at most a second old."""

    def __init__(
        self,
        data_dir: Path,
        *,
        measure: Callable[[Path], Space] = measure,
        clock: Callable[[], float] = time.monotonic,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._data_dir = data_dir
        self._reserve = data_dir / _RESERVE_FILE
        self._reserve_bytes = reserve_bytes
        self._measure = measure
        self._clock = clock
        self._next_check = float("-inf")
        self._has_room = True
        self._can_reserve = True

    def may_accept_new_facts(self) -> bool:
        """Tell whether there is room for new facts; cheap enough to ask for each of them."""
        now = self._clock()
        if now >= self._next_check:
            self._next_check = now + _CHECK_SECONDS
            self._check()
        return self._has_room

    def prepare(self) -> None:
        """Before the database starts: free the reserve if it is needed now, else make sure that it is there."""
        self._next_check = self._clock() + _CHECK_SECONDS
        self._can_reserve = True
        self._check()

    def _check(self) -> None:
        try:
            space = self._measure(self._data_dir)
        except OSError as problem:
            log.error("disk.unreadable", detail=str(problem))
            self._has_room = False
            return
        least = least_free_bytes(space)
        has_room = space.free >= least
        if has_room != self._has_room:
            self._has_room = has_room
            tell = log.info if has_room else log.error
            tell("disk.changed", has_room=has_room, free_bytes=space.free, least_bytes=least)
        if space.free < _CRITICAL_BYTES:
            self._free_reserve()
        elif self._can_reserve and space.free >= least + self._reserve_bytes:
            self._make_reserve()

    def _free_reserve(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._reserve.unlink()
            log.error("disk.reserve_freed", bytes=self._reserve_bytes)

    def _make_reserve(self) -> None:
        if not self._data_dir.is_dir():
            return  # with a database elsewhere and a key in the environment nothing is kept here
        with contextlib.suppress(FileNotFoundError):
            if self._reserve.stat().st_size == self._reserve_bytes:
                return
        draft = self._reserve.with_suffix(".draft")
        try:
            with draft.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._reserve_bytes)
            draft.replace(self._reserve)
        except OSError as problem:
            draft.unlink(missing_ok=True)
            # Not every file system can; one attempt per start is enough.
            self._can_reserve = False
            log.warning("disk.reserve_failed", detail=str(problem))
