"""Statements over the files of all tenants: the same content of several of them lies on disk once."""

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from outrider.core.database.pools import Connection, Pool

# Content may go only where nobody at all names it.
SELECT_NAMED = "select distinct sha256 from files where sha256 = any ($1::bytea[])"
# `verify` reads everything that there is.
SELECT_READY = "select sha256, application_id, id from files where state = 'ready' order by sha256, id"


async def select_named(pool: Pool, contents: Sequence[bytes]) -> set[bytes]:
    """Those of the contents that some file names."""
    return {row["sha256"] for row in await pool.fetch(SELECT_NAMED, list(contents))}


async def select_ready(connection: Connection) -> AsyncGenerator[tuple[bytes, UUID, UUID]]:
    """Content, application and id of every file that is there, by content; inside a transaction."""
    async for row in connection.cursor(SELECT_READY):
        yield row["sha256"], row["application_id"], row["id"]
