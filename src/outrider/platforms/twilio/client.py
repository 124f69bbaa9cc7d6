"""Calls of Twilio's API. The token goes out in a header, and to nobody but the API server."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.twilio.manifest import DEFAULT_API_BASE_URL
from outrider.platforms.vendor_http import VendorHttp


@dataclass(frozen=True, slots=True)
class Account:
    """One account at one API server."""

    sid: str
    token: str = field(repr=False)
    api_base_url: str

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "Account":
        """The account that a connection's config names."""
        base_url = config.get("api_base_url") or DEFAULT_API_BASE_URL
        return cls(str(config["account_sid"]), str(config["auth_token"]), str(base_url).rstrip("/"))

    @property
    def is_twilios_own(self) -> bool:
        """Whether this is the real API, which reaches public addresses only."""
        return self.api_base_url == DEFAULT_API_BASE_URL

    @property
    def url(self) -> str:
        """Where the account's resources are."""
        return f"{self.api_base_url}/2010-04-01/Accounts/{quote(self.sid, safe='')}"

    @property
    def authorization(self) -> str:
        """The header that tells who we are."""
        pair = f"{self.sid}:{self.token}".encode("utf-8", "replace")
        return f"Basic {base64.b64encode(pair).decode()}"

    def without_token(self, text: str) -> str:
        """The text with the token blotted out, should a server repeat it."""
        return text.replace(self.token, "***")


async def post_message(
    http: VendorHttp, account: Account, form: Sequence[tuple[str, str]], timeout_s: float
) -> HttpAnswer | HttpFailure:
    """Ask for a message to be sent."""
    return await http.request(
        "POST",
        f"{account.url}/Messages.json",
        headers={
            "authorization": account.authorization,
            "content-type": "application/x-www-form-urlencoded",
        },
        body=urlencode(form, errors="replace").encode(),
        purpose="twilio.messages",
        timeout_s=timeout_s,
    )


async def get_account(http: VendorHttp, account: Account, timeout_s: float) -> HttpAnswer | HttpFailure:
    """Ask who the account is."""
    return await http.request(
        "GET",
        f"{account.url}.json",
        headers={"authorization": account.authorization},
        purpose="twilio.account",
        timeout_s=timeout_s,
    )


async def download(
    http: VendorHttp, url: str, authorization: str | None, timeout_s: float, most_bytes: int
) -> HttpAnswer | HttpFailure:
    """Download what somebody sent, as the account or, where Twilio sends us elsewhere, as nobody."""
    return await http.request(
        "GET",
        url,
        headers={} if authorization is None else {"authorization": authorization},
        purpose="twilio.media",
        timeout_s=timeout_s,
        max_response_bytes=most_bytes,
    )
