"""A running server: its parts and its listener, on a database that is there and migrated."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn

from outrider.core.config import Settings
from outrider.core.sockets import listen_for_requests
from outrider.runtime.http import Endpoint, Gate, build_app
from outrider.runtime.http_protocol import HttpProtocol
from outrider.runtime.maintaining import Maintenance
from outrider.runtime.operating import operating_endpoint
from outrider.runtime.parts import Runtime
from outrider.runtime.surfaces import NO_SURFACES, open_surfaces
from outrider.runtime.wiring import open_runtime

_ANSWER_SECONDS = 12


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
            listening = stack.enter_context(listen_for_requests(settings))
        runtime = await open_runtime(settings, dsn, role=role)
        stack.push_async_callback(runtime.close)
        maintenance = Maintenance(
            runtime.database.system, runtime.metrics, settings.raw_retention_days, runtime.files.storage
        )
        maintenance.start()
        stack.callback(maintenance.close)
        surfaces = NO_SURFACES if role == "worker" else open_surfaces(runtime)
        gate = Gate(on_close=surfaces.end_feeds)
        app = build_app(surfaces.endpoints, operating_endpoint(runtime, gate), gate)
        await stack.enter_async_context(_answering(app, listening, gate, settings))
        yield RunningServer(runtime, listening.getsockname()[1])


@asynccontextmanager
async def _answering(
    app: Endpoint, listening: socket.socket, gate: Gate, settings: Settings
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
