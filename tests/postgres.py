"""One bundled PostgreSQL for a whole test run, and in it a database of its own for each worker.

The data directory lies outside pytest's folders: those belong to one user, and as root the server runs as another.
"""

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from outrider.core.database.embedded import EmbeddedPostgres, start_embedded


@asynccontextmanager
async def test_database(name: str, root: Path) -> AsyncGenerator[str]:
    """Give the address of a new, empty database; `root` is a folder that all workers share.

    The last user, of whichever worker, stops the server and removes its data.
    """
    with _agreed_data_dir(root) as data_dir:
        embedded = await start_embedded(data_dir)
    try:
        yield await _new_database(embedded, f"outrider_test_{name}")
    finally:
        with _agreed_data_dir(root) as data_dir:
            await embedded.close()
            if not (data_dir / "postgres.socket").exists():
                await asyncio.to_thread(shutil.rmtree, data_dir, ignore_errors=True)


async def _new_database(embedded: EmbeddedPostgres, name: str) -> str:
    connection = await asyncpg.connect(embedded.dsn)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return embedded.dsn.replace("/outrider?", f"/{name}?")


@contextmanager
def _agreed_data_dir(root: Path) -> Generator[Path]:
    """Give the data directory of this run, made by the first worker that asks; others wait meanwhile."""
    with (root / "postgres-data-dir").open("a+") as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        record.seek(0)
        data_dir = Path(record.read().strip() or "/nonexistent")
        if not data_dir.is_dir():
            data_dir = Path(tempfile.mkdtemp(prefix="outrider-tests-"))
            record.truncate(0)
            record.write(str(data_dir))
            record.flush()
        yield data_dir
