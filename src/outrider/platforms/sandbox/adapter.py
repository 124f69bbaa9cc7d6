"""The sandbox provider: serves every channel and lets the recipient's address provoke each outcome."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    FailureCode,
    FetchedFile,
    Healthy,
    InboundRequest,
    InDoubt,
    Manifest,
    Outbound,
    Outcome,
    ParsedWebhook,
    Rejected,
    Sent,
)
from outrider.platforms.sandbox.behaviours import (
    Accepts,
    Asked,
    LosesAnswer,
    PutsOff,
    Receipts,
    Refuses,
    behaviour_of,
)
from outrider.platforms.sandbox.client import external_id_of, post_message
from outrider.platforms.sandbox.inbound import is_authentic, parse_webhook
from outrider.platforms.sandbox.manifest import MANIFEST
from outrider.platforms.sandbox.media import fetched_file
from outrider.platforms.sandbox.receipts import DeliverWebhook, ReceiptPoster
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import LONGEST_ID

_PHONE = re.compile(r"\+[0-9 ().-]{7,24}")
_SEND_MARGIN_SECONDS = 0.5
_LOST = InDoubt("the sandbox lost the answer to this send")


class SandboxAdapter:
    """Simulates a vendor in this process; receipts travel the road of a real vendor's webhooks."""

    def __init__(
        self,
        http: VendorHttp,
        deliver_webhook: DeliverWebhook,
        *,
        attempt_seconds: float = MANIFEST.attempt_seconds,
    ) -> None:
        self._manifest = replace(MANIFEST, attempt_seconds=attempt_seconds)
        self._http = http
        self._receipts = ReceiptPoster(deliver_webhook)

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def normalise_address(self, address: str) -> str | None:
        trimmed = address.strip()
        if not trimmed or len(trimmed) > LONGEST_ID or not trimmed.isprintable():
            return None
        if _PHONE.fullmatch(trimmed):
            digits = "".join(character for character in trimmed if character in "0123456789")
            return f"+{digits}" if 7 <= len(digits) <= 15 else None
        local_part, at, domain = trimmed.rpartition("@")
        return f"{local_part}@{domain.lower()}" if at and local_part else trimmed

    async def send(self, outbound: Outbound, connection: ConnectionContext) -> Outcome:
        behaviour = behaviour_of(outbound.recipient)
        match behaviour.answer:
            case Accepts(after_seconds):
                return await self._accept(outbound, connection, behaviour.receipts, after_seconds)
            case Refuses(code):
                return Rejected(code, "the sandbox refuses this address")
            case PutsOff(attempts, retry_after) if outbound.attempt <= attempts:
                pauses = retry_after is not None
                return Deferred(retry_after, "the sandbox puts this address off", pauses_connection=pauses)
            case LosesAnswer(attempts, asked) if outbound.attempt <= attempts:
                if asked is Asked.REFUSED:
                    return _LOST
                outcome = await self._accept(outbound, connection, behaviour.receipts, 0.0)
                return _LOST if isinstance(outcome, Sent) else outcome
            case PutsOff() | LosesAnswer():
                return await self._accept(outbound, connection, behaviour.receipts, 0.0)
            case _:
                assert_never(behaviour.answer)

    async def find_outcome(self, outbound: Outbound, connection: ConnectionContext) -> Sent | Rejected | None:
        del connection
        match behaviour_of(outbound.recipient).answer:
            case LosesAnswer(asked=Asked.SENT):
                return Sent(external_id_of(outbound))
            case LosesAnswer(asked=Asked.REFUSED):
                return Rejected(FailureCode.UNKNOWN, "the sandbox says that it refused the message")
            case _:
                return None

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        del connection
        return fetched_file(reference)

    async def check(self, connection: ConnectionContext) -> Healthy:
        del connection
        return Healthy("The sandbox is always there.")

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool:
        return is_authentic(request, connection.config)

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        del connection
        return parse_webhook(request.body)

    async def close(self) -> None:
        await self._receipts.close()

    async def _accept(
        self, outbound: Outbound, connection: ConnectionContext, receipts: Receipts, after_seconds: float
    ) -> Outcome:
        remaining = self._manifest.attempt_seconds - _SEND_MARGIN_SECONDS
        if after_seconds > 0:
            await asyncio.sleep(min(after_seconds, remaining))
        if after_seconds >= remaining:
            return InDoubt("the sandbox did not answer in time")
        outcome = await self._hand_over(outbound, connection, remaining - after_seconds)
        match outcome:
            case Sent(external_id) if receipts is Receipts.DELIVERED_FIRST:
                await self._receipts.post_first(external_id, connection)
            case Sent(external_id):
                self._receipts.post_later(external_id, receipts, connection)
            case _:
                pass
        return outcome

    async def _hand_over(
        self, outbound: Outbound, connection: ConnectionContext, timeout_s: float
    ) -> Outcome:
        if connection.config.get("api_base_url"):
            return await post_message(self._http, outbound, connection, timeout_s)
        return Sent(external_id_of(outbound))
