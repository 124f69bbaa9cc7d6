"""The product as an operator runs it: `outrider serve`, `outrider bootstrap`."""

import itertools
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.http_client import Address
from bench.processes import (
    OUTRIDER,
    Process,
    free_address,
    run,
    running,
    server_environment,
    spawn,
    wait_answering,
)

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """One running `outrider serve`."""

    process: Process
    address: Address


@dataclass(frozen=True)
class Credentials:
    """What `outrider bootstrap` gave."""

    organisation_id: str
    application_id: str
    application_slug: str
    api_key: str = field(repr=False)
    message_key: Mapping[str, str] = field(repr=False)


async def start_server(data_dir: Path, address: Address, *, role: str = "all") -> Server:
    """Start a server; it answers some time later."""
    log = data_dir.parent / f"{data_dir.name}-{role}-{next(_numbers)}.log"
    command = ("serve", "--role", role, "--host", address.host, "--port", str(address.port), "--migrate")
    process = await spawn(OUTRIDER, *command, log=log, environment=server_environment(data_dir))
    return Server(process, address)


@asynccontextmanager
async def running_server(data_dir: Path, *, role: str = "all") -> AsyncGenerator[Server, None]:
    """A server that is ready, stopped on the way out."""
    server = await start_server(data_dir, free_address(), role=role)
    async with running(server.process):
        await wait_answering(server.address, "/readyz", server.process)
        yield server


async def bootstrap(data_dir: Path) -> Credentials:
    """Make the organisation and its keys, or read them again."""
    printed = await run(OUTRIDER, "bootstrap", "--output", "json", environment=server_environment(data_dir))
    given = json.loads(printed)
    return Credentials(
        given["organisation_id"],
        given["application_id"],
        given["application_slug"],
        given["developer_api_key"],
        given["message_api_key"],
    )
