"""Load: a fixed number of clients as fast as they are answered, or a fixed pace whatever the answers do."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from bench.http_client import Address, HttpConnection, Response, connect

_WARM_UP = 0.15


@dataclass(frozen=True)
class Measured:
    """What a closed loop did after its warm-up."""

    requests: int
    seconds: float
    cpu_share: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


async def closed_loop(
    address: Address,
    clients: int,
    seconds: float,
    make: Callable[[], bytes],
    check: Callable[[Response], None],
) -> Measured:
    """Each client sends its next request when the one before is answered; what is refused ends the run."""
    connections = await asyncio.gather(*(connect(address) for _ in range(clients)))
    warm_up = seconds * _WARM_UP
    counting = time.monotonic() + warm_up
    ending = counting + seconds
    cpu_at: list[float] = []
    answered = 0

    async def client(connection: HttpConnection) -> None:
        nonlocal answered
        while (now := time.monotonic()) < ending:
            check(await connection.request(make()))
            answered += now >= counting

    async def watch() -> None:
        await asyncio.sleep(warm_up)
        cpu_at.append(time.process_time())
        await asyncio.sleep(seconds)
        cpu_at.append(time.process_time())

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch())
            for connection in connections:
                group.create_task(client(connection))
    finally:
        for connection in connections:
            connection.close()
    return Measured(answered, time.monotonic() - counting, (cpu_at[1] - cpu_at[0]) / seconds)


async def send_all(
    address: Address, clients: int, requests: list[bytes], check: Callable[[Response], None]
) -> None:
    """Send a given set of requests, once each, as fast as they are answered."""
    left = list(reversed(requests))

    async def client() -> None:
        connection = await connect(address)
        try:
            while left:
                check(await connection.request(left.pop()))
        finally:
            connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())


class ConnectionPool:
    """Open connections for requests that do not wait for each other; who finds none free waits for one."""

    def __init__(self, address: Address, size: int) -> None:
        self._address = address
        self._size = size
        self._free: asyncio.Queue[HttpConnection] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        for _ in range(self._size):
            self._free.put_nowait(await connect(self._address))
        return self

    async def __aexit__(self, *_: object) -> None:
        while not self._free.empty():
            self._free.get_nowait().close()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[HttpConnection, None]:
        """A connection of one's own for a while."""
        free = await self._free.get()
        try:
            yield free
        finally:
            self._free.put_nowait(free)


async def paced(per_second: int, count: int, work: Callable[[int], Awaitable[None]]) -> None:
    """Begin one piece of work after another at a fixed pace and wait until all are done."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            ahead = began + number / per_second - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            group.create_task(_run(work, number))


async def _run(work: Callable[[int], Awaitable[None]], number: int) -> None:
    await work(number)
