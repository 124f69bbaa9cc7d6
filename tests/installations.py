"""Installations as operators have them: a data directory, real `outrider` processes on it, and their logs."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from outrider.core.database.embedded.postmasters import Postmaster, end_orphans
from tests.cli.commands import Finished
from tests.clients import Caller

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0


@dataclass
class Served:
    """A running `outrider serve`."""

    process: asyncio.subprocess.Process
    log_path: Path
    base_url: str = ""

    def log(self) -> list[dict[str, Any]]:
        """What it has logged until now."""
        lines = self.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    async def wait_for_start(self) -> None:
        """Wait until it answers; it says so itself."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                for line in self.log():
                    if line["event"] == "server.started":
                        self.base_url = f"http://127.0.0.1:{line['port']}"
                        return
                assert self.process.returncode is None, self.log_path.read_text()[-2_000:]
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End it with kill -9."""
        self.process.kill()
        await self.process.wait()

    async def stop(self, seconds: float = _STOP_SECONDS) -> int:
        """End it with SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def probe(self, session: aiohttp.ClientSession, path: str) -> int:
        """The status of a page of its own."""
        async with session.get(self.base_url + path) as answer:
            return answer.status


@dataclass
class Installation:
    """A data directory; `settings` are environment variables without their prefix."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    @property
    def data_dir(self) -> Path:
        """Where everything of it lies."""
        return self.folder / "data"

    @property
    def cluster(self) -> Path:
        """Where the bundled PostgreSQL keeps its files."""
        return self.data_dir / "postgres"

    def environment(self, settings: dict[str, str]) -> dict[str, str]:
        """The environment of its processes."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("OUTRIDER_")}
        usual = {"DATA_DIR": str(self.data_dir), "PORT": "0", "ALLOW_PRIVATE_TARGETS": "1"}
        chosen = usual | self.settings | settings
        return kept | {f"OUTRIDER_{name}": text for name, text in chosen.items()}

    async def run(self, *words: str, **settings: str) -> Finished:
        """Run a command to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "outrider",
            *words,
            env=self.environment(settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Finished(process.returncode or 0, out.decode(), err.decode())

    @asynccontextmanager
    async def starting(self, *words: str, **settings: str) -> AsyncGenerator[Served]:
        """A server that may not answer yet, until the block ends."""
        self._count += 1
        log_path = self.folder / f"serve-{self._count}.log"
        with log_path.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "outrider",
                "serve",
                *words,
                env=self.environment(settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield Served(process, log_path)
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(_STOP_SECONDS):
                        await process.wait()
                finally:
                    if process.returncode is None:
                        process.kill()
                        await process.wait()

    @asynccontextmanager
    async def serving(self, *words: str, **settings: str) -> AsyncGenerator[Served]:
        """A server that answers, until the block ends."""
        async with self.starting(*words, **settings) as served:
            await served.wait_for_start()
            yield served

    async def bootstrap(self, *words: str, **settings: str) -> dict[str, str]:
        """What `outrider bootstrap` prints."""
        finished = await self.run("bootstrap", "--output", "json", *words, **settings)
        assert finished.status == 0, finished.err
        printed: dict[str, str] = json.loads(finished.out)
        return printed

    async def caller(self, served: Served, session: aiohttp.ClientSession) -> Caller:
        """The customer's application, speaking to one of the servers."""
        return Caller(session, served.base_url, (await self.bootstrap())["developer_api_key"])

    def postmaster_pid(self) -> int | None:
        """The process id of the running PostgreSQL, None if there is none."""
        found = Postmaster.find(self.cluster)
        if found is None:
            return None
        found.release()
        return found.pid

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection to the running PostgreSQL."""
        folder = (self.data_dir / "postgres.socket").read_text().strip()
        return await asyncpg.connect(host=folder, port=5432, user="outrider", database="outrider")


@asynccontextmanager
async def new_installation(**settings: str) -> AsyncGenerator[Installation]:
    """An empty installation; whatever still runs in it at the end is killed.

    Not in a folder of pytest's: those belong to one user, and as root PostgreSQL runs as another.
    """
    folder = Path(tempfile.mkdtemp(prefix="outrider-installed-"))
    folder.chmod(0o711)
    made = Installation(folder, settings)
    try:
        yield made
    finally:
        server = Postmaster.find(made.cluster)
        if server is not None:
            server.send(signal.SIGKILL)
            server.release()
        if made.cluster.exists():
            end_orphans(made.cluster)
        for record in folder.rglob("postgres.socket"):
            shutil.rmtree(record.read_text().strip(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
