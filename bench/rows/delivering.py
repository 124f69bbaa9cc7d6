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
_SAMPLE_SECONDS = 0.1
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
        samples = await _drain(run.probe, subscription, count)
    wal = await wal_position(run.probe) - wal
    arrived = run.sink.received - received
    if arrived < count:
        raise RuntimeError(f"{count} deliveries are recorded, but {arrived} came to the sink")
    run.facts["deliver_webhook: WAL bytes a delivery"] = round(wal / count)
    run.facts["deliver_webhook: deliveries a round"] = count
    return _rate(samples, count)


async def _drain(probe: Connection, subscription: str, count: int) -> list[tuple[float, int]]:
    """Sample how many deliveries are recorded as done, until all are."""
    left = "select count(*) from delivery_queue where target_id = $1"
    samples = [(time.monotonic(), 0)]
    while samples[-1][1] < count:
        if time.monotonic() > samples[0][0] + _LONGEST_SECONDS:
            raise RuntimeError(
                f"{samples[-1][1]} of {count} webhooks were delivered in {_LONGEST_SECONDS:g} s"
            )
        await asyncio.sleep(_SAMPLE_SECONDS)
        done = count - int(await probe.fetchval(left, subscription))
        samples.append((time.monotonic(), done))
    return samples


def _rate(samples: list[tuple[float, int]], count: int) -> float:
    """The rate from the first tenth on: without the start of the worker, with the tail."""
    began = next(sample for sample in samples if sample[1] >= count * _SETTLING)
    ended = samples[-1]
    if began is ended:
        raise RuntimeError("the worker was done before it could be measured: ask for more --seconds")
    return (ended[1] - began[1]) / (ended[0] - began[0])


def _payload(number: int) -> dict[str, object]:
    return {"order": f"bench-{number}", "carrier": "Somebody's Parcels", "lines": ["x" * 60, "y" * 60]}
