"""`outrider verify`: refold the log and compare; look for anything that no append can have left behind."""

import asyncpg

from outrider.runtime import cross_tenant


async def verify(dsn: str) -> dict[str, list[str]]:
    """What is wrong in the database, by kind; empty when everything agrees. Reads one snapshot."""
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={"jit": "off"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await cross_tenant.select_broken(connection)
    finally:
        await connection.close()
