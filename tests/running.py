"""Whole processes on a database of a test's own, what stands between them and it, and who listens to them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
from aiohttp import web

from outrider.core.database.migrating import migrate
from outrider.dispatch.leases import LeaseLimits
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.runtime.wiring import open_runtime
from outrider.tenancy.connections import CreatedConnection, NewConnection, create_connection
from outrider.webhooks.subscriptions import NewSubscription, create_subscription
from tests.conftest import settings_for
from tests.tenants import Tenant

SECRET = "whsec_" + "c2VjcmV0" * 6
QUICK = LeaseLimits(beat_seconds=0.1, lease_seconds=1.5, fence_seconds=1.0)
"""Leases that run out while a test waits."""


@asynccontextmanager
async def new_database(dsn: str, name: str) -> AsyncGenerator[str]:
    """A migrated database beside the one of `dsn`."""
    beside = urlsplit(dsn)
    own = beside._replace(path=f"{beside.path}_{name}").geturl()
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"drop database if exists {beside.path[1:]}_{name} with (force)")
        await connection.execute(f"create database {beside.path[1:]}_{name}")
        await migrate(own)
        yield own
    finally:
        await connection.execute(f"drop database if exists {beside.path[1:]}_{name} with (force)")
        await connection.close()


@asynccontextmanager
async def running(
    dsn: str, folder: Path, *, role: str = "all", leases: LeaseLimits = QUICK, **settings: str
) -> AsyncGenerator[Runtime]:
    """A process's parts, stopped in order at the end unless they were made to `vanish`."""
    runtime = await open_runtime(settings_for(folder, dsn, **settings), dsn, role=role, lease_limits=leases)
    try:
        yield runtime
    finally:
        await runtime.close()


async def vanish(runtime: Runtime) -> None:
    """End a process's work as `kill -9` does: nothing is finished, handed back or told."""
    dispatcher, appender = runtime.dispatcher, runtime.appender
    dispatcher._is_closing = True
    tasks = [dispatcher._reader, dispatcher.leases._task, appender._task, runtime.waiters._task]
    tasks += list(dispatcher._attempts)
    for task in tasks:
        if task is not None:
            task.cancel()
    await asyncio.wait([task for task in tasks if task is not None])
    await runtime.listener.close()
    if appender._connection is not None:
        appender._connection.terminate()
    await runtime.database.close()
    dispatcher.leases.close = _nothing  # type: ignore[method-assign]


async def _nothing(*_: object) -> None:
    pass


async def connect_sandbox(
    runtime: Runtime,
    tenant: Tenant,
    *,
    channel: Channel = Channel.TELEGRAM,
    in_doubt_policy: str = "retry",
    config: Mapping[str, object] | None = None,
) -> CreatedConnection:
    """A connection of the sandbox."""
    new = NewConnection(
        channel=channel,
        name="Sandbox",
        provider="sandbox",
        config=dict(config or {}),
        in_doubt_policy=in_doubt_policy,
    )
    return await create_connection(runtime.tenancy, tenant.actor, new)


async def subscribe(runtime: Runtime, tenant: Tenant, url: str, *patterns: str) -> UUID:
    """A subscription that is signed with `SECRET`."""
    new = NewSubscription(name="sub", target_url=url, patterns=patterns or ("*",), secret=SECRET)
    return (await create_subscription(runtime.tenancy, tenant.actor, new)).id


async def until(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool], *, seconds: float = 10.0
) -> None:
    """Wait for what must come about; fails when it does not."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Heard:
    """A request that the sink got."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Sink:
    """An endpoint that keeps what it hears; answers by path, first come first served, then 200."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: dict[str, deque[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def at(self, path: str) -> list[Heard]:
        """What came to a path."""
        return [one for one in self.heard if one.path == path]

    def will_answer(self, path: str, *statuses: int, **headers: str) -> None:
        """Answer the next requests to a path so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(path, deque()).extend((status, named) for status in statuses)


@asynccontextmanager
async def listening() -> AsyncGenerator[Sink]:
    """A sink on loopback."""
    sink = Sink()

    async def take(request: web.Request) -> web.Response:
        sink.heard.append(
            Heard(request.path, {k.lower(): v for k, v in request.headers.items()}, await request.read())
        )
        number = len(sink.heard)
        await asyncio.sleep(sink.seconds.get(request.path, 0))
        waiting = sink.answers.get(request.path)
        status, headers = waiting.popleft() if waiting else (200, {})
        return web.json_response({"id": f"ext-{number}"}, status=status, headers=headers)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sink
    finally:
        await runner.cleanup()


@dataclass
class Proxy:
    """Stands before the database and can be paused, shut, or made to lose one answer."""

    dsn: str
    is_open: bool = True
    loses_answer: bool = False
    lost: int = 0
    passes: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def shut(self) -> None:
        """Break every connection and take no new one."""
        self.is_open = False
        self.cut()

    async def take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: str
    ) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        if host.startswith("/"):
            there_reader, there_writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        self._writers |= {writer, there_writer}
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._pump(reader, there_writer, is_answer=False),
                self._pump(there_reader, writer, is_answer=True),
            )
        self._writers -= {writer, there_writer}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self.passes.wait()
                if is_answer and self.loses_answer:
                    self.loses_answer = False
                    self.lost += 1
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxied(dsn: str) -> AsyncGenerator[Proxy]:
    """The same database behind a proxy."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    host = (query.get("host") or [parts.hostname or "127.0.0.1"])[0]
    port = (query.get("port") or [str(parts.port or 5432)])[0]
    proxy = Proxy("")
    proxy.passes.set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await proxy.take(reader, writer, host, port)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    own_port = server.sockets[0].getsockname()[1]
    proxy.dsn = (
        f"postgresql://{parts.username or 'postgres'}@127.0.0.1:{own_port}{parts.path}?sslmode=disable"
    )
    try:
        yield proxy
    finally:
        server.close()
        proxy.shut()
