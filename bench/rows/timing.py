"""Latency at a fixed pace: from the moment a message should be sent to its arrival at the platform's side.

The limit is one commit of one row plus one HTTP exchange with the same sink, at the same pace.
"""

import statistics
import time

import asyncpg

from bench.api import Api, check_accepted
from bench.databases import ONE_ROW, prepare_commits
from bench.http_client import encode_request
from bench.load import ConnectionPool, paced
from bench.results import Row
from bench.runs import Run, wait_drained
from bench.servers import running_server

NAMES = ("latency_p50_ms", "latency_p99_ms")
PACE = 500
_CONNECTIONS = 64
_LIMIT = "one commit plus one HTTP exchange at the same pace"


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """Both percentiles, the limit measured before and after the product."""
    await prepare_commits(run.probe)
    seconds = run.seconds * run.rounds
    limits = await _limit(run, seconds / 2)
    product = await _product(run, seconds)
    limits += await _limit(run, seconds / 2)
    run.facts["latency: messages"] = len(product)
    return [
        Row(name, _percentile(product, percent), "ms", _percentile(limits, percent), _LIMIT)
        for name, percent in zip(NAMES, (50, 99), strict=True)
        if name in wanted
    ]


async def _product(run: Run, seconds: float) -> list[float]:
    async with running_server(run.data_dir) as server, ConnectionPool(server.address, _CONNECTIONS) as pool:
        api = Api(server.address, run.credentials.api_key)
        connection = await api.create_connection("bench-latency", run.sink.address.url)
        begun: dict[int, int] = {}
        received = run.sink.received

        async def send(turn: int) -> None:
            number = run.number()
            begun[number] = time.monotonic_ns()
            request = api.send(connection.id, f"someone-{turn}", f"bench-{number} Hello there, how are you?")
            async with pool.connection() as free:
                check_accepted(await free.request(request))

        await paced(PACE, PACE, send)
        await wait_drained(run.probe)
        begun.clear()
        await paced(PACE, round(PACE * seconds), send)
        await wait_drained(run.probe)
    arrivals = run.sink.arrivals(received)
    return [(arrivals[number] - at) / 1e6 for number, at in begun.items()]


async def _limit(run: Run, seconds: float) -> list[float]:
    address = run.sink.address
    request = encode_request("POST", "/messages", {"content-type": "application/json"}, b"x" * 400)
    found: list[float] = []
    commits = await asyncpg.create_pool(
        run.database.dsn, min_size=8, max_size=8, server_settings={"synchronous_commit": "on"}
    )
    async with commits, ConnectionPool(address, _CONNECTIONS) as pool:

        async def work(_: int) -> None:
            begun = time.monotonic_ns()
            await commits.execute(ONE_ROW)
            async with pool.connection() as free:
                await free.request(request)
            found.append((time.monotonic_ns() - begun) / 1e6)

        await paced(PACE, round(PACE * seconds), work)
    return found


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
