"""Where log lines go: straight to a file descriptor, or through a bounded queue and a thread of its own.

With the thread nobody who logs ever waits, not even for a pipe that is not read: lines that find the queue full
are dropped, and their number is reported once there is room again.
"""

import contextlib
import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

Write = Callable[[bytes], None]

_GATHER_SECONDS: Final = 0.02
_CHUNK_BYTES: Final = 64 * 1024
_ATOMIC_PIPE_BYTES: Final = select.PIPE_BUF


def write_all(fd: int, data: bytes) -> None:
    """Write everything, waiting if the descriptor is one that does not block."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


class QueuedOutput:
    """Takes lines from any thread and writes them from its own.

    `report_dropped` makes the line that says how many were lost.
    """

    def __init__(
        self,
        fd: int,
        report_dropped: Callable[[int], bytes],
        *,
        max_lines: int = 20_000,
        max_bytes: int = 16_000_000,
    ) -> None:
        self._fd = fd
        # Several processes may share one pipe: pieces of this size are never torn apart by each other's.
        self._chunk = _ATOMIC_PIPE_BYTES if stat.S_ISFIFO(os.fstat(fd).st_mode) else _CHUNK_BYTES
        self._report_dropped = report_dropped
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._lines: deque[bytes] = deque()
        # Each of these is only ever changed by one side, so none needs a lock.
        self._taken_bytes = self._written_bytes = 0
        self._dropped = self._reported = 0
        self._is_awake = False
        self._is_closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outrider-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were lost because nobody read the output."""
        return self._dropped

    def write(self, line: bytes) -> None:
        """Take a line; never waits."""
        if len(self._lines) >= self._max_lines or self._taken_bytes - self._written_bytes >= self._max_bytes:
            self._dropped += 1
            return
        self._taken_bytes += len(line)
        self._lines.append(line)
        if not self._is_awake:
            self._is_awake = True
            self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Write what is left, but wait for a reader no longer than the timeout."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        # A reader that is gone does not come back: from then on lines are only counted.
        with contextlib.suppress(OSError):
            while self._lines or not self._is_closing:
                self._wake.wait()
                if not self._is_closing:
                    # A line brings others: one wake-up of this thread serves all of a burst.
                    time.sleep(_GATHER_SECONDS)
                self._wake.clear()
                self._is_awake = False
                self._drain()
        self._max_lines = 0

    def _drain(self) -> None:
        while self._lines:
            piece = [self._lines.popleft()]
            size = len(piece[0])
            while self._lines and size + len(self._lines[0]) <= self._chunk:
                piece.append(self._lines.popleft())
                size += len(piece[-1])
            write_all(self._fd, b"".join(piece))
            self._written_bytes += size
        missing = self._dropped - self._reported
        if missing:
            self._reported += missing
            write_all(self._fd, self._report_dropped(missing))
