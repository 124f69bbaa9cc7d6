"""`/api/v1`, the read API, as a raw ASGI callable. Every refusal is a problem document."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.asgi import Receive, Scope, Send, request_id_of, respond
from outrider.core.errors import (
    AppError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
    Unavailable,
)
from outrider.core.metrics import Metrics
from outrider.surfaces.developer_access import bearer_token
from outrider.surfaces.outbound_rest.parameters import read_query
from outrider.surfaces.outbound_rest.problems import ALLOWED, MEDIA_TYPE, refusal_of
from outrider.surfaces.outbound_rest.routes import Asked, Library, Route, find_route, id_in
from outrider.tenancy.rate_limits import Headers
from outrider.tenancy.read_keys import Reader
from outrider.tenancy.read_limits import ReadLimitState

_JSON: Final = b"application/json"
_ALLOW: Final = (b"allow", ", ".join(ALLOWED).encode())
_NO_ID: Final = UUID(int=0)
# The words of the contract.
_BAD_KEY: Final = "The presented API key is not valid."


@dataclass(frozen=True, slots=True)
class ReaderAccess:
    """The door of the read API."""

    authenticate: Callable[[str], Awaitable[Reader]]
    count: Callable[[UUID], Awaitable[ReadLimitState]]
    """Counts one request of a key; raises `ReadRateExceeded`, whose headers tell how it stands."""
    note_use: Callable[[Reader], None]


@dataclass(slots=True)
class _Exchange:
    """What becomes known of a request while it is answered."""

    route: Route | None = None
    reader: Reader | None = None
    limits: Headers = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    content_type: bytes = _JSON
    headers: Headers = ()
    outcome: str = "ok"
    slug: str | None = None
    reason: str | None = None


class OutboundRest:
    """The endpoint of one process; `errors_url` is what the `type` of a problem begins with."""

    def __init__(self, *, access: ReaderAccess, library: Library, metrics: Metrics, errors_url: str) -> None:
        self._access = access
        self._library = library
        self._metrics = metrics
        self._errors_url = errors_url

    async def refuse_all(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer while the server stops."""
        answer = self._refused(Unavailable("The server is stopping."))
        headers = ((b"x-request-id", request_id_of(scope)), (b"connection", b"close"), *answer.headers)
        await respond(send, answer.status, answer.body, content_type=answer.content_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, exchange = time.perf_counter(), _Exchange()
        answer = await self._answer(scope, exchange)
        request_id = request_id_of(scope)
        self._tell(exchange, answer, request_id, time.perf_counter() - started)
        headers = ((b"x-request-id", request_id), *exchange.limits, *answer.headers)
        if answer.status == 204:
            await send({"type": "http.response.start", "status": 204, "headers": list(headers)})
            await send({"type": "http.response.body", "body": b""})
        else:
            await respond(send, answer.status, answer.body, content_type=answer.content_type, headers=headers)

    def _tell(self, exchange: _Exchange, answer: _Answer, request_id: bytes, seconds: float) -> None:
        self._metrics.http_requests_total.add("outbound_rest", str(answer.status))
        self._metrics.http_request_seconds.observe(seconds, "outbound_rest")
        reader = exchange.reader
        log.wide(
            "reads.answered",
            level="info" if answer.outcome == "ok" else "warning",
            outcome=answer.outcome,
            request_id=request_id.decode(),
            operation=exchange.route.name if exchange.route else None,
            organisation_id=reader.organisation_id if reader else None,
            read_key_id=reader.key_id if reader else None,
            status=answer.status,
            code=answer.slug,
            reason=answer.reason,
            duration_ms=round(seconds * 1000, 2),
        )

    async def _answer(self, scope: Scope, exchange: _Exchange) -> _Answer:
        try:
            return await self._carry_out(scope, exchange)
        except AppError as problem:
            return self._refused(problem)
        except Exception as surprise:  # noqa: BLE001 - callers hear nothing of our faults but that there was one
            log.exception("reads.broken", surprise, operation=exchange.route.name if exchange.route else None)
            return self._refused(InternalError(), "failed")

    async def _carry_out(self, scope: Scope, exchange: _Exchange) -> _Answer:
        found, method = find_route(scope["path"]), scope["method"]
        exchange.route = found[0] if found else None
        if method == "OPTIONS" and found:
            return _Answer(204, b"", headers=(_ALLOW,))
        reader = await self._admit(scope, exchange)
        if found is None:
            raise NotFound
        if method not in ALLOWED:
            raise MethodNotAllowed
        route, text = found
        given = read_query(scope["query_string"], route.parameters)
        asked = Asked(reader, given, id_in(text) if text else _NO_ID)
        return _Answer(200, orjson.dumps(await route.answer(self._library, asked), default=str))

    async def _admit(self, scope: Scope, exchange: _Exchange) -> Reader:
        token = bearer_token(scope)
        if token is None:
            raise Unauthorized(_BAD_KEY)
        reader = exchange.reader = await self._access.authenticate(token)
        self._access.note_use(reader)
        exchange.limits = (await self._access.count(reader.key_id)).headers()
        return reader

    def _refused(self, problem: AppError, outcome: str = "refused") -> _Answer:
        refusal = refusal_of(problem)
        return _Answer(
            refusal.problem.status,
            refusal.body(self._errors_url),
            MEDIA_TYPE,
            refusal.headers,
            outcome,
            refusal.problem.slug,
            refusal.detail,
        )
