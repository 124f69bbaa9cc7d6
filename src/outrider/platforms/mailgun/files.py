"""Files of mails that came in: their bytes came along, or Mailgun keeps them and gives them to the key's owner."""

from collections.abc import Mapping
from typing import Final

from outrider.platforms.base import (
    FETCH_SECONDS,
    LARGEST_FILE,
    Deferred,
    FailureCode,
    FetchedFile,
    Rejected,
)
from outrider.platforms.mailgun.client import Domain, download
from outrider.platforms.vendor_files import downloaded, inline_content, is_vendors
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import as_text

_MARGIN_SECONDS: Final = 1.0
_MAILGUNS: Final = (".mailgun.net", ".mailgun.org")


async def fetch(
    http: VendorHttp, domain: Domain, reference: Mapping[str, object]
) -> FetchedFile | Rejected | Deferred:
    """Give the bytes of a file."""
    inline = inline_content(reference)
    if inline is not None:
        return inline
    url = as_text(reference.get("url"))
    if url is None or not is_vendors(url, domain.api_base_url, _MAILGUNS):
        return Rejected(FailureCode.UNKNOWN, "the mail named no file of Mailgun's")
    return downloaded(await download(http, domain, url, FETCH_SECONDS - _MARGIN_SECONDS, LARGEST_FILE))
