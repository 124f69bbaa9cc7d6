"""The receipts of the simulated vendor: posted to the connection's own webhook, as a real vendor would."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

import orjson

from outrider.core import log
from outrider.platforms.base import ConnectionContext, InboundRequest
from outrider.platforms.receipts import ReceiptState
from outrider.platforms.sandbox.behaviours import Receipts
from outrider.platforms.sandbox.inbound import SIGNATURE_HEADER, signature_of

DeliverWebhook: TypeAlias = Callable[[ConnectionContext, InboundRequest], Awaitable[None]]
"""The server's inbound operation; it raises when it did not take the webhook, and then it is repeated."""

_STATES: dict[Receipts, tuple[ReceiptState, ...]] = {
    Receipts.NONE: (),
    Receipts.DELIVERED: (ReceiptState.DELIVERED,),
    Receipts.DELIVERED_FIRST: (ReceiptState.DELIVERED,),
    Receipts.READ: (ReceiptState.DELIVERED, ReceiptState.READ),
    Receipts.FAILED: (ReceiptState.FAILED,),
}
_PAUSE_SECONDS = 0.05
_REPEAT_AFTER_SECONDS = (0.2, 1.0, 5.0, 15.0)


@dataclass(frozen=True, slots=True)
class ReceiptPoster:
    """Posts receipts in the background; what is still to be posted at `close` is lost with the process."""

    deliver_webhook: DeliverWebhook
    _under_way: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])

    async def post_first(self, external_id: str, connection: ConnectionContext) -> None:
        """Post the receipt before the caller answers the send."""
        request = _request_of(external_id, ReceiptState.DELIVERED, connection)
        if not await self._is_taken(request, connection):
            self._start(self._repeat(request, connection))

    def post_later(self, external_id: str, receipts: Receipts, connection: ConnectionContext) -> None:
        """Post the receipts one after the other once the send has been answered."""
        if _STATES[receipts]:
            self._start(self._post_all(external_id, receipts, connection))

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = tuple(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, posting: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(posting)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _post_all(self, external_id: str, receipts: Receipts, connection: ConnectionContext) -> None:
        for state in _STATES[receipts]:
            await asyncio.sleep(_PAUSE_SECONDS)
            request = _request_of(external_id, state, connection)
            if not await self._is_taken(request, connection):
                await self._repeat(request, connection)

    async def _repeat(self, request: InboundRequest, connection: ConnectionContext) -> None:
        for pause in _REPEAT_AFTER_SECONDS:
            await asyncio.sleep(pause)
            if await self._is_taken(request, connection):
                return
        log.warning("sandbox.receipt_lost", connection_id=connection.connection_id)

    async def _is_taken(self, request: InboundRequest, connection: ConnectionContext) -> bool:
        try:
            await self.deliver_webhook(connection, request)
        except Exception:  # noqa: BLE001 (like any vendor, it sees only that its webhook was not taken)
            return False
        return True


def _request_of(external_id: str, state: ReceiptState, connection: ConnectionContext) -> InboundRequest:
    receipt = {
        "id": f"{external_id}:{state}",
        "message_id": external_id,
        "state": state,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    if state is ReceiptState.FAILED:
        receipt["error"] = "the sandbox bounced the message"
    body = orjson.dumps({"receipts": [receipt]})
    headers = {"content-type": "application/json"}
    secret = connection.config.get("signing_secret")
    if isinstance(secret, str) and secret:
        headers[SIGNATURE_HEADER] = signature_of(secret, body)
    return InboundRequest(headers, body)
