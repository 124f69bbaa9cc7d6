"""The Mailgun provider: mail both ways, with receipts of every kind."""

import time
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
from outrider.platforms.mail_addresses import read_mail_address
from outrider.platforms.mailgun.client import Domain, post_message
from outrider.platforms.mailgun.events import parse_event
from outrider.platforms.mailgun.files import fetch
from outrider.platforms.mailgun.inbound import parse_mail
from outrider.platforms.mailgun.manifest import MANIFEST
from outrider.platforms.mailgun.outbound import said_by, send_mail
from outrider.platforms.mailgun.signatures import SeenTokens, is_authentic, is_json, signed_in
from outrider.platforms.vendor_http import VendorHttp

_MARGIN_SECONDS = 1.0


class MailgunAdapter:
    """Speaks Mailgun's API over the guarded HTTP client; keeps the tokens of webhooks that it has seen."""

    def __init__(self, http: VendorHttp, *, attempt_seconds: float = MANIFEST.attempt_seconds) -> None:
        self._manifest = replace(MANIFEST, attempt_seconds=attempt_seconds)
        self._http = http
        self._seen = SeenTokens()

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def normalise_address(self, address: str) -> str | None:
        read = read_mail_address(address)
        return read.shown if read is not None else None

    async def send(self, outbound: Outbound, connection: ConnectionContext) -> Outcome:
        return await send_mail(self._http, outbound, connection, self._manifest.attempt_seconds)

    async def find_outcome(self, outbound: Outbound, connection: ConnectionContext) -> Sent | Rejected | None:
        del outbound, connection
        return None  # its log of events lags behind, so that nothing found says nothing

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        return await fetch(self._http, Domain.of(connection.config), reference)

    async def check(self, connection: ConnectionContext) -> Healthy | Unhealthy:
        """Ask for a mail that says nothing: who may send is told what is missing. Sending keys can ask no more."""
        domain = Domain.of(connection.config)
        fields = {"o:testmode": "yes"}
        remaining = self._manifest.attempt_seconds - _MARGIN_SECONDS
        answer = await post_message(self._http, domain, fields, (), remaining)
        if isinstance(answer, HttpFailure):
            return Unhealthy(f"Mailgun was not reached: {answer.kind}.")
        if answer.status != 400:
            return Unhealthy(f"Mailgun refuses the key or the domain: {said_by(answer, domain)}")
        return Healthy(f"May send for {domain.name}.")

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool:
        if not is_authentic(request, connection.config.get("webhook_signing_secret"), time.time()):
            return False
        signed = signed_in(request)
        return signed is not None and not self._seen.is_other_body(signed.token, request.body)

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        del connection
        return parse_event(request.body) if is_json(request) else parse_mail(request.headers, request.body)

    async def close(self) -> None:
        """Nothing to give back: the HTTP client is shared and not ours."""
