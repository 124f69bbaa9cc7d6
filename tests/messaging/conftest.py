"""One process on a database of its own for the tests of messaging."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest

from outrider.runtime.parts import Runtime
from tests.running import Sink, listening, new_database, running
from tests.tenants import Tenant, new_tenant


@pytest.fixture(scope="module")
async def own_dsn(dsn: str, request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    async with new_database(dsn, request.module.__name__.rpartition(".")[2]) as own:
        yield own


@pytest.fixture(scope="module")
async def database(own_dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(own_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        yield found


@pytest.fixture
async def tenant(process: Runtime) -> Tenant:
    return await new_tenant(process.tenancy)


@pytest.fixture
async def sink() -> AsyncGenerator[Sink]:
    async with listening() as found:
        yield found
