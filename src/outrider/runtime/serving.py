"""Runs the server: database, schema, parts, listener; and stops them in order.

A stop goes: not ready, accept nothing, answer what was accepted, finish attempts, hand the shards back, stop
the database if this was its last user.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from litestar.types import ASGIApp

from outrider.core import log
from outrider.core.config import Settings
from outrider.core.data_dirs import check_files_shared
from outrider.core.database import migrating
from outrider.core.sockets import listen_on
from outrider.runtime.database import opened_server
from outrider.runtime.http import Gate, build_app
from outrider.runtime.http_protocol import HttpProtocol, raise_file_limit
from outrider.runtime.maintaining import Maintenance
from outrider.runtime.surfaces import NO_SURFACES, open_surfaces
from outrider.runtime.wiring import Runtime, open_runtime

_ANSWER_SECONDS = 12
_YOUNG_OBJECTS = 20_000


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers on `port`."""

    runtime: Runtime
    port: int


@asynccontextmanager
async def running_server(
    settings: Settings, dsn: str, *, role: str = "all", listening: socket.socket | None = None
) -> AsyncGenerator[RunningServer]:
    """A server on a migrated database, answering until the block ends.

    It answers on the socket that it is given, else on the address of the settings (port 0: any free one).
    """
    async with contextlib.AsyncExitStack() as stack:
        if listening is None:
            listening = stack.enter_context(_listen(settings))
        runtime = await open_runtime(settings, dsn, role=role)
        stack.push_async_callback(runtime.close)
        maintenance = Maintenance(
            runtime.database.system, runtime.metrics, settings.raw_retention_days, runtime.files.storage
        )
        maintenance.start()
        stack.callback(maintenance.close)
        surfaces = NO_SURFACES if role == "worker" else open_surfaces(runtime)
        gate = Gate(on_close=surfaces.end_feeds)
        app = build_app(runtime, surfaces.exact, surfaces.prefixed, gate)
        await stack.enter_async_context(_answering(app, listening, gate, settings))
        yield RunningServer(runtime, listening.getsockname()[1])


@asynccontextmanager
async def _answering(
    app: ASGIApp, listening: socket.socket, gate: Gate, settings: Settings
) -> AsyncGenerator[None]:
    """Answer requests until the block ends, then answer what was accepted."""
    server = _Uvicorn(
        uvicorn.Config(
            app,
            http=HttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=4096,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_ANSWER_SECONDS,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
    )
    serving = asyncio.create_task(server.serve([listening]), name="http")
    started = asyncio.create_task(server.has_started.wait())
    try:
        await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()  # raises why it could not begin
        yield
    finally:
        gate.close()
        server.should_exit = True
        started.cancel()
        await serving


async def serve(
    settings: Settings,
    *,
    role: str = "all",
    migrate: bool = False,
    on_ready: Callable[[Runtime, int], Awaitable[None]] | None = None,
) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; returns the exit status. `on_ready` runs once requests are answered.

    Raises `FilesNotShared` and `CannotListen` before anything else is done, `SchemaMismatch` on an outdated or newer
    schema unless `migrate`, and `UnsafeServer` for a database that could lose messages.
    """
    check_files_shared(settings.files_dir, is_shared=settings.files_shared, role=role)
    raise_file_limit()
    stopping = asyncio.Event()
    for number in _stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with contextlib.AsyncExitStack() as stack:
        listening = stack.enter_context(_listen(settings))
        dsn = await stack.enter_async_context(opened_server(settings))
        if migrate or await migrating.is_new(dsn):
            await migrating.migrate(dsn)
        await migrating.check_schema(dsn)
        async with running_server(settings, dsn, role=role, listening=listening) as running:
            _spare_the_collector()
            log.info("server.started", outcome="ok", role=role, host=settings.host, port=running.port)
            if on_ready is not None:
                await on_ready(running.runtime, running.port)
            await stopping.wait()
            log.info("server.stopping", outcome="ok")
    log.info("server.stopped", outcome="ok")
    return 0


def _spare_the_collector() -> None:
    """Take what lives as long as the process out of the garbage collector's rounds, and make them rarer.

    A flush makes thousands of small objects that reference counting frees; each round over them cost a share of
    the core, and each of the rare long ones walked all that was imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


class _Uvicorn(uvicorn.Server):
    """uvicorn that tells when it listens, without its own signal handlers: `serve` has the process's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextlib.contextmanager
    def capture_signals(self):  # pyright: ignore[reportIncompatibleMethodOverride, reportUnknownParameterType, reportMissingParameterType]
        yield


def _listen(settings: Settings) -> socket.socket:
    remedy = "OUTRIDER_PORT or --port chooses another port."
    return listen_on(settings.host, settings.port, remedy=remedy)


def _stop_signals() -> set[signal.Signals]:
    """SIGHUP is a closed terminal; who started us with `nohup` wants to outlive that."""
    stop = {signal.SIGTERM, signal.SIGINT}
    return stop if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else stop | {signal.SIGHUP}
