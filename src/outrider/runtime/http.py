"""The ASGI application: the hot endpoints are raw ASGI callables in front, everything else is Litestar's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias

from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from outrider.core import log
from outrider.core.asgi import Receive, Scope, Send, respond
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.metrics import CONTENT_TYPE
from outrider.runtime import cross_tenant
from outrider.runtime.wiring import Runtime

_HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
_MAX_QUEUE_AGE_SECONDS = 300.0
_MOMENT_SECONDS = 0.5
_STOPPING = b'{"error":{"code":"UNAVAILABLE","message":"The server is stopping.","details":{}}}'


Endpoint: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Gate:
    """Whether requests are let in; closed at the beginning of a stop, which is when `on_close` is called."""

    is_open: bool = True
    on_close: Callable[[], None] | None = None

    def close(self) -> None:
        """Let nobody in any more, and end what would go on for ever."""
        self.is_open = False
        if self.on_close is not None:
            self.on_close()


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What answers, by the path or by the first part of it; `stopping` does once nobody is let in any more."""

    exact: Mapping[str, Endpoint]
    prefixed: Mapping[str, Endpoint]
    stopping: Mapping[str, Endpoint]


def build_app(runtime: Runtime, endpoints: Endpoints, gate: Gate) -> ASGIApp:
    """The application of one process; a worker has no endpoints."""
    routes = Litestar(
        route_handlers=[*_health(runtime, gate)],
        exception_handlers={Exception: _broken},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return _front(endpoints, routes, gate) if endpoints.exact else routes


def _front(endpoints: Endpoints, routes: ASGIApp, gate: Gate) -> ASGIApp:
    """The hot endpoints by their path, before the framework: its wrapping costs a tenth of a request."""
    exact, prefixed = endpoints.exact, endpoints.prefixed

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        begins = path[: path.find("/", 1) + 1]
        hot = exact.get(path) or prefixed.get(begins)
        if hot is None:
            await routes(scope, receive, send)  # pyright: ignore[reportArgumentType] -- plain ASGI
            return
        if gate.is_open:
            await hot(scope, receive, send)
        elif begins in endpoints.stopping:
            await endpoints.stopping[begins](scope, receive, send)
        else:
            await respond(send, 503, _STOPPING, headers=[(b"connection", b"close")])

    return front  # pyright: ignore[reportReturnType] -- litestar's types of ASGI are narrower than ASGI


def _broken(request: Request[object, object, State], error: Exception) -> Response[dict[str, object]]:
    """A surprise in a route of Litestar's: logged here, told to nobody."""
    if isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code, "VALIDATION_ERROR")
        return Response(_envelope(code, error.detail), status_code=error.status_code, headers=error.headers)
    log.exception("http.broken", error, path=request.url.path)
    return Response(_envelope("INTERNAL_ERROR", "Something went wrong."), status_code=500)


def _envelope(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "details": {}}}


class _Readiness:
    """Asks the database once for all who want to know at the same time: anybody may ask."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._answer: asyncio.Task[dict[str, str]] | None = None
        self._asked_at = 0.0

    async def checks(self) -> dict[str, str]:
        """What each check says, at most a moment ago."""
        if self._answer is None or (self._answer.done() and monotonic() - self._asked_at > _MOMENT_SECONDS):
            self._asked_at = monotonic()
            self._answer = asyncio.create_task(_checks(self._runtime))
        return dict(await asyncio.shield(self._answer))


def _health(runtime: Runtime, gate: Gate) -> list[HTTPRouteHandler]:
    readiness = _Readiness(runtime)

    @get("/healthz", media_type="application/json")
    async def healthz() -> dict[str, str]:
        """The process runs."""
        return {"status": "ok"}

    @get("/readyz", media_type="application/json")
    async def readyz() -> Response[dict[str, object]]:
        """The process can take work: database, migrations, partitions, and the age of the queue."""
        checks = await readiness.checks()
        checks["accepting"] = "ok" if gate.is_open else "stopping"
        is_ready = all(value == "ok" for value in checks.values())
        return Response(
            {"status": "ok" if is_ready else "unavailable", "checks": checks},
            status_code=200 if is_ready else 503,
        )

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        """All numbers in Prometheus' text format."""
        runtime.metrics.append_queue_depth.set(runtime.appender.queued)
        runtime.metrics.deliveries_in_flight.set(runtime.dispatcher.in_flight)
        runtime.metrics.shards_owned.set(runtime.dispatcher.shards_owned)
        return Response(runtime.metrics.render(), media_type=CONTENT_TYPE)

    return [healthz, readyz, metrics]


async def _checks(runtime: Runtime) -> dict[str, str]:
    pool = runtime.database.system
    try:
        ahead = await cross_tenant.count_partitions_ahead(pool)
        age = await runtime.dispatcher.neglected_seconds()
    except STATEMENT_FAULTS as error:
        return {"database": type(error).__name__}
    return {
        "database": "ok",
        "migrations": "ok",
        "partitions": "ok" if ahead else "no partition for the coming month",
        "queue": "ok" if age <= _MAX_QUEUE_AGE_SECONDS else f"due work was left for {age:.0f} s",
        "disk": "ok" if runtime.disk.may_accept_new_facts() else "nearly full",
    }
