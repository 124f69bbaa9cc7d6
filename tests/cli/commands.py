"""Runs the command `outrider` as an operator does: another process, with an environment of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Where commands run: a data directory and, mostly, a database of this test's own."""

    data_dir: Path
    database_url: str | None = None

    async def run(self, *words: str, **variables: str) -> Finished:
        """Run a command to its end; `variables` are settings without their prefix."""
        process = await self.spawn(*words, **variables)
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Finished(process.returncode or 0, out.decode(), err.decode())

    async def spawn(self, *words: str, **variables: str) -> asyncio.subprocess.Process:
        """Start a command."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "outrider",
            *words,
            env=self._environment(variables),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    @asynccontextmanager
    async def running(self, *words: str, **variables: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """A command that runs until the block ends."""
        process = await self.spawn(*words, **variables)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(30):
                await process.communicate()

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("OUTRIDER_")}
        settings = {"DATA_DIR": str(self.data_dir), **variables}
        if self.database_url is not None:
            settings.setdefault("DATABASE_URL", self.database_url)
        return kept | {f"OUTRIDER_{name}": text for name, text in settings.items()}


async def line_with(process: asyncio.subprocess.Process, words: str) -> str:
    """Read a command's output up to the line that has these words."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while line := (await process.stdout.readline()).decode():
            if words in line:
                return line.rstrip("\n")
    assert process.stderr is not None
    raise AssertionError(f"no line with {words!r}: {(await process.stderr.read()).decode()[-2000:]}")
