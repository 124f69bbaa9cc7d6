"""Calls of Mailgun's API. The key goes out in a header, and to nobody but Mailgun."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.mailgun.manifest import DEFAULT_API_BASE_URL
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_multipart import FilePart, form_of


@dataclass(frozen=True, slots=True)
class Domain:
    """One sending domain at one API server."""

    name: str
    api_key: str = field(repr=False)
    api_base_url: str

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "Domain":
        """The domain that a connection's config names."""
        base_url = config.get("api_base_url") or DEFAULT_API_BASE_URL
        return cls(str(config["domain"]).strip(), str(config["api_key"]), str(base_url).rstrip("/"))

    @property
    def authorization(self) -> str:
        """The header that tells who we are."""
        pair = f"api:{self.api_key}".encode("utf-8", "replace")
        return f"Basic {base64.b64encode(pair).decode()}"

    def without_key(self, text: str) -> str:
        """The text with the key blotted out, should a server repeat it."""
        return text.replace(self.api_key, "***")


async def post_message(
    http: VendorHttp,
    domain: Domain,
    fields: Mapping[str, str],
    files: Sequence[tuple[str, FilePart]],
    timeout_s: float,
) -> HttpAnswer | HttpFailure:
    """Ask for a mail to be sent."""
    content_type, body = form_of(fields, files)
    return await http.request(
        "POST",
        f"{domain.api_base_url}/v3/{quote(domain.name, safe='')}/messages",
        headers={"authorization": domain.authorization, "content-type": content_type},
        body=body,
        purpose="mailgun.messages",
        timeout_s=timeout_s,
    )


async def download(
    http: VendorHttp, domain: Domain, url: str, timeout_s: float, most_bytes: int
) -> HttpAnswer | HttpFailure:
    """Download what came with a mail that Mailgun keeps."""
    return await http.request(
        "GET",
        url,
        headers={"authorization": domain.authorization},
        purpose="mailgun.attachment",
        timeout_s=timeout_s,
        max_response_bytes=most_bytes,
    )
