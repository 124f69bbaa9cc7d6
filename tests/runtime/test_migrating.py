"""Servers that start at once on a new database: one makes it, the others find it whole."""

import asyncio
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


async def migrate_before(dsn: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a database as a release did that had no migration of this number yet."""
    earlier = [one for one in migrating.load_migrations() if one.number < number]
    with monkeypatch.context() as patched:
        patched.setattr(migrating, "load_migrations", lambda: earlier)
        await migrating.migrate(dsn)


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


async def test_a_newer_schema_is_refused_and_an_older_one_is_brought_up(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate_before(empty_dsn, migrating.load_migrations()[-1].number, monkeypatch)
    with pytest.raises(migrating.SchemaMismatch, match="outrider migrate"):
        await migrating.check_schema(empty_dsn)

    assert await migrating.migrate(empty_dsn) == 1

    await migrating.check_schema(empty_dsn)
    connection = await asyncpg.connect(empty_dsn)
    try:
        await connection.execute("insert into schema_migrations (number, name) values (9999, 'tomorrow')")
        with pytest.raises(migrating.SchemaMismatch, match="newer"):
            await migrating.check_schema(empty_dsn)
    finally:
        await connection.close()


async def test_contacts_that_are_there_are_found_by_the_newer_index_of_words(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate_before(empty_dsn, 36, monkeypatch)
    connection = await asyncpg.connect(empty_dsn)
    try:
        ids = await connection.fetchrow(
            """with made as (
              insert into organisations (id, name, tier) values (uuidv7(), 'Old', 'unlimited') returning id)
            insert into contacts (organisation_id, id, name, email, created_at, updated_at)
            select id, uuidv7(), 'Ada Lovelace', 'ada@engines.example', now(), now() from made
            returning organisation_id, id"""
        )
        await migrating.migrate(empty_dsn)
        assert ids is not None
        found = await connection.fetch("select contacts_with_words($1, 'lovel:* & engines:*')", ids[0])
        assert [row[0] for row in found] == [ids[1]]
    finally:
        await connection.close()
