"""The server's first process: found by its pid file, watched and signalled through a descriptor of the process.

A pid alone may have been given to another process in the meantime; a descriptor (pidfd) never is.
"""

import asyncio
import os
import select
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from outrider.core.database.embedded.accounts import Account
from outrider.core.database.embedded.binaries import Binaries
from outrider.core.database.embedded.clusters import child_environment
from outrider.core.database.embedded.file_locks import FileLock
from outrider.core.database.embedded.socket_folders import PORT

_STATUS_LINE = 7


class Postmaster:
    """A running server, ours by birth or by adoption."""

    def __init__(self, pid: int, startup_messages: IO[bytes] | None = None) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)
        self._startup_messages = startup_messages

    @classmethod
    def find(cls, cluster: Path) -> Self | None:
        """Find the running server of a cluster by its pid file."""
        pid = _recorded_pid(cluster)
        if pid is None or pid <= 0:
            return None
        try:
            found = cls(pid)
        except OSError:
            return None
        # Looked at after the descriptor was opened: what is seen here is the process that it stands for.
        if found.is_alive() and _works_in(pid, cluster):
            return found
        found.release()
        return None

    def is_alive(self) -> bool:
        """Tell whether the process still runs; a dead one is reaped if it was our child."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(0):
            return True
        _reap(self.pid)
        return False

    def is_ready_in(self, cluster: Path) -> bool:
        """Tell whether it says of itself that it accepts connections; asking sooner fills its log with refusals."""
        lines = _pid_file_lines(cluster)
        return lines[:1] == [str(self.pid)] and lines[_STATUS_LINE:] == ["ready"]

    async def exited(self) -> None:
        """Wait until the process has ended."""
        loop = asyncio.get_running_loop()
        descriptor = os.dup(
            self._descriptor
        )  # each waiter its own: a loop has one reader for each descriptor
        ended = asyncio.Event()
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
            _reap(self.pid)
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended does not mind."""
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return

    def last_words(self) -> str:
        """Give what the server said before its log was open."""
        if self._startup_messages is None:
            return ""
        self._startup_messages.seek(0)
        return self._startup_messages.read().decode(errors="replace").strip()

    def release(self) -> None:
        """Close the descriptors; the server runs on."""
        os.close(self._descriptor)
        if self._startup_messages is not None:
            self._startup_messages.close()


@dataclass(frozen=True)
class Launch:
    """Everything that a server is started with."""

    cluster: Path
    binaries: Binaries
    account: Account
    socket_folder: Path


def launch(plan: Launch, running: FileLock) -> Postmaster:
    """Start a server; it and its children hold `running` until the last of them has ended.

    It gets a session of its own, so that neither Ctrl-C in our terminal nor our death reaches it.
    """
    command: list[str | Path] = [plan.binaries.folder / "postgres", "-D", plan.cluster, "-p", str(PORT)]
    command += ["-c", "listen_addresses=", "-c", f"unix_socket_directories={plan.socket_folder}"]
    command += ["-c", "unix_socket_permissions=0700"]
    messages = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the postmaster's object
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=messages,
        stderr=messages,
        cwd="/",
        env=child_environment(),
        start_new_session=True,
        umask=0o077,
        pass_fds=(running.descriptor,),
        **plan.account.identity,
    )
    postmaster = Postmaster(child.pid, messages)
    child.returncode = 0  # `Postmaster` reaps it; Popen must not, nor warn that it still runs
    return postmaster


def end_orphans(cluster: Path) -> None:
    """End the children of a server that was killed.

    Most end by themselves; one that is busy does not notice, and until it ends no new server can start.
    """
    pid = _recorded_pid(cluster)
    if pid is not None and pid > 0:
        _reap(pid)
        for orphan in _processes_in(cluster):
            orphan.send(signal.SIGKILL)
            orphan.release()


def disown_pid_file(cluster: Path) -> None:
    """Make the pid file of a dead server look stale, whoever has its pid now.

    PostgreSQL takes any process with that pid for the server: one that its parent has not reaped, or a stranger
    that got the number after a restart of the machine. It never takes its own parent for it, which we shall be;
    the rest of the file stays, so that it still checks whether the old shared memory is in use.
    """
    pid = _recorded_pid(cluster)
    if pid is not None and pid > 0:
        pid_file = cluster / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
        pid_file.write_text("".join([f"{os.getpid()}\n", *lines[1:]]))


def _recorded_pid(cluster: Path) -> int | None:
    """Read the pid file; a negative number is a single-user server."""
    first = _pid_file_lines(cluster)[:1]
    try:
        return int(first[0]) if first else None
    except ValueError:
        return None


def _pid_file_lines(cluster: Path) -> list[str]:
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        return []


def _works_in(pid: int, cluster: Path) -> bool:
    """Tell whether a process is a PostgreSQL of this cluster: they all work in its folder."""
    process = Path("/proc") / str(pid)
    try:
        is_here = (process / "cwd").readlink() == cluster.resolve()
        return is_here and (process / "comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _processes_in(cluster: Path) -> list[Postmaster]:
    found: list[Postmaster] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or not _works_in(int(entry.name), cluster):
            continue
        try:
            process = Postmaster(int(entry.name))
        except OSError:
            continue
        if _works_in(process.pid, cluster):
            found.append(process)
        else:
            process.release()
    return found


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
