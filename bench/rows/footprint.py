"""What the product takes when nothing happens: the time from an empty directory to a first message, and memory."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from bench.api import Api, check_accepted
from bench.embedded import holding_database
from bench.http_client import ask
from bench.processes import free_address, running, wait_answering
from bench.processes import run as run_command
from bench.results import Row
from bench.runs import Run, interleaved
from bench.servers import bootstrap, start_server

NAMES = ("start_s", "idle_rss_mb")
_IDLE_SECONDS = 5.0
_MAIN_IMPORTS = (
    "aiohttp, asyncpg, cryptography.fernet, graphql, httptools, msgspec, orjson, prometheus_client, "
    "uuid_utils, uvicorn, uvloop"
)
_MEASURE_IMPORTS = f"import {_MAIN_IMPORTS}; print(open('/proc/self/status').read())"


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """Both rows, from the same servers."""
    memory: list[float] = []
    directories = (run.folder / f"start-{number}" for number in range(2 * run.rounds))

    async def product() -> float:
        seconds, megabytes = await _first_message(next(directories), is_idle_wanted="idle_rss_mb" in wanted)
        memory.append(megabytes)
        return seconds

    async def limit() -> float:
        began = time.monotonic()
        async with holding_database(next(directories)):
            return time.monotonic() - began

    limit_s, start_s = await interleaved(run.rounds, limit, product)
    imports = _resident(await run_command(sys.executable, "-c", _MEASURE_IMPORTS))
    rows = [
        Row(
            "start_s",
            start_s,
            "s",
            limit_s,
            "initdb plus start",
            "serve, then bootstrap, a connection, a message",
        ),
        Row("idle_rss_mb", max(memory), "MB", imports, "its main imports", "without PostgreSQL"),
    ]
    return [row for row in rows if row.name in wanted]


async def _first_message(data_dir: Path, *, is_idle_wanted: bool) -> tuple[float, float]:
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        server = await start_server(data_dir, free_address())
        await stack.enter_async_context(running(server.process))
        await wait_answering(server.address, "/readyz", server.process)
        api = Api(server.address, (await bootstrap(data_dir)).api_key)
        connection = await api.create_connection("bench-first")
        check_accepted(await ask(api.address, api.send(connection.id, "somebody", "Hello")))
        seconds = time.monotonic() - began
        if is_idle_wanted:
            await asyncio.sleep(_IDLE_SECONDS)
        return seconds, _resident_of_tree(server.process.pid)


def _resident_of_tree(pid: int) -> float:
    """Memory of a process and its children, PostgreSQL's left out."""
    process = Path("/proc") / str(pid)
    if (process / "comm").read_text().strip() == "postgres":
        return 0.0
    children = (process / "task" / str(pid) / "children").read_text().split()
    return _resident((process / "status").read_text()) + sum(
        _resident_of_tree(int(child)) for child in children
    )


def _resident(status: str) -> float:
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
