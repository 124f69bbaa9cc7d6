"""The server of these tests has a database to itself, and leaves it as `outrider verify` wants it."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest

from outrider.runtime.serving import running_server
from outrider.runtime.verifying import verify
from tests.clients import Server
from tests.conftest import settings_for
from tests.running import new_database


@pytest.fixture(scope="session")
async def server(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A whole server that answers over HTTP."""
    async with new_database(dsn, "acceptance") as own:
        settings = settings_for(tmp_path_factory.mktemp("server"), own, PORT="0")
        async with running_server(settings, own) as running, aiohttp.ClientSession() as session:
            yield Server(running.runtime, f"http://127.0.0.1:{running.port}", session)
        assert await verify(own) == {}
