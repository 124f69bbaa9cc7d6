"""`POST /`: the developer GraphQL API as a raw ASGI callable.

A request that could be carried out answers 200, with `errors` for what was refused; 401 without a valid key, 429
when there were too many, 400 for what is no valid request of this schema (405, 406, 413, 415 where HTTP says so). A
subscription is answered by a stream of events, and so is anything asked by who reads nothing else. A browser's
`GET /` gets a page on which the API can be tried.
"""

import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, header, read_body, respond
from outrider.core.database.pools import Database
from outrider.core.errors import AppError, ErrorKind
from outrider.core.metrics import Metrics
from outrider.events.heads import LogHeads
from outrider.surfaces.developer_access import DeveloperAccess
from outrider.surfaces.developer_graphql import errors, playground, streams
from outrider.surfaces.developer_graphql.documents import Documents, Operation, Variables
from outrider.surfaces.developer_graphql.errors import FieldRefused, RequestRefused
from outrider.surfaces.developer_graphql.feeding import Client, Feed, FeedContext, place_of
from outrider.surfaces.developer_graphql.feeds import OpenFeeds, TooManyFeeds
from outrider.surfaces.developer_graphql.mutating import answer_mutation
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.statements import BadArgument, Call
from outrider.surfaces.developer_graphql.reading import (
    Reading,
    answer_query,
    plan_feed,
    refused_field,
    require_scopes,
)
from outrider.surfaces.developer_graphql.requests import MOST_BYTES, parse_address, parse_request
from outrider.surfaces.developer_graphql.selections import Selecting
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
    is_sent: bool = False


@dataclass(slots=True)
class _Exchange:
    """A request with what becomes known of it while it is answered; `limits` tells the key how it stands."""

    scope: Scope
    receive: Receive
    send: Send
    request_id: bytes
    is_streamed: bool
    actor: Actor | None = None
    operation: str | None = None
    limits: Headers = ()
    events: int | None = None

    @property
    def headers(self) -> Headers:
        """What every answer to it says."""
        return ((b"x-request-id", self.request_id), *self.limits)


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
        heads: LogHeads,
    ) -> None:
        self._access = access
        self._operations = operations
        self._reading = Reading(database, public_url)
        self._metrics = metrics
        self._documents = Documents()
        self._feeds = FeedContext(self._reading, heads, OpenFeeds(metrics))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        is_streamed = streams.prefers_stream(header(scope, b"accept"))
        exchange = _Exchange(scope, receive, send, _request_id(scope), is_streamed)
        try:
            answer = await self._answer(exchange)
        except ClientGone:
            return
        self._tell(exchange, answer, time.perf_counter() - started)
        if answer.is_sent:
            return
        if exchange.is_streamed and answer.status == 200 and answer.content_type == _JSON[0]:
            await streams.begin(send, (*exchange.headers, *answer.headers))
            await streams.end(send, streams.next_event(answer.body) + streams.COMPLETE)
            return
        await respond(
            send,
            answer.status,
            answer.body,
            content_type=answer.content_type,
            headers=(*exchange.headers, *answer.headers),
        )

    def end_feeds(self) -> None:
        """The process stops: the open feeds end at once, and none begins."""
        self._feeds.open.end_all()

    def _tell(self, exchange: _Exchange, answer: _Answer, seconds: float) -> None:
        self._metrics.http_requests_total.add("developer_graphql", str(answer.status))
        if not answer.is_sent:
            self._metrics.http_request_seconds.observe(seconds, "developer_graphql")
        log.wide(
            "feed.ended" if answer.is_sent else "graphql.answered",
            level="info" if answer.outcome == "ok" else "warning",
            outcome=answer.outcome,
            request_id=exchange.request_id.decode(),
            operation=exchange.operation,
            application_id=exchange.actor.application_id if exchange.actor else None,
            api_key_id=exchange.actor.key_id if exchange.actor else None,
            status=answer.status,
            code=answer.code,
            reason=answer.reason,
            duration_ms=round(seconds * 1000, 2),
            **({} if exchange.events is None else {"events": exchange.events}),
        )

    async def _answer(self, exchange: _Exchange) -> _Answer:
        scope = exchange.scope
        try:
            if scope["method"] != "POST" and not _is_streamed_get(scope):
                return _not_posted(scope)
            exchange.actor = await self._access.recognise(scope)
            await self._count(exchange, exchange.actor)
            if scope["method"] == "POST" and not _is_json(header(scope, b"content-type")):
                return _refused(415, "The body must be sent as Content-Type: application/json.")
            body = await read_body(scope, exchange.receive, limit=MOST_BYTES)
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
        is_get = exchange.scope["method"] == "GET"
        try:
            request = parse_address(exchange.scope["query_string"]) if is_get else parse_request(body)
        except AppError as problem:
            return _failed(problem, errors.STATUS[problem.kind])
        operation = self._documents.operation(request.query, request.operation_name)
        exchange.operation = operation.name
        variables = operation.coerce(request.variables)
        call = Call(actor, variables.coerced)
        if operation.is_mutation and is_get:
            return _refused(405, "A mutation must be sent with POST.", headers=((b"allow", b"POST"),))
        if operation.is_subscription:
            return await self._feed(exchange, operation, call, variables)
        if operation.is_mutation:
            data = await answer_mutation(self._reading, self._operations, operation, call, variables)
        else:
            data = await answer_query(self._reading, operation, call, variables)
        return _Answer(200, b'{"data":' + data.encode() + b"}")

    async def _feed(
        self, exchange: _Exchange, operation: Operation, call: Call, variables: Variables
    ) -> _Answer:
        """Answer a subscription for as long as it lasts; what is refused before it begins is answered as anything."""
        scope = exchange.scope
        if not streams.takes_stream(header(scope, b"accept")):
            return _refused(406, "A subscription is answered to Accept: text/event-stream.")
        exchange.is_streamed = True
        plan = plan_feed(self._reading.public_url, operation, variables)
        last_event_id = (header(scope, b"last-event-id") or b"").decode("latin-1")
        try:
            require_scopes(plan.scopes, call)
            feed = Feed(self._feeds, plan, call, await place_of(self._feeds, plan, call, last_event_id))
        except BadArgument as bad:
            selecting = Selecting(operation.fragments, variables.values())
            raise refused_field(selecting.fields([operation.node.selection_set]), bad) from None
        client = Client(exchange.receive, exchange.send, partial(self._access.recognise, scope))
        try:
            with self._feeds.open.admitted(call.actor.key_id) as wake:
                await streams.begin(exchange.send, exchange.headers)
                ended = await feed.run(client, wake)
        except AppError as problem:
            return _failed(problem, errors.STATUS[problem.kind])
        exchange.events = ended.events
        self._metrics.feed_events_total.add(by=ended.events)
        return _Answer(200, b"", ended.outcome, ended.code, ended.reason, is_sent=True)


def _is_streamed_get(scope: Scope) -> bool:
    """An EventSource can only get; what it wants stands in the address."""
    accept = header(scope, b"accept")
    return scope["method"] == "GET" and streams.takes_stream(accept) and not playground.wants_page(accept)


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
    elif problem.kind is ErrorKind.UNAVAILABLE or isinstance(problem, TooManyFeeds):
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
