"""The commands that serve, from start to stop."""

import asyncio
import json
import shlex
import shutil
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.cli.commands import Shell, line_with


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_newcomer_can_use_what_dev_prints(shell: Shell) -> None:
    port = free_port()
    async with shell.running("dev", "--port", str(port)) as process, aiohttp.ClientSession() as session:
        variables = dict(
            [
                shlex.split(await line_with(process, f"  {name}="))[0].split("=", 1)
                for name in ("BASE_URL", "API_KEY", "CONNECTION_ID", "WEBHOOK_URL")
            ]
        )

        told = await line_with(process, "To receive webhooks on this machine")
        program, command = shlex.split(told.rpartition(": ")[2])
        assert (shutil.which(program) is not None, command) == (True, "listen")
        assert variables["BASE_URL"] == f"http://127.0.0.1:{port}"
        body = {"messages": [{"id": "m1", "from": "ada", "text": "Hello"}]}
        async with session.post(variables["WEBHOOK_URL"], json=body) as answer:
            assert answer.status == 200, await answer.text()
        query = "{ platformConnections { id } events { edges { node { eventType } } } }"
        headers = {"Authorization": f"Bearer {variables['API_KEY']}"}
        async with session.post(variables["BASE_URL"], json={"query": query}, headers=headers) as answer:
            data = json.loads(await answer.text())["data"]
        assert variables["CONNECTION_ID"] in {one["id"] for one in data["platformConnections"]}
        assert "message.inbound" in {edge["node"]["eventType"] for edge in data["events"]["edges"]}

    async with shell.running("dev", "--port", "0") as process:
        address = await line_with(process, "Outrider answers on ")
        line = await line_with(process, "demo.env")
    kept = Path(shlex.split(line)[1]).read_text()
    assert f"API_KEY={variables['API_KEY']}\n" in kept
    url = address.removeprefix("Outrider answers on ")
    assert not url.endswith(":0")
    assert f"BASE_URL={url}\n" in kept
    assert f"WEBHOOK_URL={url}/webhooks/" in kept


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_serve_stops_when_it_is_told_to_or_its_terminal_is_closed(
    shell: Shell, number: signal.Signals
) -> None:
    port = free_port()
    with hangups(signal.SIG_DFL):  # the tests themselves may run under nohup
        process = await shell.spawn("serve", "--port", str(port))
    await answers(port, process)
    process.send_signal(number)
    async with asyncio.timeout(30):
        await process.communicate()
    assert process.returncode == 0


async def test_a_server_under_nohup_outlives_its_terminal(shell: Shell) -> None:
    port = free_port()
    with hangups(signal.SIG_IGN):
        process = await shell.spawn("serve", "--port", str(port))
    try:
        await answers(port, process)
        process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.3)
        await answers(port, process)
    finally:
        process.terminate()
        async with asyncio.timeout(30):
            await process.communicate()


@contextmanager
def hangups(handler: signal.Handlers) -> Generator[None]:
    """What SIGHUP does to a process that is started meanwhile."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


async def answers(port: int, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                assert process.returncode is None
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("words", [(), ("--migrate",)])
async def test_an_outdated_schema_needs_to_be_asked_for(shell: Shell, words: tuple[str, ...]) -> None:
    await shell.run("migrate")
    assert shell.database_url is not None
    connection = await asyncpg.connect(shell.database_url)
    await connection.execute(
        "delete from schema_migrations where number = (select max(number) from schema_migrations)"
    )
    await connection.close()

    finished = await shell.run("serve", "--port", str(free_port()), *words)

    # The newest migration cannot be applied twice, so that being tried is seen.
    assert finished.status == 1
    assert ("already exists" if words else "run `outrider migrate`") in finished.err
