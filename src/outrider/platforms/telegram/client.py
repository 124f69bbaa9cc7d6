"""Calls of the Bot API. The token is part of the URL, so the URL never leaves this module."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import JsonObject
from outrider.platforms.telegram.manifest import DEFAULT_API_BASE_URL
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import write

_LARGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot at one Bot API server."""

    token: str = field(repr=False)
    api_base_url: str

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "Bot":
        """The bot that a connection's config names."""
        base_url = config.get("api_base_url") or DEFAULT_API_BASE_URL
        return cls(str(config["bot_token"]), str(base_url).rstrip("/"))

    def without_token(self, text: str) -> str:
        """The text with the token blotted out, should a server repeat it."""
        return text.replace(self.token, "***")


async def call(
    http: VendorHttp, bot: Bot, method: str, parameters: JsonObject, timeout_s: float
) -> HttpAnswer | HttpFailure:
    """Call one method with JSON parameters."""
    return await http.request(
        "POST",
        f"{bot.api_base_url}/bot{quote(bot.token, safe=':')}/{method}",
        headers={"content-type": "application/json"},
        body=write(parameters),
        purpose=f"telegram.{method}",
        timeout_s=timeout_s,
        max_response_bytes=_LARGEST_ANSWER,
    )
