"""Servers that start at once on a new database: one makes it, the others find it whole."""

import asyncio
import re
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import asyncpg
import pytest

from outrider.core.database import migrating


@pytest.fixture
async def empty_dsn(dsn: str) -> AsyncGenerator[str]:
    beside = urlsplit(dsn)
    name = f"{beside.path[1:]}_empty"
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"drop database if exists {name} with (force)")
    await connection.execute(f"create database {name}")
    yield beside._replace(path=f"/{name}").geturl()
    await connection.execute(f"drop database if exists {name} with (force)")
    await connection.close()


async def start(dsn: str) -> int:
    """What a server does before it opens its parts."""
    applied = await migrating.migrate(dsn) if await migrating.is_new(dsn) else 0
    await migrating.check_schema(dsn)
    return applied


async def test_many_first_starts_at_once(empty_dsn: str) -> None:
    async def late(number: int) -> int:
        await asyncio.sleep(number * 0.01)
        return await start(empty_dsn)

    applied = await asyncio.gather(*(late(number) for number in range(12)))

    assert sorted(applied) == [0] * 11 + [len(migrating.load_migrations())]


async def test_a_first_start_that_is_killed_leaves_a_new_database(empty_dsn: str) -> None:
    connection = await asyncpg.connect(empty_dsn)
    try:
        # what the last migration makes is taken already, as if it was killed there
        await connection.execute("create table installation ()")
        with pytest.raises(asyncpg.DuplicateTableError):
            await migrating.migrate(empty_dsn)
        assert await migrating.is_new(empty_dsn)
        await connection.execute("drop table installation")
        assert await migrating.migrate(empty_dsn) == len(migrating.load_migrations())
    finally:
        await connection.close()


async def test_a_newer_schema_is_refused_and_an_older_one_is_brought_up(empty_dsn: str) -> None:
    await migrating.migrate(empty_dsn)
    connection = await asyncpg.connect(empty_dsn)
    try:
        await connection.execute("insert into schema_migrations (number, name) values (9999, 'tomorrow')")
        with pytest.raises(migrating.SchemaMismatch, match="newer"):
            await migrating.check_schema(empty_dsn)
        last = migrating.load_migrations()[-1].number
        await connection.execute("delete from schema_migrations where number >= $1", last)
        with pytest.raises(migrating.SchemaMismatch, match="outrider migrate"):
            await migrating.check_schema(empty_dsn)
        undo = _undo(migrating.load_migrations()[-1].sql)
        if undo:  # else what it changed can be changed again
            await connection.execute(undo)
        assert await migrating.migrate(empty_dsn) == 1
        await migrating.check_schema(empty_dsn)
    finally:
        await connection.close()


def _undo(migration: str) -> str:
    """Statements that take away what a migration made."""
    tables = re.findall(r"^create (?:unlogged )?table (\w+) ", migration, re.MULTILINE)
    functions = re.findall(r"^create function (\w+)\(", migration, re.MULTILINE)
    altered = re.findall(r"^alter table (\w+)\s(.*?);", migration, re.MULTILINE | re.DOTALL)
    columns = [
        f"alter table {table} drop column {column} cascade"
        for table, body in altered
        for column in re.findall(r"add column (\w+)", body)
    ]
    return ";".join(
        [
            *columns,
            *(f"drop table {one} cascade" for one in tables),
            *(f"drop function {one} cascade" for one in functions),
        ]
    )
