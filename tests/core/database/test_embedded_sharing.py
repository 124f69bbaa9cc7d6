"""The bundled PostgreSQL among several processes, and what is left of it after `kill -9` of any of them."""

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from outrider.core.database.embedded import start_embedded
from outrider.core.database.embedded.accounts import Account, server_account
from outrider.core.database.embedded.postmasters import Postmaster
from outrider.core.database.embedded.socket_folders import remove_socket_folder, socket_folder
from tests.core.database.embedded_user import embedded_user


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def answers_again(dsn: str, query: str, *, within: float) -> object:
    deadline = time.monotonic() + within
    while True:
        try:
            return await ask(dsn, query)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.02)


def is_running(data_dir: Path) -> bool:
    server = Postmaster.find(data_dir / "postgres")
    if server is None:
        return False
    server.release()
    return True


async def test_first_starts_at_the_same_moment_give_one_server(data_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        users = [await stack.enter_async_context(embedded_user(data_dir)) for _ in range(4)]
        await asyncio.gather(*(user.ready() for user in users))

        assert len({user.pid for user in users}) == 1
        assert [user.adopted for user in users].count(False) == 1
        for user in users:
            assert is_running(data_dir)
            await user.leave()
    assert not is_running(data_dir)


async def test_a_command_beside_a_server_leaves_it_running(data_dir: Path) -> None:
    async with embedded_user(data_dir) as server:
        await server.ready()
        command = await start_embedded(data_dir)
        assert command.adopted
        assert command.pid == server.pid
        dsn = command.dsn

        await command.close()
        assert await ask(dsn, "select 1") == 1

        await server.leave()
    assert not is_running(data_dir)


async def test_a_server_beside_a_command_keeps_it_when_the_command_ends(data_dir: Path) -> None:
    command = await start_embedded(data_dir)
    async with embedded_user(data_dir) as server:
        await server.ready()
        assert server.adopted

        await command.close()
        assert await server.server_pid() == server.pid
        assert is_running(data_dir)

        await server.leave()
    assert not is_running(data_dir)


async def test_a_server_whose_process_was_killed_is_adopted(data_dir: Path) -> None:
    async with embedded_user(data_dir) as killed:
        await killed.ready()
        await killed.kill()

    embedded = await start_embedded(data_dir)
    try:
        assert embedded.adopted
        assert embedded.pid == killed.pid
        assert await ask(embedded.dsn, "select 1") == 1
    finally:
        await embedded.close()
    assert not is_running(data_dir), "a killed user does not count"


async def test_a_killed_server_comes_back_with_what_was_committed(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    watching = asyncio.create_task(embedded.watch())
    try:
        await ask(embedded.dsn, "create table facts (number int)")
        for number in range(4):
            await ask(embedded.dsn, f"insert into facts values ({number})")
            # A backend that is busy does not notice by itself that its server is gone.
            busy = await asyncpg.connect(embedded.dsn)
            burning = asyncio.create_task(
                busy.fetchval("select count(*) from generate_series(1, 1000000000)")
            )
            await asyncio.sleep(0.05)
            killed = embedded.pid

            os.kill(killed, signal.SIGKILL)

            count = await answers_again(embedded.dsn, "select count(*) from facts", within=5)
            assert count == number + 1
            assert embedded.pid != killed
            with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
                await burning
            busy.terminate()
    finally:
        await embedded.close()
    await asyncio.wait_for(watching, 5)


async def test_all_users_follow_one_revived_server(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    watching = asyncio.create_task(embedded.watch())
    async with embedded_user(data_dir) as other:
        await other.ready()

        os.kill(embedded.pid, signal.SIGKILL)
        await answers_again(embedded.dsn, "select 1", within=5)
        await embedded.ensure_running()

        assert await other.server_pid() == embedded.pid != other.pid
        await embedded.close()
        assert is_running(data_dir)
        await other.leave()
    await asyncio.wait_for(watching, 5)
    assert not is_running(data_dir)


async def test_everything_killed_at_once_needs_no_manual_step(data_dir: Path) -> None:
    async with embedded_user(data_dir) as killed:
        await killed.ready()
        os.kill(killed.pid, signal.SIGKILL)
        await killed.kill()

    embedded = await start_embedded(data_dir)
    try:
        assert not embedded.adopted
        assert await ask(embedded.dsn, "select 1") == 1
    finally:
        await embedded.close()


async def test_a_dead_server_that_nobody_reaps_does_not_stand_in_the_way(data_dir: Path) -> None:
    async with embedded_user(data_dir) as parent:
        await parent.ready()
        embedded = await start_embedded(data_dir)
        parent.process.send_signal(signal.SIGSTOP)
        os.kill(embedded.pid, signal.SIGKILL)
        while "Z" not in Path(f"/proc/{parent.pid}/stat").read_text().rpartition(")")[2].split()[0]:
            await asyncio.sleep(0.01)

        await asyncio.wait_for(embedded.ensure_running(), 5)

        assert embedded.pid != parent.pid
        assert await ask(embedded.dsn, "select 1") == 1
        await parent.kill()
        await embedded.close()
    assert not is_running(data_dir)


async def test_a_stranger_with_the_pid_of_the_dead_server_is_not_taken_for_it(data_dir: Path) -> None:
    embedded = await start_embedded(data_dir)
    server = Postmaster.find(data_dir / "postgres")
    assert server is not None
    server.send(signal.SIGKILL)
    await asyncio.wait_for(server.exited(), 10)
    server.release()
    account = server_account(data_dir / "postgres")
    stranger = await asyncio.create_subprocess_exec("sleep", "60", **account.identity)
    try:
        pid_file = data_dir / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
        pid_file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))

        await asyncio.wait_for(embedded.ensure_running(), 5)

        assert await ask(embedded.dsn, "select 1") == 1
        assert stranger.returncode is None
        await embedded.close()
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_server_whose_socket_was_tidied_away_is_started_anew(data_dir: Path) -> None:
    async with embedded_user(data_dir) as user:
        await user.ready()
        await user.kill()
    folder = Path((data_dir / "postgres.socket").read_text().strip())
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()

    embedded = await start_embedded(data_dir)
    try:
        assert embedded.pid != user.pid
        assert await ask(embedded.dsn, "select 1") == 1
    finally:
        await embedded.close()


def test_a_socket_folder_that_was_swapped_for_a_link_is_not_used(tmp_path: Path) -> None:
    account = Account(os.geteuid(), os.getegid(), "me", switched=False)
    record = tmp_path / "postgres.socket"
    folder = socket_folder(record, account)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    try:
        chosen = socket_folder(record, account)

        assert chosen != folder
        assert chosen.resolve() != elsewhere
        assert socket_folder(record, account) == chosen
        chosen.chmod(0o755)
        assert socket_folder(record, account) != chosen, "others could enter it"
        chosen.rmdir()
    finally:
        folder.unlink()
        remove_socket_folder(record)
