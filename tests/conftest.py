"""What every test may use: a real database of this worker's own, and a whole process on it.

Tests are isolated by an organisation each, since the appender commits on its own connection.
"""

import base64
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import pytest

from outrider.core.config import Settings, load
from outrider.core.database.migrating import migrate
from outrider.runtime.parts import Runtime
from outrider.runtime.running import running_server
from outrider.runtime.wiring import open_runtime
from tests.clients import Client, Server, new_client
from tests.postgres import test_database
from tests.tenants import Tenant, new_tenant


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    root = factory.getbasetemp()
    return root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root


@pytest.fixture(scope="session")
async def dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """A migrated database of this worker."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    async with test_database(worker, shared_folder(tmp_path_factory)) as address:
        await migrate(address)
        yield address


def settings_for(folder: Path, dsn: str, **overrides: str) -> Settings:
    """Settings of a server under test; `overrides` are environment variables without their prefix."""
    environment = {
        "HOME": str(folder),
        "OUTRIDER_DATA_DIR": str(folder),
        "OUTRIDER_DATABASE_URL": dsn,
        # several processes of one test share their database, and so their key
        "OUTRIDER_MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
        "OUTRIDER_ALLOW_PRIVATE_TARGETS": "1",
        **{f"OUTRIDER_{name}": value for name, value in overrides.items()},
    }
    return load(environment)


@pytest.fixture(scope="session")
def files_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where `runtime` and `server` keep files: each sends messages that the other has accepted."""
    return str(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="session")
async def runtime(
    dsn: str, tmp_path_factory: pytest.TempPathFactory, files_folder: str
) -> AsyncGenerator[Runtime]:
    """All parts of a process, without its HTTP server."""
    settings = settings_for(tmp_path_factory.mktemp("runtime"), dsn, FILES_DIR=files_folder)
    opened = await open_runtime(settings, dsn, role="all")
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def server(
    dsn: str, tmp_path_factory: pytest.TempPathFactory, files_folder: str
) -> AsyncGenerator[Server]:
    """A whole server that answers over HTTP, on the database of `runtime` (so they share the shards)."""
    settings = settings_for(tmp_path_factory.mktemp("server"), dsn, PORT="0", FILES_DIR=files_folder)
    async with running_server(settings, dsn) as running, aiohttp.ClientSession() as session:
        yield Server(running.runtime, f"http://127.0.0.1:{running.port}", session)


@pytest.fixture
async def client(server: Server) -> Client:
    """A new organisation's application, spoken to over HTTP with a key that may do everything."""
    return await new_client(server)


@pytest.fixture
async def stranger(server: Server) -> Client:
    """Another organisation's application on the same server."""
    return await new_client(server)


@pytest.fixture
async def tenant(runtime: Runtime) -> Tenant:
    """An organisation with one application, and somebody who may do everything there."""
    return await new_tenant(runtime.tenancy)
