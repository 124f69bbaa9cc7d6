"""The database that a command works on: the operator's, or the bundled one, started or shared as needed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from outrider.core.config import Settings
from outrider.core.data_dirs import make_data_dir
from outrider.core.database.embedded import start_embedded
from outrider.core.database.pools import check_server
from outrider.core.disk import DiskWatch


@asynccontextmanager
async def opened_server(settings: Settings) -> AsyncGenerator[str]:
    """The address of a running server; a bundled one is stopped at the end by its last user.

    Raises `UnreachableServer` or `UnsafeServer` for the operator's, `EmbeddedPostgresError` for the bundled one.
    """
    if settings.database_url is not None:
        await check_server(settings.database_url)
        yield settings.database_url
        return
    make_data_dir(settings.data_dir)
    DiskWatch(settings.data_dir).prepare()
    server = await start_embedded(settings.data_dir, binaries=settings.postgres_binaries)
    watching = asyncio.create_task(server.watch(), name="database-watch")
    try:
        yield server.dsn
    finally:
        watching.cancel()
        await server.close()
