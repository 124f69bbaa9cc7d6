"""`POST /`: the developer GraphQL API as a raw ASGI callable.

A request that could be carried out answers 200, with `errors` for what was refused; 401 without a valid key, 429
when there were too many, 400 for what is no valid request of this schema (405, 413, 415 where HTTP says so). A
browser's `GET /` gets a page on which the API can be tried.
"""

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, header, read_body, respond
from outrider.core.database.pools import Database
from outrider.core.errors import AppError, ErrorKind
from outrider.core.metrics import Metrics
from outrider.surfaces.developer_access import DeveloperAccess
from outrider.surfaces.developer_graphql import errors, playground
from outrider.surfaces.developer_graphql.documents import Documents
from outrider.surfaces.developer_graphql.errors import FieldRefused, RequestRefused
from outrider.surfaces.developer_graphql.mutating import answer_mutation
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.statements import Call
from outrider.surfaces.developer_graphql.reading import Reading, answer_query
from outrider.surfaces.developer_graphql.requests import MOST_BYTES, parse_request
from outrider.tenancy.actors import Actor
from outrider.tenancy.rate_limits import Headers, RateExceeded

_JSON: Final = (b"application/json", b"application/graphql-response+json")
_HTML: Final = b"text/html; charset=utf-8"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# Whole requests that are refused so before anything is carried out; all else answers 200 with `errors`.
_OWN_STATUS: Final = {ErrorKind.UNAUTHENTICATED: 401, ErrorKind.RATE_LIMITED: 429, ErrorKind.TOO_LARGE: 413}


@dataclass(slots=True)
class _Answer:
    """An answer on its way out, and what the log says of it."""

    status: int
    body: bytes
    outcome: str = "ok"
    code: str | None = None
    reason: str | None = None
    headers: Headers = ()
    content_type: bytes = _JSON[0]


@dataclass(slots=True)
class _Exchange:
    """What becomes known of a request while it is answered; `limits` tells the key how it stands."""

    actor: Actor | None = None
    operation: str | None = None
    limits: Headers = ()


class DeveloperGraphql:
    """The endpoint of one process."""

    def __init__(
        self,
        *,
        access: DeveloperAccess,
        database: Database,
        operations: Operations,
        public_url: str,
        metrics: Metrics,
    ) -> None:
        self._access = access
        self._operations = operations
        self._reading = Reading(database, public_url)
        self._metrics = metrics
        self._documents = Documents()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        exchange = _Exchange()
        try:
            answer = await self._answer(scope, receive, exchange)
        except ClientGone:
            return
        request_id = _request_id(scope)
        seconds = time.perf_counter() - started
        self._metrics.http_requests_total.add("developer_graphql", str(answer.status))
        self._metrics.http_request_seconds.observe(seconds, "developer_graphql")
        log.wide(
            "graphql.answered",
            level="info" if answer.outcome == "ok" else "warning",
            outcome=answer.outcome,
            request_id=request_id.decode(),
            operation=exchange.operation,
            application_id=exchange.actor.application_id if exchange.actor else None,
            api_key_id=exchange.actor.key_id if exchange.actor else None,
            status=answer.status,
            code=answer.code,
            reason=answer.reason,
            duration_ms=round(seconds * 1000, 2),
        )
        await respond(
            send,
            answer.status,
            answer.body,
            content_type=answer.content_type,
            headers=((b"x-request-id", request_id), *exchange.limits, *answer.headers),
        )

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> _Answer:
        try:
            if scope["method"] != "POST" and header(scope, b"authorization") is None:
                return _not_posted(scope)
            exchange.actor = await self._access.recognise(scope)
            await self._count(exchange, exchange.actor)
            if (refused := _not_taken(scope)) is not None:
                return refused
            body = await read_body(scope, receive, limit=MOST_BYTES)
        except AppError as problem:
            return _failed(problem, _OWN_STATUS.get(problem.kind, 200))
        try:
            return await self._carry_out(exchange, exchange.actor, body)
        except RequestRefused as refused:
            return _request_refused(refused)
        except FieldRefused as refused:
            status = _OWN_STATUS.get(refused.problem.kind, 200)
            return _failed(refused.problem, status, path=refused.path, locations=refused.locations)
        except ClientGone:
            raise
        except Exception as surprise:  # noqa: BLE001 - callers hear nothing of our faults but that there was one
            log.exception("graphql.broken", surprise, operation=exchange.operation)
            return _broken()

    async def _count(self, exchange: _Exchange, actor: Actor) -> None:
        try:
            exchange.limits = (await self._access.count(actor)).headers()
        except RateExceeded as refused:
            exchange.limits = refused.headers()
            raise

    async def _carry_out(self, exchange: _Exchange, actor: Actor, body: bytes) -> _Answer:
        try:
            request = parse_request(body)
        except AppError as problem:
            return _failed(problem, errors.STATUS[problem.kind])
        operation = self._documents.operation(request.query, request.operation_name)
        exchange.operation = operation.name
        variables = operation.coerce(request.variables)
        call = Call(actor, variables.coerced)
        if operation.is_mutation:
            data = await answer_mutation(self._reading, self._operations, operation, call, variables)
        else:
            data = await answer_query(self._reading, operation, call, variables)
        return _Answer(200, b'{"data":' + data.encode() + b"}")


def _not_taken(scope: Scope) -> _Answer | None:
    if scope["method"] != "POST":
        return _not_posted(scope)
    if not _is_json(header(scope, b"content-type")):
        return _refused(415, "The body must be sent as Content-Type: application/json.")
    return None


def _not_posted(scope: Scope) -> _Answer:
    if scope["method"] == "GET" and playground.wants_page(header(scope, b"accept")):
        return _Answer(200, playground.PAGE, headers=playground.HEADERS, content_type=_HTML)
    return _refused(405, "The API takes POST.", headers=((b"allow", b"POST"),))


def _failed(
    problem: AppError,
    status: int,
    *,
    path: Sequence[str | int] | None = None,
    locations: Sequence[errors.Location] | None = None,
) -> _Answer:
    entry = errors.entry_of(problem, path=path, locations=locations)
    headers: Headers = ()
    if problem.kind is ErrorKind.UNAUTHENTICATED:
        headers = ((b"www-authenticate", b"Bearer"),)
    elif problem.kind is ErrorKind.UNAVAILABLE:
        headers = ((b"retry-after", b"1"),)
    return _Answer(status, _envelope([entry]), "refused", problem.code, problem.message, headers)


def _request_refused(refused: RequestRefused) -> _Answer:
    entries = [errors.entry_of_request(problem) for problem in refused.problems]
    return _Answer(400, _envelope(entries), "refused", errors.INVALID, str(refused))


def _refused(status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> _Answer:
    entry = errors.entry(message, errors.INVALID, status)
    return _Answer(status, _envelope([entry]), "refused", errors.INVALID, message, headers)


def _broken() -> _Answer:
    entry = errors.entry("Something went wrong on our side.", errors.INTERNAL, 500)
    return _Answer(200, _envelope([entry]), "failed", errors.INTERNAL)


def _envelope(entries: Sequence[dict[str, object]]) -> bytes:
    return orjson.dumps({"data": None, "errors": entries})


def _is_json(content_type: bytes | None) -> bool:
    return content_type is not None and content_type.split(b";", 1)[0].strip().lower() in _JSON


def _request_id(scope: Scope) -> bytes:
    given = header(scope, b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return b"%016x" % random.getrandbits(64)
