"""Runs the server: database, schema, parts, listener; and stops them in order.

The parts are `running`'s, which is loaded while the database starts.

A stop goes: not ready, accept nothing, answer what was accepted, finish attempts, hand the shards back, stop
the database if this was its last user.
"""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from outrider.core import log
from outrider.core.config import Settings
from outrider.core.data_dirs import check_files_shared
from outrider.core.database import migrating
from outrider.core.sockets import listen_for_requests, raise_file_limit
from outrider.runtime.database import opened_server

if TYPE_CHECKING:
    from outrider.runtime.parts import Runtime
    from outrider.runtime.running import RunningServer

    Running = Callable[..., AbstractAsyncContextManager[RunningServer]]

_YOUNG_OBJECTS = 20_000


async def serve(
    settings: Settings,
    *,
    role: str = "all",
    migrate: bool = False,
    on_ready: "Callable[[Runtime, int], Awaitable[None]] | None" = None,
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
        listening = stack.enter_context(listen_for_requests(settings))
        # Loading the server's modules takes longer than starting a database: both at once, on a core each.
        loading = asyncio.create_task(asyncio.to_thread(_load))
        stack.callback(loading.cancel)
        dsn = await stack.enter_async_context(opened_server(settings))
        if migrate or await migrating.is_new(dsn):
            await migrating.migrate(dsn)
        await migrating.check_schema(dsn)
        running_server = await loading
        async with running_server(settings, dsn, role=role, listening=listening) as running:
            _spare_the_collector()
            log.info("server.started", outcome="ok", role=role, host=settings.host, port=running.port)
            if on_ready is not None:
                await on_ready(running.runtime, running.port)
            await stopping.wait()
            log.info("server.stopping", outcome="ok")
    log.info("server.stopped", outcome="ok")
    return 0


def _load() -> "Running":
    from outrider.runtime.running import running_server  # noqa: PLC0415

    return running_server


def _spare_the_collector() -> None:
    """Take what lives as long as the process out of the garbage collector's rounds, and make them rarer.

    A flush makes thousands of small objects that reference counting frees; each round over them cost a share of
    the core, and each of the rare long ones walked all that was imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def _stop_signals() -> set[signal.Signals]:
    """SIGHUP is a closed terminal; who started us with `nohup` wants to outlive that."""
    stop = {signal.SIGTERM, signal.SIGINT}
    return stop if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else stop | {signal.SIGHUP}
