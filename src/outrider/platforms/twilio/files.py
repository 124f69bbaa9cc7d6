"""Files that people sent: fetched from Twilio with the account's credentials, which nobody else ever gets."""

import time
from collections.abc import Mapping
from typing import Final

from outrider.core.outgoing import HttpAnswer
from outrider.platforms.base import (
    FETCH_SECONDS,
    LARGEST_FILE,
    Deferred,
    FailureCode,
    FetchedFile,
    Rejected,
)
from outrider.platforms.twilio.client import Account, download
from outrider.platforms.vendor_files import downloaded, is_vendors
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import as_text

_MARGIN_SECONDS: Final = 1.0
_TWILIOS: Final = (".twilio.com", ".twiliocdn.com")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


async def fetch(
    http: VendorHttp, account: Account, reference: Mapping[str, object]
) -> FetchedFile | Rejected | Deferred:
    """Fetch a file from the address that came with its message."""
    url = as_text(reference.get("url"))
    if url is None or not is_vendors(url, account.api_base_url, _TWILIOS):
        return Rejected(FailureCode.UNKNOWN, "the message named no file of Twilio's")
    give_up_at = time.monotonic() + FETCH_SECONDS - _MARGIN_SECONDS
    answer = await download(http, url, account.authorization, give_up_at - time.monotonic(), LARGEST_FILE)
    if isinstance(answer, HttpAnswer) and answer.status in _REDIRECTS:
        elsewhere = answer.headers.get("Location", "")
        answer = await download(http, elsewhere, None, give_up_at - time.monotonic(), LARGEST_FILE)
    return downloaded(answer)
