"""`/v1/messages` for transactional messages, as a raw ASGI callable: submit one, read one, list the newest.

Every answer is a JSON object with `data`, or with `error` and nothing else.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, header, read_body, request_id_of, respond
from outrider.core.errors import AppError, InternalError, MethodNotAllowed, NotFound
from outrider.core.ids import parse_id
from outrider.core.metrics import Metrics
from outrider.messaging.submissions.finding import Search
from outrider.messaging.submissions.showing import shown_message
from outrider.messaging.submissions.submitting import Accepted
from outrider.messaging.submissions.values import SubmitRequest, Submitted
from outrider.platforms.base import LARGEST_FILE
from outrider.surfaces.outkit_rest.access import Door, SubmitterAccess
from outrider.surfaces.outkit_rest.decoding import open_body, read_search, read_submission
from outrider.surfaces.outkit_rest.refusing import refusal_of
from outrider.tenancy.message_keys import MessageSender
from outrider.tenancy.rate_limits import Headers, RateExceeded

_PATH: Final = "/v1/messages"
_JSON_BYTES: Final = 8 * 1024 * 1024
_FORM_BYTES: Final = LARGEST_FILE + 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOperations:
    """What can be done with messages."""

    submit: Callable[[MessageSender, SubmitRequest], Awaitable[Accepted]]
    find: Callable[[MessageSender, UUID], Awaitable[Submitted]]
    list: Callable[[MessageSender, Search], Awaitable[Sequence[Submitted]]]


@dataclass(slots=True)
class _Exchange:
    """What becomes known of a request while it is answered."""

    sender: MessageSender | None = None
    message_id: UUID | None = None
    limits: Headers = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    code: str | None = None
    reason: str | None = None
    headers: Headers = ()


class OutkitRest:
    """The endpoint of one process."""

    def __init__(self, *, access: SubmitterAccess, operations: MessageOperations, metrics: Metrics) -> None:
        self._access = access
        self._operations = operations
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, exchange = time.perf_counter(), _Exchange()
        try:
            answer = await self._answer(scope, receive, exchange)
        except ClientGone:
            return
        request_id = request_id_of(scope)
        self._tell(scope, exchange, answer, request_id, time.perf_counter() - started)
        headers = ((b"x-request-id", request_id), *exchange.limits, *answer.headers)
        await respond(send, answer.status, answer.body, headers=headers)

    def _tell(
        self, scope: Scope, exchange: _Exchange, answer: _Answer, request_id: bytes, seconds: float
    ) -> None:
        self._metrics.http_requests_total.add("outkit_rest", str(answer.status))
        self._metrics.http_request_seconds.observe(seconds, "outkit_rest")
        log.wide(
            "messages.answered",
            level="info" if answer.code is None else "warning",
            outcome="ok" if answer.code is None else "refused",
            request_id=request_id.decode(),
            method=scope["method"],
            organisation_id=exchange.sender.organisation_id if exchange.sender else None,
            message_key_id=exchange.sender.key_id if exchange.sender else None,
            message_id=exchange.message_id,
            status=answer.status,
            code=answer.code,
            reason=answer.reason,
            duration_ms=round(seconds * 1000, 2),
        )

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> _Answer:
        try:
            return await self._carry_out(scope, receive, exchange)
        except AppError as problem:
            return _refused(problem, scope)
        except ClientGone:
            raise
        except Exception as surprise:  # noqa: BLE001 - callers hear nothing of our faults but that there was one
            log.exception("messages.broken", surprise, method=scope["method"])
            return _refused(InternalError(), scope)

    async def _carry_out(self, scope: Scope, receive: Receive, exchange: _Exchange) -> _Answer:
        door = await self._access.recognise(scope)
        content_type = header(scope, b"content-type") or b""
        is_form = content_type.strip().lower().startswith(b"multipart/")
        whole = await read_body(scope, receive, limit=_FORM_BYTES if is_form else _JSON_BYTES)
        body = open_body(content_type, whole)
        signed = self._access.verify(door, scope, body.signed)
        exchange.sender = door.known.sender
        await self._count(exchange, door)
        path, method = scope["path"].removeprefix(_PATH), scope["method"]
        if path == "" and method == "POST":
            request = read_submission(
                body,
                idempotency_key=header(scope, b"idempotency-key"),
                signature=door.signature if signed else None,
            )
            accepted = await self._operations.submit(door.known.sender, request)
            exchange.message_id = accepted.message.id
            return _shown(201 if accepted.is_final else 202, accepted.message)
        if method != "GET":
            raise MethodNotAllowed(f"There is no {method} at this address.")
        if path == "":
            return await self._list(door.known.sender, scope["query_string"])
        exchange.message_id = _id_in(path)
        return _shown(200, await self._operations.find(door.known.sender, exchange.message_id))

    async def _list(self, sender: MessageSender, query: bytes) -> _Answer:
        search = read_search(query)
        found = await self._operations.list(sender, search)
        page = found[: search.limit]
        cursor = str(page[-1].id) if len(found) > len(page) else None
        return _Answer(200, orjson.dumps({"data": [shown_message(one) for one in page], "cursor": cursor}))

    async def _count(self, exchange: _Exchange, door: Door) -> None:
        try:
            exchange.limits = (await self._access.count(door.known.sender)).headers()
        except RateExceeded as refused:
            exchange.limits = ()
            raise refused from None


def _shown(status: int, message: Submitted) -> _Answer:
    return _Answer(status, orjson.dumps({"data": shown_message(message)}))


def _id_in(path: str) -> UUID:
    text = path.removeprefix("/")
    try:
        return parse_id(text)
    except AppError:
        raise NotFound("Message not found.", resource_type="Message", resource_id=text[:100]) from None


def _refused(problem: AppError, scope: Scope) -> _Answer:
    refusal = refusal_of(problem, scope["method"])
    return _Answer(refusal.status, refusal.body, refusal.code, refusal.message, refusal.headers)
