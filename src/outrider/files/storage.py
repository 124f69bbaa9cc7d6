"""The content of files on disk, each under its SHA-256: the same content is there once.

It promises that what `put` has returned from survives a kill and a power cut, and that whoever reads sees a whole
content or none: written beside its place, flushed, renamed, and the folder flushed.
"""

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final

from outrider.core.disk import least_free_bytes, measure

_CHUNK: Final = 256 * 1024
_DRAFT: Final = ".draft-"
_DOOMED: Final = ".doomed-"


@dataclass(frozen=True, slots=True)
class Content:
    """What was stored."""

    sha256: bytes
    size: int


class ContentStorage:
    """One folder of contents; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has_room(self) -> bool:
        """Whether there is room for new contents."""
        try:
            space = measure(self.folder)
        except OSError:
            return False
        return space.free >= least_free_bytes(space)

    async def put(self, content: bytes) -> Content:
        """Store a content durably; raises `OSError` where the disk does not take it."""
        return await asyncio.to_thread(self.put_now, content)

    async def read(self, sha256: bytes) -> bytes:
        """The whole content; raises `FileNotFoundError` if it is not there."""
        return await asyncio.to_thread(self.path_of(sha256).read_bytes)

    async def chunks(self, file: BinaryIO) -> AsyncGenerator[bytes]:
        """An opened content piece by piece."""
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk

    async def opened(self, sha256: bytes) -> BinaryIO:
        """Open a content for reading; raises `FileNotFoundError` if it is not there."""
        return await asyncio.to_thread(self.path_of(sha256).open, "rb")

    def path_of(self, sha256: bytes) -> Path:
        """Where a content lies: two levels of folders keep each of them short."""
        name = sha256.hex()
        return self.folder / name[:2] / name[2:4] / name

    def put_now(self, content: bytes) -> Content:
        """Store a content durably; blocks."""
        sha256 = hashlib.sha256(content).digest()
        path = self.path_of(sha256)
        self._make_folders(path.parent)
        if not self._is_there(path, len(content)):
            _write(path, content)
        # also of one that was there: who wrote it may not have come to this yet
        _sync(path.parent)
        return Content(sha256, len(content))

    def digest_now(self, sha256: bytes) -> bytes | None:
        """What a content's digest really is, None if it is not there; blocks."""
        try:
            with self.path_of(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return None

    def aged_now(self, seconds: float, share: str) -> Iterator[bytes]:
        """The contents that nobody has stored for so long, of those whose name begins with the digit `share`.

        Drafts that old are removed on the way. Blocks.
        """
        before = time.time() - seconds
        for path in self.folder.glob(f"{share}[0-9a-f]/[0-9a-f][0-9a-f]/*"):
            with contextlib.suppress(FileNotFoundError, ValueError):
                if path.stat().st_mtime >= before:
                    continue
                if path.name.startswith((_DRAFT, _DOOMED)):
                    path.unlink()
                else:
                    yield bytes.fromhex(path.name)

    def remove_now(self, contents: Collection[bytes], seconds: float) -> int:
        """Remove contents, unless somebody has stored them again in the last so many seconds; blocks."""
        return sum(self._remove(self.path_of(sha256), time.time() - seconds) for sha256 in contents)

    @staticmethod
    def _remove(path: Path, before: float) -> bool:
        # Out of the way first: who stores it from now on writes it anew, who did so just now is seen below.
        doomed = path.with_name(f"{_DOOMED}{path.name}")
        try:
            path.rename(doomed)
            if doomed.stat().st_mtime >= before:
                doomed.rename(path)
                return False
            doomed.unlink()
        except FileNotFoundError:
            return False
        return True

    @staticmethod
    def _is_there(path: Path, size: int) -> bool:
        """Whether the content is there; it is younger from now on, which keeps it from being removed."""
        try:
            os.utime(path)
            return path.stat().st_size == size
        except FileNotFoundError:
            return False

    def _make_folders(self, folder: Path) -> None:
        missing = [one for one in (self.folder, folder.parent, folder) if not one.is_dir()]
        for one in missing:
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(one.parent)


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{_DRAFT}{token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
