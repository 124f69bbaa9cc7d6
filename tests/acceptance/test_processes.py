"""Real processes: started, doubled, killed and stopped, alone and beside each other."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from outrider.core.database.embedded import EmbeddedPostgres, start_embedded
from tests.clients import Caller, Listener, listener
from tests.installations import Installation, new_installation

_SEND = """mutation($c: UUID!, $to: String!, $key: String!) {
  sendMessage(platformConnectionId: $c, toExternalId: $to, message: "x", idempotencyKey: $key, wait: false) { id } }"""


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as opened:
        yield opened


@pytest.fixture
async def fresh() -> AsyncGenerator[Installation]:
    """An installation that was never started."""
    async with new_installation() as made:
        yield made


@pytest.fixture(scope="module")
async def used() -> AsyncGenerator[Installation]:
    """An installation that the tests of this file use one after the other."""
    async with new_installation() as made:
        await made.bootstrap()
        yield made


@pytest.fixture
async def sink() -> AsyncGenerator[Listener]:
    """Where the messages of a sandbox connection arrive."""
    async with listener() as made:
        yield made


async def _sandbox(caller: Caller, sink: Listener) -> str:
    return str((await caller.connect("WHATSAPP", "sandbox", {"api_base_url": sink.url}))["id"])


def _keys(sink: Listener) -> list[str]:
    """The idempotency keys of all requests that came."""
    return [headers["Idempotency-Key"] for headers, _ in sink.received]


async def _until(is_so: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.02)


async def _verified(installation: Installation, **settings: str) -> None:
    found = await installation.run("verify", **settings)
    assert (found.status, found.out) == (0, "Everything agrees.\n"), found.out + found.err


async def test_a_first_start_and_a_bootstrap_at_the_same_moment(
    fresh: Installation, session: aiohttp.ClientSession
) -> None:
    async with fresh.starting() as served:
        first, _ = await asyncio.gather(fresh.bootstrap(), served.wait_for_start())
        caller = await fresh.caller(served, session)
        connection = (await caller.connect("WHATSAPP", "sandbox", {}))["id"]
        sent = await caller.send(connection, "ada")
        again = await fresh.bootstrap()
        status = await served.stop()

    assert sent["status"]["state"] == "sent"
    assert again == first
    assert status == 0
    assert fresh.postmaster_pid() is None
    # alone it starts the database for the while
    assert await fresh.bootstrap() == first
    assert fresh.postmaster_pid() is None


async def test_a_bootstrap_before_the_first_start(
    fresh: Installation, session: aiohttp.ClientSession
) -> None:
    first = await fresh.bootstrap("--organisation", "Lighthouse", "--application", "Ferry desk")
    async with fresh.serving() as served:
        caller = await fresh.caller(served, session)
        application = (await caller.data("{ application { id slug } }"))["application"]
        doctor = await fresh.run("doctor")
        verified = await fresh.run("verify")

    assert application == {"id": first["application_id"], "slug": "ferry-desk"}
    assert doctor.status == 0, doctor.out
    assert "FAIL" not in doctor.out
    assert verified.status == 0


async def test_two_servers_on_one_data_directory_share_its_database(
    used: Installation, session: aiohttp.ClientSession, sink: Listener
) -> None:
    async with used.serving() as one, used.serving() as two:
        postmaster = used.postmaster_pid()
        here, there = await used.caller(one, session), await used.caller(two, session)
        connection = await _sandbox(here, sink)
        sent = [
            await caller.send(connection, f"p{number}") for number in range(5) for caller in (here, there)
        ]
        seen = [(await there.event(message["id"]))["id"] for message in sent]
        assert await one.stop() == 0
        assert used.postmaster_pid() == postmaster
        after = await there.send(connection, "after")
        assert await two.stop() == 0

    assert [message["status"]["state"] for message in [*sent, after]] == ["sent"] * 11
    assert seen == [message["id"] for message in sent]
    assert len(sink.received) == 11
    assert used.postmaster_pid() is None


async def test_what_a_killed_server_left_undone_goes_out_after_the_next_start(
    used: Installation, session: aiohttp.ClientSession, sink: Listener
) -> None:
    is_let_through = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await is_let_through.wait()
        return web.Response()

    sink.answer = hang
    async with used.serving() as served:
        caller = await used.caller(served, session)
        connection = await _sandbox(caller, sink)
        sent = await asyncio.gather(
            *(caller.send(connection, f"person-{number}", wait=False) for number in range(60))
        )
        await sink.wait_for(1)
        postmaster = used.postmaster_pid()
        await served.kill()
    is_let_through.set()
    hung = len(sink.received)

    async with used.serving() as served:
        # the database was adopted as it ran
        assert used.postmaster_pid() == postmaster
        caller = await used.caller(served, session)
        for message in sent:
            await caller.children(message["id"], "message.sent")
        await _verified(used)
        assert await served.stop() == 0

    ids = {message["id"] for message in sent}
    assert {body["event_id"] for body in sink.bodies} == ids
    assert len(set(_keys(sink))) == 60
    assert len(sink.received) <= 60 + hung
    assert used.postmaster_pid() is None


async def _keep_sending(
    caller: Caller, connection: str, name: str, acknowledged: dict[str, str], is_over: asyncio.Event
) -> None:
    """Write to one person, one message after the other, and repeat what was not acknowledged."""
    number = 0
    while not is_over.is_set():
        key = f"{name}-{number}"
        answer = await caller.graphql(_SEND, c=connection, to=name, key=key)
        if "errors" in answer:
            assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE", answer
            await asyncio.sleep(0.05)
            continue
        acknowledged[key] = answer["data"]["sendMessage"]["id"]
        number += 1


async def test_a_killed_database_comes_back_and_keeps_what_was_acknowledged(
    used: Installation, session: aiohttp.ClientSession, sink: Listener
) -> None:
    async with used.serving() as served:
        caller = await used.caller(served, session)
        connection = await _sandbox(caller, sink)
        is_over = asyncio.Event()
        acknowledged: dict[str, str] = {}
        names = [f"person-{number}" for number in range(8)]
        senders = asyncio.gather(
            *(_keep_sending(caller, connection, name, acknowledged, is_over) for name in names)
        )
        await _until(lambda: len(acknowledged) > 200)
        killed = used.postmaster_pid()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        before = len(acknowledged)
        await _until(lambda: len(acknowledged) > before + 400)
        is_over.set()
        await senders

        assert used.postmaster_pid() not in {None, killed}
        assert served.process.returncode is None
        await _until(lambda: {body["event_id"] for body in sink.bodies} >= set(acknowledged.values()))
        await _until_done(await used.connect())
        await _verified(used)
        assert await served.probe(session, "/readyz") == 200

    assert {body["event_id"] for body in sink.bodies} == set(acknowledged.values())
    assert len(set(_keys(sink))) == len(acknowledged)
    assert any(line["event"] == "database.died" for line in served.log())
    for name in names:
        firsts = list(dict.fromkeys(body["event_id"] for body in sink.bodies if body["to"] == name))
        wanted = [event_id for key, event_id in acknowledged.items() if key.rsplit("-", 1)[0] == name]
        assert firsts == wanted


async def _until_done(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Wait until no work is left."""
    try:
        async with asyncio.timeout(15):
            while await connection.fetchval("select count(*) from delivery_queue"):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def test_a_stop_finishes_what_is_in_flight_and_takes_nothing_more(
    used: Installation, session: aiohttp.ClientSession, sink: Listener
) -> None:
    async with used.serving() as served:
        caller = await used.caller(served, session)
        connection = await _sandbox(caller, sink)
        waiting = asyncio.create_task(caller.send(connection, "slow-2"))
        quick = await caller.send(connection, "slow-2.too", wait=False)
        await asyncio.sleep(0.3)
        began = time.monotonic()
        stopping = asyncio.create_task(served.stop())
        await asyncio.sleep(0.2)
        with pytest.raises((aiohttp.ClientError, AssertionError)):
            await caller.send(connection, "late")
        waited = await waiting
        assert await stopping == 0
        seconds = time.monotonic() - began

    assert seconds < 8
    assert waited["status"]["state"] == "sent"
    assert sorted(body["to"] for body in sink.bodies) == ["slow-2", "slow-2.too"]
    assert [line["event"] for line in served.log()][-1] == "server.stopped"
    assert used.postmaster_pid() is None
    async with used.serving() as served:
        caller = await used.caller(served, session)
        assert (await caller.event(quick["id"]))["status"] == "completed"
    assert len(sink.received) == 2


async def test_a_stop_waits_no_longer_than_it_was_told_for_an_attempt_that_hangs(
    used: Installation, session: aiohttp.ClientSession, sink: Listener
) -> None:
    is_let_through = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await is_let_through.wait()
        return web.Response()

    sink.answer = hang
    async with used.serving(SHUTDOWN_SECONDS="1") as served:
        caller = await used.caller(served, session)
        # mail has no order, for which the next owner would wait until no attempt can be under way any more
        connection = await caller.connect("EMAIL", "sandbox", {"api_base_url": sink.url})
        sent = await caller.send(connection["id"], "ada@example.org", wait=False)
        await sink.wait_for(1)
        began = time.monotonic()
        assert await served.stop() == 0
        seconds = time.monotonic() - began
    is_let_through.set()

    assert 0.9 < seconds < 6
    async with used.serving() as served:
        caller = await used.caller(served, session)
        await caller.children(sent["id"], "message.sent", seconds=20)
        await _verified(used)
    # the vendor may have had it twice, and can tell by its key
    assert len(sink.received) == 2
    assert len(set(_keys(sink))) == 1


@dataclass(frozen=True)
class External:
    """An installation and, apart from it, a PostgreSQL that it is told to use."""

    installation: Installation
    postgres: EmbeddedPostgres


@pytest.fixture
async def external() -> AsyncGenerator[External]:
    async with new_installation() as elsewhere, new_installation() as made:
        postgres = await start_embedded(elsewhere.data_dir)
        made.settings["DATABASE_URL"] = postgres.dsn
        try:
            yield External(made, postgres)
        finally:
            await postgres.close()


async def test_roles_beside_each_other_on_an_external_database(
    external: External, session: aiohttp.ClientSession, sink: Listener
) -> None:
    installation = external.installation
    first = await installation.bootstrap()
    async with (
        installation.serving("--role", "api", FILES_SHARED="1") as api,
        installation.serving("--role", "worker", FILES_SHARED="1") as worker,
    ):
        caller = await installation.caller(api, session)
        connection = await _sandbox(caller, sink)
        awaited = await caller.send(connection, "ada")
        left = await caller.send(connection, "bob.delivered", wait=False)
        await caller.children(left["id"], "message.sent", "message.delivered")
        refused = await caller.request(b"{}", path="/")
        worker_caller = Caller(session, worker.base_url, caller.key)
        not_there = await worker_caller.request(b'{"query": "{ application { id } }"}')
        pages = [await one.probe(session, page) for one in (api, worker) for page in ("/healthz", "/readyz")]
        await _verified(installation)
        assert (await api.stop(), await worker.stop()) == (0, 0)

    assert awaited["status"]["state"] == "sent"
    assert len(sink.received) == 2
    assert refused.status == 400
    assert not_there.status in {404, 405}
    assert pages == [200] * 4
    assert {line["event"] for line in api.log()}.isdisjoint({"message.attempted", "delivery.attempted"})
    assert [line["event"] for line in worker.log()].count("message.attempted") == 2
    assert first["application_id"]
    # the database of its own was never made, and the other one was left running
    assert not installation.cluster.exists()
    assert external.postgres.pid


async def test_a_stop_while_the_database_is_away_ends_too(
    external: External, session: aiohttp.ClientSession, sink: Listener
) -> None:
    installation = external.installation
    async with installation.serving(SHUTDOWN_SECONDS="2") as served:
        caller = await installation.caller(served, session)
        connection = await _sandbox(caller, sink)
        await caller.send(connection, "slow-1", wait=False)
        await asyncio.sleep(0.3)
        os.kill(external.postgres.pid, signal.SIGKILL)
        async with asyncio.timeout(15):
            while await served.probe(session, "/readyz") != 503:
                await asyncio.sleep(0.1)
        assert await served.probe(session, "/healthz") == 200
        refused = await caller.send_refused(connection, "ada")
        began = time.monotonic()
        status = await served.stop()
        seconds = time.monotonic() - began

    assert refused["code"] == "UNAVAILABLE"
    assert status == 0, served.log_path.read_text()[-2_000:]
    assert seconds < 25
    # what it could not record is done again, under the same name
    await external.postgres.ensure_running()
    async with installation.serving() as served:
        await _until(lambda: len(sink.received) == 2)
        await _until_done(await asyncpg.connect(external.postgres.dsn))
        assert len(set(_keys(sink))) == 1
        await _verified(installation)


async def test_a_database_that_comes_back_is_used_again(
    external: External, session: aiohttp.ClientSession, sink: Listener
) -> None:
    installation = external.installation
    async with installation.serving() as served:
        caller = await installation.caller(served, session)
        connection = await _sandbox(caller, sink)
        await caller.send(connection, "ada")
        os.kill(external.postgres.pid, signal.SIGKILL)
        async with asyncio.timeout(15):
            while await served.probe(session, "/readyz") == 200:
                await asyncio.sleep(0.05)
        waiting = asyncio.create_task(caller.send(connection, "ada", "while it was away"))
        await asyncio.sleep(0.5)
        await external.postgres.ensure_running()
        async with asyncio.timeout(15):
            while await served.probe(session, "/readyz") != 200:
                await asyncio.sleep(0.05)
        # it waited in the queue for a few seconds, and was not lost
        assert (await waiting)["status"]["success"] is True
        assert (await caller.send(connection, "ada", "after"))["status"]["state"] == "sent"

    assert [body["content"]["text"] for body in sink.bodies] == ["Hello", "while it was away", "after"]


async def test_a_server_that_cannot_start_says_why(external: External) -> None:
    installation = external.installation
    wrong = await installation.run(
        "serve", "--port", "x", HOST="a b", PROT="1", APPEND_BATCH="0", MASTER_KEY="k"
    )
    await installation.bootstrap()
    connection = await asyncpg.connect(external.postgres.dsn)
    await connection.execute("delete from schema_migrations where number > 1")
    outdated = await installation.run("serve")
    # a new database, so that nothing else is wrong with it
    await connection.execute("create database empty")
    await connection.execute("alter system set fsync = off")
    await connection.execute("select pg_reload_conf()")
    await connection.close()
    empty = external.postgres.dsn.replace("/outrider?", "/empty?")
    unsafe = await installation.run("serve", DATABASE_URL=empty)
    connection = await asyncpg.connect(empty)
    tables = await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'")
    await connection.close()

    assert wrong.status == 2
    for variable in (
        "OUTRIDER_PORT",
        "OUTRIDER_HOST",
        "OUTRIDER_PROT",
        "OUTRIDER_APPEND_BATCH",
        "OUTRIDER_MASTER_KEY",
    ):
        assert variable in wrong.err
    assert outdated.status == 1
    assert "outrider migrate" in outdated.err
    assert unsafe.status == 1
    assert "fsync" in unsafe.err
    assert tables == 0
    for finished in (wrong, outdated, unsafe):
        assert "Traceback" not in finished.err


async def test_a_port_that_is_taken_is_told_and_leaves_nothing_running(
    used: Installation, sink: Listener
) -> None:
    port = sink.url.rsplit(":", 1)[1].rstrip("/")

    finished = await used.run("serve", "--port", port)

    assert finished.status == 1
    assert "Traceback" not in finished.err
    assert port in finished.err
    assert used.postmaster_pid() is None
