"""Numbered SQL migrations, forward only, applied under an advisory lock; one file, one transaction.

A database records what was applied and which oldest schema its newest release can serve, so that a process
refuses a schema that it does not know and a rolling restart works.
"""

import re
from dataclasses import dataclass
from importlib import resources

import asyncpg

from outrider.core.database.pools import check_server

_LOCK = 7305000
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

CREATE_TABLE = """
create table schema_migrations (
  number integer primary key, name text not null, applied_at timestamptz not null default now())
"""
HAS_SCHEMA = "select to_regclass('schema_migrations') is not null"
SELECT_APPLIED = "select coalesce(max(number), 0) from schema_migrations"
INSERT_APPLIED = "insert into schema_migrations (number, name) values ($1, $2)"
SELECT_RIGHTS = """
select current_user as user, current_database() as database,
  coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
  format('alter database %I owner to %I;', current_database(), current_user) as remedy
"""


class SchemaMismatch(Exception):
    """The database's schema is not the one that this release serves."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the migrations folder."""

    number: int
    name: str
    sql: str


def load_migrations() -> list[Migration]:
    """All migrations of this release, in order."""
    folder = resources.files("outrider.core.database") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if _NAME.fullmatch(entry.name))
    return [Migration(int(name[:4]), name, (folder / name).read_text("utf-8")) for name in names]


async def migrate(dsn: str) -> int:
    """Apply what is missing; returns how many were. Safe beside other processes doing the same.

    A new database is made in one transaction: whoever looks meanwhile finds it new, and waits here for its turn.

    Raises `UnsafeServer` before anything is written to a server that may forget it.
    """
    await check_server(dsn)
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={"jit": "off"})
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        await connection.execute("set lock_timeout = '10s'")
        if await connection.fetchval(HAS_SCHEMA):
            return await _apply_missing(connection)
        await _check_rights(connection)
        async with connection.transaction():
            await connection.execute(CREATE_TABLE)
            return await _apply_missing(connection)
    finally:
        await connection.close()


async def _check_rights(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Say what to grant to a user who cannot make our tables, before PostgreSQL says what he lacks."""
    row = await connection.fetchrow(SELECT_RIGHTS)
    assert row is not None
    if not row["may_create"]:
        raise SchemaMismatch(
            f"The user {row['user']} cannot make tables in the database {row['database']}. "
            f"As a superuser: {row['remedy']}"
        )


async def _apply_missing(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    applied = int(await connection.fetchval(SELECT_APPLIED))
    missing = [migration for migration in load_migrations() if migration.number > applied]
    for migration in missing:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(INSERT_APPLIED, migration.number, migration.name)
    return len(missing)


async def is_new(dsn: str) -> bool:
    """Whether the database has never held a schema of ours."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return not await connection.fetchval(HAS_SCHEMA)
    finally:
        await connection.close()


async def check_schema(dsn: str) -> None:
    """Raise `SchemaMismatch` on an outdated or newer schema; the message says what to do."""
    newest = load_migrations()[-1].number
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        known = await connection.fetchval(HAS_SCHEMA)
        applied = int(await connection.fetchval(SELECT_APPLIED)) if known else 0
    finally:
        await connection.close()
    if applied < newest:
        raise SchemaMismatch(
            f"The schema is at {applied}, this release needs {newest}: run `outrider migrate`, "
            "or start with `outrider serve --migrate`."
        )
    if applied > newest:
        raise SchemaMismatch(
            f"The schema is at {applied}, newer than this release ({newest}): upgrade Outrider."
        )
