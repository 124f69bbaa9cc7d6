"""What an operator's tools ask a process: whether it runs, whether it can take work, and its numbers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeAlias

import orjson

from outrider.core import log
from outrider.core.asgi import Receive, Scope, Send, respond
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.metrics import CONTENT_TYPE
from outrider.runtime import cross_tenant
from outrider.runtime.http import Endpoint, Gate
from outrider.runtime.parts import Runtime

_MAX_QUEUE_AGE_SECONDS = 300.0
_MOMENT_SECONDS = 0.5
_READING: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a tool is told."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


_Tell: TypeAlias = Callable[[], Awaitable[_Answer]]


def _envelope(code: str, message: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "details": {}}})


_NOT_FOUND: Final = _Answer(404, _envelope("NOT_FOUND", "There is nothing at this address."))
_WRONG_METHOD: Final = _Answer(
    405, _envelope("METHOD_NOT_ALLOWED", "Only GET is allowed here."), headers=((b"allow", b"GET, HEAD"),)
)
_BROKEN: Final = _Answer(500, _envelope("INTERNAL_ERROR", "Something went wrong."))
_HEALTHY: Final = _Answer(200, orjson.dumps({"status": "ok"}))


def operating_endpoint(runtime: Runtime, gate: Gate) -> Endpoint:
    """`/healthz`, `/readyz` and `/metrics`; every other path is told that there is nothing."""
    readiness = _Readiness(runtime, gate)

    async def metrics() -> _Answer:
        return _Answer(200, _render_metrics(runtime), CONTENT_TYPE.encode())

    tellers: Mapping[str, _Tell] = {"/healthz": _tell_health, "/readyz": readiness.tell, "/metrics": metrics}

    async def operating(scope: Scope, _receive: Receive, send: Send) -> None:
        answer = await _answer(tellers.get(scope["path"].rstrip("/")), scope)
        await respond(
            send, answer.status, answer.body, content_type=answer.content_type, headers=answer.headers
        )

    return operating


async def _answer(tell: _Tell | None, scope: Scope) -> _Answer:
    if tell is None:
        return _NOT_FOUND
    if scope["method"] not in _READING:
        return _WRONG_METHOD
    try:
        return await tell()
    except Exception as surprise:  # noqa: BLE001 - logged here, told to nobody
        log.exception("http.broken", surprise, path=scope["path"])
        return _BROKEN


async def _tell_health() -> _Answer:
    """The process runs."""
    return _HEALTHY


def _render_metrics(runtime: Runtime) -> bytes:
    """All numbers in Prometheus' text format."""
    runtime.metrics.append_queue_depth.set(runtime.appender.queued)
    runtime.metrics.deliveries_in_flight.set(runtime.dispatcher.in_flight)
    runtime.metrics.shards_owned.set(runtime.dispatcher.shards_owned)
    return runtime.metrics.render()


class _Readiness:
    """Asks the database once for all who want to know at the same time: anybody may ask."""

    def __init__(self, runtime: Runtime, gate: Gate) -> None:
        self._runtime = runtime
        self._gate = gate
        self._answer: asyncio.Task[dict[str, str]] | None = None
        self._asked_at = 0.0

    async def tell(self) -> _Answer:
        """The process can take work: database, migrations, partitions, and the age of the queue."""
        checks = await self._checks()
        checks["accepting"] = "ok" if self._gate.is_open else "stopping"
        is_ready = all(value == "ok" for value in checks.values())
        told = {"status": "ok" if is_ready else "unavailable", "checks": checks}
        return _Answer(200 if is_ready else 503, orjson.dumps(told))

    async def _checks(self) -> dict[str, str]:
        """What each check says, at most a moment ago."""
        if self._answer is None or (self._answer.done() and monotonic() - self._asked_at > _MOMENT_SECONDS):
            self._asked_at = monotonic()
            self._answer = asyncio.create_task(_checks(self._runtime))
        return dict(await asyncio.shield(self._answer))


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
