"""`POST /`: the developer GraphQL API as a raw ASGI callable.

A request that could be carried out answers 200, with `errors` for what was refused; 401 without a valid key, 429
when there were too many, 400 for what is no valid request of this schema (405, 406, 413, 415 where HTTP says so). A
subscription is answered by a stream of events, and so is anything asked by who reads nothing else. A browser's
`GET /` gets a page on which the API can be tried.
"""

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, header, read_body, request_id_of, respond
from outrider.core.database.pools import Database
from outrider.core.errors import AppError
from outrider.core.metrics import Metrics
from outrider.events.heads import LogHeads
from outrider.surfaces import graphql_answers as answers
from outrider.surfaces import graphql_errors as errors
from outrider.surfaces.developer_access import AppIdRequired, Caller, DeveloperAccess
from outrider.surfaces.developer_graphql import playground, streams
from outrider.surfaces.developer_graphql.documents import Documents, Operation, Variables
from outrider.surfaces.developer_graphql.feeding import Client, Feed, FeedContext, place_of
from outrider.surfaces.developer_graphql.feeds import OpenFeeds, TooManyFeeds
from outrider.surfaces.developer_graphql.mutating import answer_mutation
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.reads import FileUrl
from outrider.surfaces.developer_graphql.queries.statements import BadArgument, Call
from outrider.surfaces.developer_graphql.reading import (
    Reading,
    answer_query,
    plan_feed,
    refused_field,
    require_scopes,
)
from outrider.surfaces.developer_graphql.selections import Selecting
from outrider.surfaces.graphql_answers import JSON, OWN_STATUS, Answer, is_json
from outrider.surfaces.graphql_errors import FieldRefused, RequestRefused
from outrider.surfaces.graphql_requests import MOST_BYTES, parse_address, parse_request
from outrider.tenancy.actors import Actor
from outrider.tenancy.rate_limits import Headers

_HTML: Final = b"text/html; charset=utf-8"


@dataclass(slots=True)
class _Exchange:
    """A request with what becomes known of it while it is answered."""

    scope: Scope
    receive: Receive
    send: Send
    request_id: bytes
    is_streamed: bool
    operation: str | None = None
    caller: Caller = field(default_factory=Caller)
    events: int | None = None

    @property
    def headers(self) -> Headers:
        """What every answer to it says."""
        return ((b"x-request-id", self.request_id), *self.caller.limits)


class DeveloperGraphql:
    """The endpoint of one process."""

    def __init__(
        self,
        *,
        access: DeveloperAccess,
        database: Database,
        operations: Operations,
        public_url: str,
        file_url: FileUrl,
        metrics: Metrics,
        heads: LogHeads,
    ) -> None:
        self._access = access
        self._operations = operations
        self._reading = Reading(database, public_url, file_url)
        self._metrics = metrics
        self._documents = Documents()
        self._feeds = FeedContext(self._reading, heads, OpenFeeds(metrics))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        is_streamed = streams.prefers_stream(header(scope, b"accept"))
        exchange = _Exchange(scope, receive, send, request_id_of(scope), is_streamed)
        try:
            answer = await self._answer(exchange)
        except ClientGone:
            return
        self._tell(exchange, answer, time.perf_counter() - started)
        if answer.is_sent:
            return
        if exchange.is_streamed and answer.status == 200 and answer.content_type == JSON[0]:
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

    def _tell(self, exchange: _Exchange, answer: Answer, seconds: float) -> None:
        self._metrics.http_requests_total.add("developer_graphql", str(answer.status))
        if not answer.is_sent:
            self._metrics.http_request_seconds.observe(seconds, "developer_graphql")
        log.wide(
            "feed.ended" if answer.is_sent else "graphql.answered",
            level="info" if answer.outcome == "ok" else "warning",
            outcome=answer.outcome,
            request_id=exchange.request_id.decode(),
            operation=exchange.operation,
            **exchange.caller.logged,
            status=answer.status,
            code=answer.code,
            reason=answer.reason,
            duration_ms=round(seconds * 1000, 2),
            **({} if exchange.events is None else {"events": exchange.events}),
        )

    async def _answer(self, exchange: _Exchange) -> Answer:
        scope = exchange.scope
        try:
            if not _is_readable(scope) and header(scope, b"authorization") is None:
                return _not_posted(scope)
            actor = await self._access.admit(scope, exchange.caller)
            if (not_taken := _not_taken(scope)) is not None:
                return not_taken
            body = await read_body(scope, exchange.receive, limit=MOST_BYTES)
        except AppError as problem:
            return answers.failed(problem, _status_of(problem))
        try:
            return await self._carry_out(exchange, actor, body)
        except RequestRefused as refused:
            return answers.request_refused(refused)
        except FieldRefused as refused:
            status = OWN_STATUS.get(refused.problem.kind, 200)
            return answers.failed(refused.problem, status, path=refused.path, locations=refused.locations)
        except ClientGone:
            raise
        except Exception as surprise:  # noqa: BLE001 - callers hear nothing of our faults but that there was one
            log.exception("graphql.broken", surprise, operation=exchange.operation)
            return answers.broken()

    async def _carry_out(self, exchange: _Exchange, actor: Actor, body: bytes) -> Answer:
        is_get = exchange.scope["method"] == "GET"
        try:
            request = parse_address(exchange.scope["query_string"]) if is_get else parse_request(body)
        except AppError as problem:
            return answers.failed(problem, errors.STATUS[problem.kind])
        operation = self._documents.operation(request.query, request.operation_name)
        exchange.operation = operation.name
        variables = operation.coerce(request.variables)
        call = Call(actor, variables.coerced)
        if operation.is_mutation and is_get:
            return answers.refused(405, "A mutation must be sent with POST.", headers=((b"allow", b"POST"),))
        if operation.is_subscription:
            return await self._feed(exchange, operation, call, variables)
        if operation.is_mutation:
            data = await answer_mutation(self._reading, self._operations, operation, call, variables)
        else:
            data = await answer_query(self._reading, operation, call, variables)
        return Answer(200, b'{"data":' + data.encode() + b"}")

    async def _feed(
        self, exchange: _Exchange, operation: Operation, call: Call, variables: Variables
    ) -> Answer:
        """Answer a subscription for as long as it lasts; what is refused before it begins is answered as anything."""
        scope = exchange.scope
        if not streams.takes_stream(header(scope, b"accept")):
            return answers.refused(406, "A subscription is answered to Accept: text/event-stream.")
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
        except TooManyFeeds as problem:
            refused = answers.failed(problem, errors.STATUS[problem.kind])
            refused.headers = ((b"retry-after", b"1"),)
            return refused
        except AppError as problem:
            return answers.failed(problem, errors.STATUS[problem.kind])
        exchange.events = ended.events
        self._metrics.feed_events_total.add(by=ended.events)
        return Answer(200, b"", ended.outcome, ended.code, ended.reason, is_sent=True)


def _is_streamed_get(scope: Scope) -> bool:
    """An EventSource can only get; what it wants stands in the address."""
    accept = header(scope, b"accept")
    return scope["method"] == "GET" and streams.takes_stream(accept) and not playground.wants_page(accept)


def _is_readable(scope: Scope) -> bool:
    return scope["method"] == "POST" or _is_streamed_get(scope)


def _not_taken(scope: Scope) -> Answer | None:
    if not _is_readable(scope):
        return _not_posted(scope)
    if scope["method"] == "POST" and not is_json(header(scope, b"content-type")):
        return answers.refused(415, "The body must be sent as Content-Type: application/json.")
    return None


def _status_of(problem: AppError) -> int:
    """The status of a request that was refused before it was read."""
    return 400 if isinstance(problem, AppIdRequired) else OWN_STATUS.get(problem.kind, 200)


def _not_posted(scope: Scope) -> Answer:
    if scope["method"] == "GET" and playground.wants_page(header(scope, b"accept")):
        return Answer(200, playground.PAGE, headers=playground.HEADERS, content_type=_HTML)
    return answers.refused(405, "The API takes POST.", headers=((b"allow", b"POST"),))
