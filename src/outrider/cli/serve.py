"""`outrider serve`: runs the server until it is told to stop."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from outrider.cli.arguments import Arguments
from outrider.cli.opening import load_settings
from outrider.core import log
from outrider.core.config import Settings
from outrider.runtime.serving import serve

if TYPE_CHECKING:
    from outrider.runtime.parts import Runtime


async def run(arguments: Arguments) -> int:
    """Serve in the role that was asked for."""
    settings = load_settings(host=arguments.host, port=arguments.port)
    return await serve_logging(settings, role=arguments.role, migrate=arguments.migrate)


async def serve_logging(
    settings: Settings,
    *,
    role: str,
    migrate: bool,
    on_ready: "Callable[[Runtime, int], Awaitable[None]] | None" = None,
) -> int:
    """Serve with the log as the settings want it."""
    log.start(level=cast("log.Level", settings.log_level), sample_successes=settings.log_sample_successes)
    try:
        return await serve(settings, role=role, migrate=migrate, on_ready=on_ready)
    finally:
        log.stop()
