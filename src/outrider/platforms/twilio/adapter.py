"""The Twilio provider: SMS and MMS both ways, with receipts."""

from collections.abc import Mapping
from dataclasses import replace

from outrider.core.outgoing import HttpFailure
from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    FetchedFile,
    Healthy,
    InboundRequest,
    Manifest,
    Outbound,
    Outcome,
    ParsedWebhook,
    Rejected,
    Sent,
    Unhealthy,
)
from outrider.platforms.phone_numbers import read_phone_number
from outrider.platforms.twilio.answers import name_of, refusal_of
from outrider.platforms.twilio.client import Account, get_account
from outrider.platforms.twilio.files import fetch
from outrider.platforms.twilio.inbound import parse_webhook
from outrider.platforms.twilio.manifest import MANIFEST
from outrider.platforms.twilio.outbound import send_message
from outrider.platforms.twilio.signatures import is_authentic
from outrider.platforms.vendor_http import VendorHttp

_MARGIN_SECONDS = 1.0


class TwilioAdapter:
    """Speaks Twilio's API over the guarded HTTP client and keeps nothing itself."""

    def __init__(self, http: VendorHttp, *, attempt_seconds: float = MANIFEST.attempt_seconds) -> None:
        self._manifest = replace(MANIFEST, attempt_seconds=attempt_seconds)
        self._http = http

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def normalise_address(self, address: str) -> str | None:
        return read_phone_number(address)

    async def send(self, outbound: Outbound, connection: ConnectionContext) -> Outcome:
        return await send_message(self._http, outbound, connection, self._manifest.attempt_seconds)

    async def find_outcome(self, outbound: Outbound, connection: ConnectionContext) -> Sent | Rejected | None:
        del outbound, connection
        return None  # messages cannot be asked for by anything that we chose

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        return await fetch(self._http, Account.of(connection.config), reference)

    async def check(self, connection: ConnectionContext) -> Healthy | Unhealthy:
        account = Account.of(connection.config)
        answer = await get_account(self._http, account, self._manifest.attempt_seconds - _MARGIN_SECONDS)
        if isinstance(answer, HttpFailure):
            return Unhealthy(f"Twilio was not reached: {answer.kind}.")
        if answer.status != 200:
            return Unhealthy(f"Twilio refuses the account: {refusal_of(answer, account)}")
        name, status = name_of(answer)
        if status not in {None, "active"}:
            return Unhealthy(f"The account is {status}.")
        return Healthy(f"Connected as {account.without_token(name)}." if name else "Connected.")

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool:
        return is_authentic(request, Account.of(connection.config).token)

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        del connection
        return parse_webhook(request)

    async def close(self) -> None:
        """Nothing to give back: the HTTP client is shared and not ours."""
