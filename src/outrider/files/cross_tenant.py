"""Statements over the files of all tenants: the same content of several of them lies on disk once."""

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

from outrider.core.database.pools import Connection, Pool

# Content may go only where nobody at all names it.
SELECT_NAMED = "select distinct sha256 from files where sha256 = any ($1::bytea[])"
# `verify` reads everything that there is.
SELECT_READY = "select sha256, application_id, id from files where state = 'ready' order by sha256, id"

# Whose file it is has been told by whoever imported it, for any tenant. A message or an event has a file by an edge.
SELECT_UNUSED = """
select f.application_id, f.id from unnest($1::uuid[], $2::uuid[]) as u(application_id, id)
join files f on f.application_id = u.application_id and f.id = u.id
where not exists (select from edges g where g.application_id = f.application_id and g.target_id = f.id)
"""
# An append that looked for a file has not ended: while there is none, no file comes into use.
LOCK_FILES = "lock table files in access exclusive mode"
# Whoever wants a file waits behind this one meanwhile.
BRIEF_LOCKS = "set local lock_timeout = '1s'"
DELETE_UNUSED = """
delete from files f using unnest($1::uuid[], $2::uuid[]) as u(application_id, id)
where f.application_id = u.application_id and f.id = u.id
  and not exists (select from edges g where g.application_id = f.application_id and g.target_id = f.id)
returning f.id
"""


async def select_named(pool: Pool, contents: Sequence[bytes]) -> set[bytes]:
    """Those of the contents that some file names."""
    return {row["sha256"] for row in await pool.fetch(SELECT_NAMED, list(contents))}


async def select_ready(connection: Connection) -> AsyncGenerator[tuple[bytes, UUID, UUID]]:
    """Content, application and id of every file that is there, by content; inside a transaction."""
    async for row in connection.cursor(SELECT_READY):
        yield row["sha256"], row["application_id"], row["id"]


async def delete_unused(pool: Pool, files: Sequence[tuple[UUID, UUID]]) -> int:
    """Delete those of the files, by application and id, that nothing has; their content goes with the next sweep.

    Returns how many; raises `LockNotAvailableError` while somebody reads files for long, as a backup does.
    """
    given = [application_id for application_id, _ in files], [file_id for _, file_id in files]
    if not await pool.fetch(SELECT_UNUSED, *given):
        return 0
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(BRIEF_LOCKS)
        await connection.execute(LOCK_FILES)
        return len(await connection.fetch(DELETE_UNUSED, *given))
