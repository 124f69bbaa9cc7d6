"""`POST /admin/graphql`: the administration of an organisation, for its members.

Answers as the developer API does: 200 for what could be carried out, with `errors` for what was refused; 401 without
a valid access token, 429 when there were too many requests or passwords, 400 for what is no valid request of this
schema. Wrong credentials to sign in with are an error of a request that is answered: 200.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, header, read_body, request_id_of, respond
from outrider.core.client_addresses import Networks, client_address
from outrider.core.errors import AppError, ErrorKind, Unauthorized
from outrider.core.hashing import hash_secret
from outrider.core.metrics import Metrics
from outrider.surfaces import graphql_answers as answers
from outrider.surfaces import graphql_errors as errors
from outrider.surfaces.admin_graphql.calling import Administration, Call
from outrider.surfaces.admin_graphql.executing import Document
from outrider.surfaces.admin_graphql.schema import admin_schema
from outrider.surfaces.developer_access import bearer_token
from outrider.surfaces.graphql_answers import OWN_STATUS, Answer, is_json
from outrider.surfaces.graphql_errors import FieldRefused, RequestRefused
from outrider.surfaces.graphql_requests import MOST_BYTES, parse_request
from outrider.tenancy.actors import Counted
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.errors import TooManyAttempts
from outrider.tenancy.rate_limits import Headers, LimitState, RateExceeded

ANONYMOUS_TIER: Final = "pro"
"""How many requests an address may make without an access token."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Whoever has no valid token: counted by where the request came from."""

    counted_as: UUID
    tier: str = ANONYMOUS_TIER


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """The door that every request to the administration passes."""

    authenticate: Callable[[str], Awaitable[ActingMember]]
    count: Callable[[Counted], Awaitable[LimitState]]
    trusted_proxies: Networks = ()


@dataclass(slots=True)
class _Exchange:
    """What becomes known of a request while it is answered."""

    address: str = ""
    caller: ActingMember | None = None
    refused: AppError | None = None
    """Why there is no caller."""
    operation: str | None = None
    limits: Headers = ()


class AdminGraphql:
    """The endpoint of one process."""

    def __init__(self, *, access: AdminAccess, administration: Administration, metrics: Metrics) -> None:
        self._access = access
        self._administration = administration
        self._metrics = metrics
        self._loading: asyncio.Future[object] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        exchange = _Exchange()
        try:
            answer = await self._answer(scope, receive, exchange)
        except ClientGone:
            return
        request_id = request_id_of(scope)
        seconds = time.perf_counter() - started
        self._metrics.http_requests_total.add("admin_graphql", str(answer.status))
        self._metrics.http_request_seconds.observe(seconds, "admin_graphql")
        log.wide(
            "admin.answered",
            level="info" if answer.outcome == "ok" else "warning",
            outcome=answer.outcome,
            request_id=request_id.decode(),
            operation=exchange.operation,
            organisation_id=exchange.caller.organisation_id if exchange.caller else None,
            member_id=exchange.caller.id if exchange.caller else None,
            address=exchange.address,
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
            headers=(
                (b"x-request-id", request_id),
                (b"cache-control", b"no-store"),
                *exchange.limits,
                *answer.headers,
            ),
        )

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> Answer:
        exchange.address = client_address(scope, self._access.trusted_proxies)
        try:
            await self._recognise(scope, exchange)
            if scope["method"] != "POST":
                return answers.refused(405, "The API takes POST.", headers=((b"allow", b"POST"),))
            if not is_json(header(scope, b"content-type")):
                return answers.refused(415, "The body must be sent as Content-Type: application/json.")
            body = await read_body(scope, receive, limit=MOST_BYTES)
        except AppError as problem:
            return answers.failed(problem, OWN_STATUS.get(problem.kind, 200))
        try:
            return await self._carry_out(exchange, body)
        except RequestRefused as refused:
            return answers.request_refused(refused)
        except FieldRefused as refused:
            return _field_refused(refused)
        except Exception as surprise:  # noqa: BLE001 - callers hear nothing of our faults but that there was one
            log.exception("admin.broken", surprise, operation=exchange.operation)
            return answers.broken()

    async def _recognise(self, scope: Scope, exchange: _Exchange) -> None:
        """Learn who calls, if anybody, and count the request."""
        token = bearer_token(scope)
        try:
            exchange.caller = await self._access.authenticate(token or "")
        except Unauthorized as refused:
            # those who sign in bring none, or one that has expired
            exchange.refused = refused
        try:
            counted = exchange.caller or Anonymous(_subject(exchange.address))
            exchange.limits = (await self._access.count(counted)).headers()
        except RateExceeded as refused:
            exchange.limits = refused.headers()
            raise

    async def _load(self) -> None:
        """Build the schema with the first request, beside the event loop: it takes a tenth of a second."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().run_in_executor(None, admin_schema)
        # a caller that hangs up takes nothing from the others
        await asyncio.shield(self._loading)

    async def _carry_out(self, exchange: _Exchange, body: bytes) -> Answer:
        try:
            request = parse_request(body)
        except AppError as problem:
            return answers.failed(problem, errors.STATUS[problem.kind])
        await self._load()
        document = Document(request.query, request.operation_name)
        exchange.operation = document.name
        if exchange.caller is None and not document.is_public:
            return answers.failed(exchange.refused or Unauthorized(), 401)
        call = Call(self._administration, exchange.caller, exchange.address)
        document.require(call)
        data = await document.carry_out(call, request.variables)
        return Answer(200, b'{"data":' + data + b"}")


def _field_refused(refused: FieldRefused) -> Answer:
    problem = refused.problem
    status = 429 if problem.kind is ErrorKind.RATE_LIMITED else 200
    answer = answers.failed(problem, status, path=refused.path, locations=refused.locations)
    if isinstance(problem, TooManyAttempts):
        answer.headers = (*answer.headers, (b"retry-after", b"%d" % problem.retry_after))
    return answer


def _subject(address: str) -> UUID:
    return UUID(bytes=hash_secret(f"anonymous {address}")[:16])
