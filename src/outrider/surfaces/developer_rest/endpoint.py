"""`/v1`: the developer REST as a raw ASGI callable.

Every answer is JSON with the status that it deserves; a request with a key is counted before it is looked at, and
every answer to it tells how the key stands. `GET /v1/openapi.json` is for everybody.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

import orjson

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, header, read_body, request_id_of, respond
from outrider.core.errors import AppError, UnsupportedMediaType, ValidationError
from outrider.core.metrics import Metrics
from outrider.core.storable import MAX_BYTES
from outrider.core.turns import Turns
from outrider.surfaces.developer_access import Caller, DeveloperAccess
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.statements import BadArgument
from outrider.surfaces.developer_graphql.reading import Reading
from outrider.surfaces.developer_rest import refusing
from outrider.surfaces.developer_rest.documents import Serving
from outrider.surfaces.developer_rest.openapi import OPENAPI_PATH, served_openapi
from outrider.surfaces.developer_rest.routes import Asked, Route, media_type_of
from outrider.surfaces.developer_rest.routing import Router, WrongMethod
from outrider.surfaces.developer_rest.table import ROUTES
from outrider.surfaces.graphql_errors import FieldRefused, RequestRefused
from outrider.tenancy.actors import Actor
from outrider.tenancy.rate_limits import Headers

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
_JSON: Final = b"application/json"
_MESSAGES: Final = "/v1/messages"
_OUTKIT: Final = b"outkit-access-"
_LONGEST_KEY: Final = 255
# Of what all bodies under way may take together they leave a fifth to others.
_UPLOADS_AT_ONCE: Final = 8
_UPLOADS_AT_ONCE_EACH: Final = 4
_TURN_SECONDS: Final = 5.0
_TOO_MANY: Final = "Too many files are being uploaded at once; try again."
_READING: Final = ("GET", "HEAD")


@dataclass(slots=True)
class _Answer:
    """An answer on its way out, and what the log says of it."""

    status: int
    body: bytes
    outcome: str = "ok"
    code: str | None = None
    reason: str | None = None
    headers: Headers = ()


@dataclass(slots=True)
class _Exchange:
    """What becomes known of a request while it is answered."""

    route: Route | None = None
    caller: Caller = field(default_factory=Caller)


class DeveloperRest:
    """The endpoint of one process."""

    def __init__(
        self,
        *,
        access: DeveloperAccess,
        reading: Reading,
        operations: Operations,
        metrics: Metrics,
        submissions: Endpoint,
    ) -> None:
        self._access = access
        self._submissions = submissions
        self._serving = Serving(reading, operations)
        self._metrics = metrics
        self._router = Router(ROUTES)
        self._uploads = Turns(_UPLOADS_AT_ONCE, _UPLOADS_AT_ONCE_EACH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_other_contract(scope):
            await self._submissions(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = _Exchange()
        try:
            answer = await self._answer(scope, receive, exchange)
        except ClientGone:
            return
        request_id = request_id_of(scope)
        self._tell(exchange, answer, request_id, time.perf_counter() - started)
        headers = ((b"x-request-id", request_id), *exchange.caller.limits, *answer.headers)
        if answer.status == 204:
            await send({"type": "http.response.start", "status": 204, "headers": list(headers)})
            await send({"type": "http.response.body", "body": b""})
        else:
            await respond(send, answer.status, answer.body, headers=headers)

    def _tell(self, exchange: _Exchange, answer: _Answer, request_id: bytes, seconds: float) -> None:
        self._metrics.http_requests_total.add("developer_rest", str(answer.status))
        self._metrics.http_request_seconds.observe(seconds, "developer_rest")
        log.wide(
            "rest.answered",
            level="info" if answer.outcome == "ok" else "warning",
            outcome=answer.outcome,
            request_id=request_id.decode(),
            operation=exchange.route.name if exchange.route else None,
            **exchange.caller.logged,
            status=answer.status,
            code=answer.code,
            reason=answer.reason,
            duration_ms=round(seconds * 1000, 2),
        )

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> _Answer:
        try:
            if scope["path"] == OPENAPI_PATH:
                return self._description(scope)
            return await self._carry_out(scope, receive, exchange)
        except AppError as problem:
            return _refused(problem, exchange)
        except (FieldRefused, BadArgument) as refused:
            return _refused(refused.problem, exchange)
        except RequestRefused as refused:
            return _refused(ValidationError(str(refused)), exchange)
        except ClientGone:
            raise
        except Exception as surprise:  # noqa: BLE001 - callers hear nothing of our faults but that there was one
            log.exception("rest.broken", surprise, operation=exchange.route.name if exchange.route else None)
            return _refused(refusing.broken(), exchange, outcome="failed")

    def _description(self, scope: Scope) -> _Answer:
        if scope["method"] not in _READING:
            raise WrongMethod(_READING)
        return _Answer(200, served_openapi().encode())

    async def _carry_out(self, scope: Scope, receive: Receive, exchange: _Exchange) -> _Answer:
        actor = await self._access.admit(scope, exchange.caller)
        route, places = self._router.find(scope["method"], scope["path"])
        exchange.route = route
        async with self._room_for(route, scope, actor):
            asked = await _asked(scope, receive, route, places)
            shown = await route.handle(self._serving, actor, asked)
        return _Answer(route.status, b"" if route.answer is None else orjson.dumps(shown))

    def _room_for(self, route: Route, scope: Scope, actor: Actor) -> AbstractAsyncContextManager[None]:
        """Room in memory for a body that is large, from before it is read until it is dealt with."""
        content_type = header(scope, b"content-type") or b""
        if route.media.get(media_type_of(content_type), 0) <= MAX_BYTES:
            return nullcontext()
        return self._uploads.taken(actor.organisation_id, _TOO_MANY, within=_TURN_SECONDS)


def is_other_contract(scope: Scope) -> bool:
    """Tell the two contracts apart that share `/v1/messages`: any `Outkit-Access-*` header selects Outkit's."""
    path: str = scope["path"]
    return (path == _MESSAGES or path.startswith(f"{_MESSAGES}/")) and any(
        name.startswith(_OUTKIT) for name, _value in scope["headers"]
    )


async def _asked(scope: Scope, receive: Receive, route: Route, places: dict[str, str]) -> Asked:
    if scope["query_string"] and not route.parameters:
        raise ValidationError("There are no parameters here.", path="query")
    content_type = header(scope, b"content-type") or b""
    limit = route.media.get(media_type_of(content_type))
    body = await read_body(scope, receive, limit=limit or MAX_BYTES)
    if body and limit is None:
        raise UnsupportedMediaType
    key = header(scope, b"idempotency-key") if route.takes_key else None
    return Asked(places, scope["query_string"], body, content_type, _checked_key(key))


def _checked_key(key: bytes | None) -> str | None:
    if key is None:
        return None
    text = key.decode("latin-1")
    if not 0 < len(text) <= _LONGEST_KEY or not (text.isascii() and text.isprintable()):
        raise ValidationError(
            f"Idempotency-Key must have 1 to {_LONGEST_KEY} printable ASCII characters.",
            path="Idempotency-Key",
        )
    return text


def _refused(problem: AppError, exchange: _Exchange, outcome: str = "refused") -> _Answer:
    names: Mapping[str, str] = exchange.route.names if exchange.route else {}
    return _Answer(
        refusing.status_of(problem),
        refusing.body_of(problem, names),
        outcome,
        problem.code,
        problem.message,
        refusing.headers_of(problem),
    )
