"""Durable accept: one message a request, a hundred a request, with delivery on, and inbound webhooks.

Their limit is the rate at which PostgreSQL commits single rows for 32 connections, on the same server.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.api import Api, SandboxConnection, check_accepted, inbound_message, one_message
from bench.databases import ONE_ROW, events_written, prepare_commits, wal_position
from bench.load import closed_loop, send_all
from bench.results import Row
from bench.runs import CLIENTS, Run, interleaved, wait_drained
from bench.servers import running_server

NAMES = ("accept_single", "accept_single_live", "accept_batch", "inbound_accept")
_BATCH = 100
_BATCH_CLIENTS = 8
_CONVERSATIONS = 5_000
_LIMIT = "pgbench, one row a commit, 32 connections"


@dataclass(frozen=True)
class _Load:
    """One kind of request; each carries so many items."""

    make: Callable[[], bytes]
    clients: int = CLIENTS
    items: int = 1


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """The accept rows that are wanted, in turns with their limit."""
    await prepare_commits(run.probe)
    script = run.script("commit", ONE_ROW)
    names = [name for name in NAMES if name in wanted]
    async with running_server(run.data_dir) as server:
        api = Api(server.address, run.credentials.api_key)
        loads = await _loads(run, api)

        def product(name: str) -> Callable[[], Awaitable[float]]:
            return lambda: _accept(run, api, name, loads[name])

        limit_rate, *rates = await interleaved(
            run.rounds,
            lambda: run.database.pgbench(script, CLIENTS, run.seconds),
            *(product(name) for name in names),
        )
    return [Row(name, rate, "items/s", limit_rate, _LIMIT) for name, rate in zip(names, rates, strict=True)]


async def fill(run: Run, api: Api, count: int) -> None:
    """Have at least so many outbound messages in the log, due later."""
    missing = count - int(await run.probe.fetchval("select count(*) from messages"))
    if missing > 0:
        later = await api.create_connection("bench-fill")
        requests = [_batch(run, api, later, _in_an_hour()) for _ in range(missing // _BATCH + 1)]
        await send_all(api.address, _BATCH_CLIENTS, requests, check_accepted)


async def _loads(run: Run, api: Api) -> dict[str, _Load]:
    later = await api.create_connection("bench-later")
    live = await api.create_connection("bench-live", run.sink.address.url)
    due = _in_an_hour()

    def single() -> bytes:
        number = run.number()
        return api.send(later.id, _recipient(number), _text(number), due=due)

    def single_live() -> bytes:
        number = run.number()
        return api.send(live.id, _recipient(number), _text(number))

    def inbound() -> bytes:
        number = run.number()
        return inbound_message(later.webhook_path, f"in-{number}", _recipient(number), _text(number))

    return {
        "accept_single": _Load(single),
        "accept_single_live": _Load(single_live),
        "accept_batch": _Load(lambda: _batch(run, api, later, due), _BATCH_CLIENTS, _BATCH),
        "inbound_accept": _Load(inbound),
    }


async def _accept(run: Run, api: Api, name: str, load: _Load) -> float:
    wal, events = await wal_position(run.probe), await events_written(run.probe)
    found = await closed_loop(api.address, load.clients, run.seconds, load.make, check_accepted)
    wal, events = await wal_position(run.probe) - wal, await events_written(run.probe) - events
    run.facts[f"{name}: WAL bytes an event"] = round(wal / events)
    run.facts[f"{name}: load generator, share of a core"] = round(found.cpu_share, 2)
    await wait_drained(run.probe)
    return found.rate * load.items


def _batch(run: Run, api: Api, connection: SandboxConnection, due: datetime) -> bytes:
    numbers = [run.number() for _ in range(_BATCH)]
    return api.send_many(
        [one_message(connection.id, _recipient(number), _text(number), scheduledAt=due) for number in numbers]
    )


def _in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def _recipient(number: int) -> str:
    return f"someone-{number % _CONVERSATIONS}"


def _text(number: int) -> str:
    return f"bench-{number} Your order is on its way and should reach you on Tuesday before noon."
