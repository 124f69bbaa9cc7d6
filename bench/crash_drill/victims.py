"""What is killed: two servers, which the drill starts again, and PostgreSQL, which the servers must bring back."""

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from bench.databases import Connection, database_of
from bench.http_client import Address
from bench.processes import stop, wait_answering
from bench.servers import Server, start_server

_BACK_SECONDS = 60.0
_LEAST_UNFINISHED = 50
_WAIT_FOR_WORK_SECONDS = 60.0
_NO_DATABASE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
POSTGRES = "postgres"


class NoRecovery(Exception):
    """Something did not come back by itself."""


@dataclass(frozen=True)
class Kill:
    """One `kill -9` and how much work was unfinished just before it."""

    victim: str
    at: float
    unfinished: int
    seconds_to_recover: float


class Probe:
    """Looks into the database; finds its way back when PostgreSQL was restarted."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._connection: Connection | None = None

    async def unfinished(self) -> int | None:
        """How many deliveries could be attempted and are not finished; None when nobody answers."""
        try:
            async with asyncio.timeout(5):
                if self._connection is None:
                    self._connection = await database_of(self._data_dir).connect()
                return int(
                    await self._connection.fetchval(
                        "select count(*) from delivery_queue where state <> 'held'"
                    )
                )
        except _NO_DATABASE:
            self.close()
            return None

    def close(self) -> None:
        """Leave the database."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


@dataclass
class Victims:
    """The processes of the drill."""

    data_dir: Path
    addresses: tuple[Address, Address]
    chance: random.Random
    servers: dict[str, Server] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Start both servers, the second while the first one runs."""
        for number, address in enumerate(self.addresses, 1):
            self.servers[f"server {number}"] = await start_server(self.data_dir, address)
            await self._wait_ready(f"server {number}")

    async def stop(self) -> list[int]:
        """Stop both servers as an operator would and give their exit codes."""
        return [await stop(server.process) for server in self.servers.values()]

    async def kill(self, victim: str, unfinished: int) -> None:
        """Kill one of the three and wait until everything answers again."""
        postmaster = _postmaster(self.data_dir)
        assert postmaster, "PostgreSQL does not run"
        pid = postmaster if victim == POSTGRES else self.servers[victim].process.pid
        os.kill(pid, signal.SIGKILL)
        at = time.time()
        if victim == POSTGRES:
            await self._wait_restarted(postmaster)
        else:
            await self._start_again(victim)
        for name in self.servers:
            await self._wait_ready(name)
        self.kills.append(Kill(victim, at, unfinished, round(time.time() - at, 2)))

    async def _start_again(self, victim: str) -> None:
        killed = self.servers[victim]
        await killed.process.wait()
        await asyncio.sleep(self.chance.random())
        self.servers[victim] = await start_server(self.data_dir, killed.address)

    async def _wait_restarted(self, killed: int) -> None:
        deadline = time.monotonic() + _BACK_SECONDS
        while _postmaster(self.data_dir) in {0, killed}:
            if time.monotonic() > deadline:
                raise NoRecovery(f"PostgreSQL is not back {_BACK_SECONDS:g} s after a kill")
            await asyncio.sleep(0.02)

    async def _wait_ready(self, name: str) -> None:
        server = self.servers[name]
        try:
            await wait_answering(server.address, "/readyz", server.process, _BACK_SECONDS)
        except TimeoutError as error:
            raise NoRecovery(f"{name} is not ready {_BACK_SECONDS:g} s after a kill") from error
        except RuntimeError:
            self.violations.append(f"{name} ended by itself, exit code {server.process.returncode}")
            self.servers[name] = await start_server(self.data_dir, server.address)
            await self._wait_ready(name)


async def wait_for_work(probe: Probe) -> int:
    """Wait until enough deliveries are unfinished and give how many."""
    deadline = time.monotonic() + _WAIT_FOR_WORK_SECONDS
    while time.monotonic() < deadline:
        unfinished = await probe.unfinished()
        if unfinished is not None and unfinished >= _LEAST_UNFINISHED:
            return unfinished
        await asyncio.sleep(0.005)
    raise NoRecovery(f"there are never {_LEAST_UNFINISHED} unfinished deliveries")


async def wait_finished(probe: Probe, seconds: float) -> int:
    """Wait until nothing is left and give what is left when the time is over."""
    deadline = time.monotonic() + seconds
    left = None
    while left != 0 and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        left = await probe.unfinished()
    return -1 if left is None else left


def _postmaster(data_dir: Path) -> int:
    """The pid of PostgreSQL's first process; 0 while there is none.

    While it is started again the file may name the process that starts it.
    """
    try:
        pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        return pid if Path(f"/proc/{pid}/comm").read_text().strip() == "postgres" else 0
    except (OSError, ValueError):
        return 0
