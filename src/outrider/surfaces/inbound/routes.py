"""`POST /webhooks/{id}/{secret}`: the door for platforms.

200 only after the commit; 401 for what is not authentic (unknown address, wrong secret, wrong signature, all
alike); 404 where no connection uses the account; 413 for a body that no platform sends; 503 for anything
that the platform must send again.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.asgi import ClientGone, Receive, Scope, Send, decoded_headers, read_body, respond
from outrider.core.errors import AppError, ErrorKind, Unauthorized
from outrider.core.ids import parse_id
from outrider.core.metrics import Metrics
from outrider.platforms.base import InboundRequest, WebhookAnswer
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.webhooks.receiving import NOT_AUTHENTIC

# Meta's largest webhook has 3 MB; nothing that we accept comes near.
MAX_BODY_BYTES = 4_000_000
_STATUS = {ErrorKind.UNAUTHENTICATED: 401, ErrorKind.NOT_FOUND: 404, ErrorKind.TOO_LARGE: 413}


@dataclass(frozen=True, slots=True)
class InboundEndpoint:
    """The ASGI endpoint. Strangers are turned away before their body is read."""

    recognise: Callable[[UUID, str], Awaitable[ConnectionEntry]]
    receive: Callable[[ConnectionEntry, InboundRequest], Awaitable[WebhookAnswer]]
    metrics: Metrics
    public_url: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await respond(send, 405, b"", headers=[(b"allow", b"POST")])
            return
        started = time.perf_counter()
        webhook_id, secret = _address(scope)
        try:
            answer = await self._answer(scope, receive, webhook_id, secret)
        except ClientGone:
            return
        except AppError as error:
            await self._refuse(webhook_id, send, error)
            return
        except Exception as error:  # noqa: BLE001 -- the platform must send again whatever went wrong
            log.exception("webhook.broken", error, webhook_id=webhook_id)
            self.metrics.http_requests_total.add("inbound", "503")
            await respond(send, 503, b'{"error":{"code":"INTERNAL_ERROR","message":"Try again."}}')
            return
        self.metrics.http_requests_total.add("inbound", "200")
        self.metrics.http_request_seconds.observe(time.perf_counter() - started, "inbound")
        await respond(send, 200, answer.body, content_type=answer.content_type.encode("latin-1"))

    async def _answer(self, scope: Scope, receive: Receive, webhook_id: str, secret: str) -> WebhookAnswer:
        entry = await self.recognise(_parsed(webhook_id), secret)
        body = await read_body(scope, receive, limit=MAX_BODY_BYTES)
        query = scope["query_string"].decode("latin-1")
        url = f"{self.public_url}{scope['path']}{'?' if query else ''}{query}"
        return await self.receive(entry, InboundRequest(decoded_headers(scope), body, query, url))

    async def _refuse(self, webhook_id: str, send: Send, error: AppError) -> None:
        # what is not the sender's fault must be sent again; some platforms drop the message at any 4xx
        status = _STATUS.get(error.kind, 503)
        log.wide(
            "webhook.refused",
            level="warning",
            outcome="refused",
            webhook_id=webhook_id,
            status=status,
            code=error.code,
            reason=error.message,
        )
        self.metrics.http_requests_total.add("inbound", str(status))
        body = orjson.dumps({"error": {"code": error.code, "message": error.message, "details": {}}})
        await respond(send, status, body)


def _address(scope: Scope) -> tuple[str, str]:
    """The id and the secret of `/webhooks/{id}/{secret}`; whatever else is there is no valid address."""
    segments = str(scope["path"]).strip("/").split("/")
    return (segments[1], segments[2]) if len(segments) == 3 else ("", "")


def _parsed(webhook_id: str) -> UUID:
    try:
        return parse_id(webhook_id)
    except AppError:
        raise Unauthorized(NOT_AUTHENTIC) from None
