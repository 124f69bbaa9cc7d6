"""The Amazon SES provider: mail out, receipts of every kind by SNS, and mail in where a rule hands it on."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from outrider.core.outgoing import HttpFailure
from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    FailureCode,
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
from outrider.platforms.ses.client import Region, get_account
from outrider.platforms.ses.inbound import parse_webhook
from outrider.platforms.ses.manifest import MANIFEST
from outrider.platforms.ses.notifications import Certificates, confirm, envelope_in
from outrider.platforms.ses.outbound import account_in, said_by, send_mail
from outrider.platforms.vendor_files import inline_content
from outrider.platforms.vendor_http import VendorHttp

_MARGIN_SECONDS = 1.0


class SesAdapter:
    """Speaks the SES API over the guarded HTTP client; keeps the certificates that SNS signs with."""

    def __init__(self, http: VendorHttp, *, attempt_seconds: float = MANIFEST.attempt_seconds) -> None:
        self._manifest = replace(MANIFEST, attempt_seconds=attempt_seconds)
        self._http = http
        self._certificates = Certificates(http)

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
        return None  # SES finds mails by the id that it did not tell

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        del connection
        return inline_content(reference) or Rejected(FailureCode.UNKNOWN, "the mail brought no such file")

    async def check(self, connection: ConnectionContext) -> Healthy | Unhealthy:
        region = Region.of(connection.config)
        if region is None:
            return Unhealthy("There is no region of that name.")
        answer = await get_account(self._http, region, self._manifest.attempt_seconds - _MARGIN_SECONDS)
        if isinstance(answer, HttpFailure):
            return Unhealthy(f"SES was not reached: {answer.kind}.")
        if answer.status != 200:
            return Unhealthy(f"SES refuses the keys: {said_by(answer, region)}")
        may_send, to_everybody = account_in(answer)
        if not may_send:
            return Unhealthy("Sending is paused for the account.")
        if not to_everybody:
            return Healthy(f"May send in {region.name}, to verified addresses only (sandbox).")
        return Healthy(f"May send in {region.name}.")

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool | Deferred:
        envelope = envelope_in(request.body)
        return await self._certificates.is_signed(envelope, connection.config.get("topic_arn"))

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        del connection
        return parse_webhook(request.body, partial(confirm, self._http))

    async def close(self) -> None:
        """Nothing to give back: the HTTP client is shared and not ours."""
