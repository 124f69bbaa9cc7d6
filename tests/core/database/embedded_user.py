"""A process of its own that uses the bundled PostgreSQL: `python -m tests.core.database.embedded_user FOLDER`.

It prints one line of JSON once it has the server, answers "pid" on its input with the server's pid as it sees it,
and leaves when its input ends.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from outrider.core.database.embedded import start_embedded


@dataclass
class EmbeddedUser:
    """That process, seen from the test."""

    process: asyncio.subprocess.Process
    pid: int = 0
    adopted: bool = False

    async def ready(self) -> None:
        """Wait until it has the server."""
        assert self.process.stdout
        line = await asyncio.wait_for(self.process.stdout.readline(), 30)
        seen = json.loads(line)
        self.pid, self.adopted = seen["pid"], seen["adopted"]

    async def server_pid(self) -> int:
        """Ask which server it uses now."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"pid\n")
        return int(await asyncio.wait_for(self.process.stdout.readline(), 30))

    async def leave(self) -> None:
        """Let it end in good order."""
        assert self.process.stdin
        self.process.stdin.close()
        assert await asyncio.wait_for(self.process.wait(), 30) == 0

    async def kill(self) -> None:
        """End it with kill -9."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def embedded_user(data_dir: Path) -> AsyncGenerator[EmbeddedUser]:
    """Start such a process; it is gone at the end in any case."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.core.database.embedded_user",
        str(data_dir),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield EmbeddedUser(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # else its pipes outlive the loop


async def _use(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    watching = asyncio.create_task(embedded.watch())
    _say(json.dumps({"pid": embedded.pid, "adopted": embedded.adopted}))
    while await asyncio.to_thread(sys.stdin.readline):
        await embedded.ensure_running()
        _say(str(embedded.pid))
    await embedded.close()
    await watching


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_use(Path(sys.argv[1])))
