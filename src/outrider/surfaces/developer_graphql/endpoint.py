"""`POST /`: the developer GraphQL API as a raw ASGI callable.

A request that could be carried out answers 200, with `errors` for what was refused; 401 without a valid key, 429
when there were too many, 400 for what is no valid request of this schema (405, 413, 415 where HTTP says so). A
browser's `GET /` gets a page on which the API can be tried.
"""

import time
from dataclasses import dataclass
from typing import Final

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, header, read_body, respond
from outrider.core.database.pools import Database
from outrider.core.errors import AppError
from outrider.core.metrics import Metrics
from outrider.surfaces import graphql_answers as answers
from outrider.surfaces import graphql_errors as errors
from outrider.surfaces.developer_access import AppIdRequired, DeveloperAccess
from outrider.surfaces.developer_graphql import playground
from outrider.surfaces.developer_graphql.documents import Documents
from outrider.surfaces.developer_graphql.mutating import answer_mutation
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.statements import Call
from outrider.surfaces.developer_graphql.reading import Reading, answer_query
from outrider.surfaces.graphql_answers import OWN_STATUS, Answer, is_json, request_id_of
from outrider.surfaces.graphql_errors import FieldRefused, RequestRefused
from outrider.surfaces.graphql_requests import MOST_BYTES, parse_request
from outrider.tenancy.actors import Actor
from outrider.tenancy.rate_limits import Headers, RateExceeded

_HTML: Final = b"text/html; charset=utf-8"


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
        request_id = request_id_of(scope)
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
            api_key_id=exchange.actor.key_id if exchange.actor and not exchange.actor.is_member else None,
            member_id=exchange.actor.key_id if exchange.actor and exchange.actor.is_member else None,
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

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> Answer:
        try:
            if scope["method"] != "POST" and header(scope, b"authorization") is None:
                return _not_posted(scope)
            exchange.actor = await self._access.recognise(scope)
            await self._count(exchange, exchange.actor)
            if (refused := _not_taken(scope)) is not None:
                return refused
            body = await read_body(scope, receive, limit=MOST_BYTES)
        except AppError as problem:
            return answers.failed(problem, _status_of(problem))
        try:
            return await self._carry_out(exchange, exchange.actor, body)
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

    async def _count(self, exchange: _Exchange, actor: Actor) -> None:
        try:
            exchange.limits = (await self._access.count(actor)).headers()
        except RateExceeded as refused:
            exchange.limits = refused.headers()
            raise

    async def _carry_out(self, exchange: _Exchange, actor: Actor, body: bytes) -> Answer:
        try:
            request = parse_request(body)
        except AppError as problem:
            return answers.failed(problem, errors.STATUS[problem.kind])
        operation = self._documents.operation(request.query, request.operation_name)
        exchange.operation = operation.name
        variables = operation.coerce(request.variables)
        call = Call(actor, variables.coerced)
        if operation.is_mutation:
            data = await answer_mutation(self._reading, self._operations, operation, call, variables)
        else:
            data = await answer_query(self._reading, operation, call, variables)
        return Answer(200, b'{"data":' + data.encode() + b"}")


def _not_taken(scope: Scope) -> Answer | None:
    if scope["method"] != "POST":
        return _not_posted(scope)
    if not is_json(header(scope, b"content-type")):
        return answers.refused(415, "The body must be sent as Content-Type: application/json.")
    return None


def _status_of(problem: AppError) -> int:
    """The status of a request that was refused before it was read."""
    return 400 if isinstance(problem, AppIdRequired) else OWN_STATUS.get(problem.kind, 200)


def _not_posted(scope: Scope) -> Answer:
    if scope["method"] == "GET" and playground.wants_page(header(scope, b"accept")):
        return Answer(200, playground.PAGE, headers=playground.HEADERS, content_type=_HTML)
    return answers.refused(405, "The API takes POST.", headers=((b"allow", b"POST"),))
