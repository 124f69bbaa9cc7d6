"""`outrider verify`: refold the log and compare; look for anything that no append can have left behind."""

import asyncpg

from outrider.files.storage import ContentStorage
from outrider.files.verifying import select_broken_files
from outrider.runtime import cross_tenant


async def verify(dsn: str, files: ContentStorage | None = None) -> dict[str, list[str]]:
    """What is wrong in the database, by kind; empty when everything agrees. Reads one snapshot.

    With `files` the content of every file is read, too.
    """
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={"jit": "off"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await cross_tenant.select_broken(connection)
            if files is not None:
                found |= await select_broken_files(connection, files)
            return found
    finally:
        await connection.close()
