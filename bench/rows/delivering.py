"""Delivery of webhooks: events accepted while no worker runs, then the rate at which a worker empties the queue.

The limit is a bare aiohttp loop that posts bodies of the same size to the same sink from one process.
"""

import asyncio
import sys
import time
from pathlib import Path

from bench.api import Api, check_accepted
from bench.databases import Connection, events_written, wal_position
from bench.http_client import Address
from bench.load import send_all
from bench.processes import free_address, running
from bench.processes import run as run_command
from bench.results import Row
from bench.runs import Run, interleaved
from bench.servers import running_server, start_server

NAMES = ("deliver_webhook",)
_EXPECTED_RATE = 4_000
_EVENT_TYPE = "order.shipped"
_LONGEST_SECONDS = 120.0
_SETTLING = 0.1
_BARE_POST = Path(__file__).parent.parent / "bare_post.py"


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """The row, each round with its limit."""
    del wanted
    async with running_server(run.data_dir, role="api") as server:
        api = Api(server.address, run.credentials.api_key)
        subscription = await api.subscribe("bench-hook", f"{run.sink.address.url}/hook", [_EVENT_TYPE])
        limit, rate = await interleaved(
            run.rounds, lambda: _bare(run.sink.address, run.seconds), lambda: _deliver(run, api, subscription)
        )
    return [
        Row("deliver_webhook", rate, "webhooks/s", limit, f"bare aiohttp loop, one core, to {run.sink.name}")
    ]


async def _bare(sink: Address, seconds: float) -> float:
    return float(await run_command(sys.executable, _BARE_POST, f"{sink.url}/hook", str(seconds)))


async def _deliver(run: Run, api: Api, subscription: str) -> float:
    count = round(run.seconds * _EXPECTED_RATE)
    requests = [api.create_event(_EVENT_TYPE, _payload(run.number())) for _ in range(count)]
    before = await events_written(run.probe)
    await send_all(api.address, 64, requests, check_accepted)
    assert await events_written(run.probe) - before == count
    received, wal = run.sink.received, await wal_position(run.probe)
    worker = await start_server(run.data_dir, free_address(), role="worker")
    async with running(worker.process):
        await _wait_received(run, received + round(count * _SETTLING))
        began, begun_with = time.monotonic(), run.sink.received - received
        await _wait_received(run, received + count)
        await _wait_recorded(run.probe, subscription)
        seconds = time.monotonic() - began
    run.facts["deliver_webhook: WAL bytes a delivery"] = round((await wal_position(run.probe) - wal) / count)
    run.facts["deliver_webhook: deliveries a round"] = count
    return (count - begun_with) / seconds


async def _wait_received(run: Run, count: int) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while run.sink.received < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count - run.sink.received} webhooks did not come in {_LONGEST_SECONDS:g} s")
        await asyncio.sleep(0.01)


async def _wait_recorded(probe: Connection, subscription: str) -> None:
    left = "select count(*) from delivery_queue where shard = shard_of($1) and target_id = $1"
    deadline = time.monotonic() + _LONGEST_SECONDS
    while remaining := int(await probe.fetchval(left, subscription)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{remaining} webhooks were never recorded as delivered")
        await asyncio.sleep(0.01)


def _payload(number: int) -> dict[str, object]:
    return {"order": f"bench-{number}", "carrier": "Somebody's Parcels", "lines": ["x" * 60, "y" * 60]}
