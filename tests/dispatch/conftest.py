"""A database that the tests of one module have for themselves: its shards are theirs."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest

from tests.running import Sink, listening, new_database


@pytest.fixture(scope="module")
async def own_dsn(dsn: str, request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    async with new_database(dsn, request.module.__name__.rpartition(".")[2]) as own:
        yield own


@pytest.fixture(scope="module")
async def database(own_dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(own_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def sink() -> AsyncGenerator[Sink]:
    async with listening() as found:
        yield found
