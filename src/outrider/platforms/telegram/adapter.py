"""The Telegram provider: messages of every kind to and from the chats of a bot."""

import re
from collections.abc import Mapping
from dataclasses import replace

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
from outrider.platforms.telegram.checking import check_bot
from outrider.platforms.telegram.client import Bot
from outrider.platforms.telegram.files import fetch
from outrider.platforms.telegram.inbound import is_authentic, parse_webhook
from outrider.platforms.telegram.manifest import MANIFEST
from outrider.platforms.telegram.outbound import send_message
from outrider.platforms.vendor_http import VendorHttp

_CHAT_ID = re.compile(r"-?[1-9][0-9]{0,18}")
_CHANNEL_NAME = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}")


class TelegramAdapter:
    """Speaks the Bot API over the guarded HTTP client and keeps nothing itself."""

    def __init__(self, http: VendorHttp, *, attempt_seconds: float = MANIFEST.attempt_seconds) -> None:
        self._manifest = replace(MANIFEST, attempt_seconds=attempt_seconds)
        self._http = http

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def normalise_address(self, address: str) -> str | None:
        trimmed = address.strip()
        if _CHAT_ID.fullmatch(trimmed):
            return trimmed
        return trimmed.lower() if _CHANNEL_NAME.fullmatch(trimmed) else None

    async def send(self, outbound: Outbound, connection: ConnectionContext) -> Outcome:
        bot = Bot.of(connection.config)
        return await send_message(self._http, bot, outbound, self._manifest.attempt_seconds)

    async def find_outcome(self, outbound: Outbound, connection: ConnectionContext) -> Sent | Rejected | None:
        del outbound, connection
        return None  # a bot cannot read what it has sent

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        return await fetch(self._http, Bot.of(connection.config), reference)

    async def check(self, connection: ConnectionContext) -> Healthy | Unhealthy:
        return await check_bot(self._http, Bot.of(connection.config), self._manifest.attempt_seconds)

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool:
        return is_authentic(request, connection.config)

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        del connection
        return parse_webhook(request.body)

    async def close(self) -> None:
        """Nothing to give back: the HTTP client is shared and not ours."""
