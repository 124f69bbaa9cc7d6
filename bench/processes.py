"""Processes that a run starts: found by what started them, ended by their own id, always."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import uvloop

from bench.http_client import Address, ask, encode_request

T = TypeVar("T")

OUTRIDER = Path(sys.executable).with_name("outrider")
_STOP_SECONDS = 40.0

Process: TypeAlias = asyncio.subprocess.Process


def free_address() -> Address:
    """An address on the loopback where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


def server_environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """The environment of the product's commands: ours without any setting of the person who runs this."""
    theirs = ("OUTRIDER_", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    usual = {
        "OUTRIDER_DATA_DIR": str(data_dir),
        "OUTRIDER_ALLOW_PRIVATE_TARGETS": "1",
        "OUTRIDER_FILES_SHARED": "1",
    }
    return inherited | usual | settings


async def spawn(*command: str | Path, log: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start a process that writes what it says to a file."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
        )


async def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and give what it printed; a failure ends the run."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    printed, complaints = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{printed.decode()}{complaints.decode()}")
    return printed.decode()


async def stop(process: Process) -> int:
    """Ask a process to end, insist after a while, and give its exit code."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
    return await process.wait()


def run_to_end(main: Coroutine[Any, Any, T]) -> T:
    """Run a program; SIGTERM ends it as Ctrl-C does, so that whatever it started is stopped."""

    async def interruptible() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    return uvloop.run(interruptible())


@asynccontextmanager
async def running(process: Process) -> AsyncGenerator[Process, None]:
    """A started process, ended on the way out."""
    try:
        yield process
    finally:
        await stop(process)


async def wait_answering(address: Address, path: str, process: Process, seconds: float = 60.0) -> None:
    """Wait until a server answers 200; it must not end meanwhile."""
    request = encode_request("GET", path, {})
    async with asyncio.timeout(seconds):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the server at {address.url} ended with exit code {process.returncode}")
            try:
                if (await asyncio.wait_for(ask(address, request), 2.0)).status == 200:
                    return
            except (OSError, TimeoutError):
                pass
            await asyncio.sleep(0.02)
