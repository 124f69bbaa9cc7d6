"""The bundled PostgreSQL held by the benchmark itself, so that it stays when servers come and go."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.databases import Database, database_of
from outrider.core.database.embedded.supervising import start_embedded


@asynccontextmanager
async def holding_database(data_dir: Path) -> AsyncGenerator[Database, None]:
    """Start the server of a data directory, or share the one that runs; the last user stops it."""
    embedded = await start_embedded(data_dir)
    try:
        yield database_of(data_dir)
    finally:
        await embedded.close()
