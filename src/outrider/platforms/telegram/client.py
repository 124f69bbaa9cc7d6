"""Calls of the Bot API. The token is part of the URL, so the URL never leaves this module."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import JsonObject
from outrider.platforms.telegram.manifest import DEFAULT_API_BASE_URL
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import write, write_any
from outrider.platforms.vendor_multipart import FilePart, form_of

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


async def upload(
    http: VendorHttp,
    bot: Bot,
    method: str,
    parameters: JsonObject,
    files: Mapping[str, FilePart],
    timeout_s: float,
) -> HttpAnswer | HttpFailure:
    """Call one method with files; parameters that are no texts are written as JSON."""
    fields = {
        name: value if isinstance(value, str) else write_any(value).decode()
        for name, value in parameters.items()
    }
    content_type, body = form_of(fields, files.items())
    return await http.request(
        "POST",
        _address(bot, method),
        headers={"content-type": content_type},
        body=body,
        purpose=f"telegram.{method}",
        timeout_s=timeout_s,
        max_response_bytes=_LARGEST_ANSWER,
    )


async def download(
    http: VendorHttp, bot: Bot, path: str, timeout_s: float, most_bytes: int
) -> HttpAnswer | HttpFailure:
    """Download a file from where `getFile` says that it lies."""
    return await http.request(
        "GET",
        f"{bot.api_base_url}/file/bot{quote(bot.token, safe=':')}/{quote(path)}",
        purpose="telegram.file",
        timeout_s=timeout_s,
        max_response_bytes=most_bytes,
    )


def _address(bot: Bot, method: str) -> str:
    return f"{bot.api_base_url}/bot{quote(bot.token, safe=':')}/{method}"


async def call(
    http: VendorHttp, bot: Bot, method: str, parameters: JsonObject, timeout_s: float
) -> HttpAnswer | HttpFailure:
    """Call one method with JSON parameters."""
    return await http.request(
        "POST",
        _address(bot, method),
        headers={"content-type": "application/json"},
        body=write(parameters),
        purpose=f"telegram.{method}",
        timeout_s=timeout_s,
        max_response_bytes=_LARGEST_ANSWER,
    )
