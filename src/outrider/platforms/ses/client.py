"""Calls of the SES API, version 2, each signed for its region."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.ses.signing import Credentials, signed_headers
from outrider.platforms.vendor_http import VendorHttp

_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")
_LARGE: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Region:
    """One account's SES in one region."""

    credentials: Credentials = field(repr=False)
    base_url: str

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "Region | None":
        """The region that a connection's config names, None if there can be none of that name."""
        name = str(config["region"]).strip()
        if not _REGION.fullmatch(name):
            return None
        suffix = "amazonaws.com.cn" if name.startswith("cn-") else "amazonaws.com"
        base_url = str(config.get("api_base_url") or f"https://email.{name}.{suffix}").rstrip("/")
        keys = (str(config[key]).strip() for key in ("access_key_id", "secret_access_key"))
        return cls(Credentials(*keys, region=name, service="ses"), base_url)

    @property
    def name(self) -> str:
        """What AWS calls it."""
        return self.credentials.region

    @property
    def message_id_domain(self) -> str:
        """The domain of the Message-IDs that SES gives to mails."""
        return "email.amazonses.com" if self.name == "us-east-1" else f"{self.name}.amazonses.com"

    def without_key(self, text: str) -> str:
        """The text with the secret key blotted out, should a server repeat it."""
        return text.replace(self.credentials.secret_access_key, "***")


async def post_mail(
    http: VendorHttp, region: Region, body: bytes, timeout_s: float
) -> HttpAnswer | HttpFailure:
    """Ask for a mail to be sent."""
    return await _call(http, region, "POST", "/v2/email/outbound-emails", body, timeout_s)


async def get_account(http: VendorHttp, region: Region, timeout_s: float) -> HttpAnswer | HttpFailure:
    """Ask whether the account may send."""
    return await _call(http, region, "GET", "/v2/email/account", b"", timeout_s)


async def _call(
    http: VendorHttp, region: Region, method: str, path: str, body: bytes, timeout_s: float
) -> HttpAnswer | HttpFailure:
    url = f"{region.base_url}{path}"
    headers = {"content-type": "application/json"} if body else {}
    arguments = (region.credentials, method, url, headers, body, datetime.now(UTC))
    if len(body) > _LARGE:
        signed = await asyncio.to_thread(signed_headers, *arguments)
    else:
        signed = signed_headers(*arguments)
    return await http.request(
        method, url, headers=signed, body=body or None, purpose="ses.call", timeout_s=timeout_s
    )
