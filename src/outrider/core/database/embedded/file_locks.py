"""Locks on files, shared by processes. The kernel releases them when their holder dies, however it dies."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

_RETRY_SECONDS = 0.01


class FileLock:
    """One lock on one file; everybody who opens the file competes, other tasks of this process included.

    A child that inherits the descriptor holds the lock too, until it and all who have it from it are gone.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(path, flags, 0o600)
        if os.geteuid() == 0:
            # Else a file that root made in a user's folder would lock that user out.
            folder = path.parent.stat()
            os.fchown(self.descriptor, folder.st_uid, folder.st_gid)

    def take(self, *, shared: bool) -> bool:
        """Take the lock if it is free; taking it again the other way changes its kind, or loses it."""
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go of the lock, unless a child has inherited it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@asynccontextmanager
async def exclusively(path: Path) -> AsyncGenerator[None]:
    """Wait for a lock and hold it."""
    lock = FileLock(path)
    try:
        while not lock.take(shared=False):  # noqa: ASYNC110  no event tells what other processes do
            await asyncio.sleep(_RETRY_SECONDS)
        yield
    finally:
        lock.close()
