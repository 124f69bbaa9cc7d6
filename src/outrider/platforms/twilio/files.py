"""Files that people sent: fetched from Twilio with the account's credentials, which nobody else ever gets."""

import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import (
    FETCH_SECONDS,
    LARGEST_FILE,
    Deferred,
    FailureCode,
    FetchedFile,
    Rejected,
)
from outrider.platforms.twilio.client import Account, download
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
    if url is None or not _is_twilios(url, account):
        return Rejected(FailureCode.UNKNOWN, "the message named no file of Twilio's")
    give_up_at = time.monotonic() + FETCH_SECONDS - _MARGIN_SECONDS
    answer = await download(http, url, account.authorization, give_up_at - time.monotonic(), LARGEST_FILE)
    if isinstance(answer, HttpAnswer) and answer.status in _REDIRECTS:
        elsewhere = answer.headers.get("Location", "")
        answer = await download(http, elsewhere, None, give_up_at - time.monotonic(), LARGEST_FILE)
    return content_of(answer)


def _is_twilios(url: str, account: Account) -> bool:
    try:
        parts, own = urlsplit(url), urlsplit(account.api_base_url)
        if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
            return True
        return parts.scheme == "https" and (parts.hostname or "").endswith(_TWILIOS) and parts.port is None
    except ValueError:
        return False


def content_of(answer: HttpAnswer | HttpFailure) -> FetchedFile | Rejected | Deferred:
    """Read the answer to a download."""
    match answer:
        case HttpFailure(kind=kind):
            return Deferred(None, f"no answer: {kind}")
        case HttpAnswer(status=200, truncated=False):
            return FetchedFile(answer.body)
        case HttpAnswer(status=200) if len(answer.body) >= LARGEST_FILE:
            return Rejected(FailureCode.CONTENT_REJECTED, f"the file has more than {LARGEST_FILE} bytes")
        case HttpAnswer(status=404 | 410):
            return Rejected(FailureCode.UNKNOWN, "Twilio has the file no more")
        case HttpAnswer(status=200):
            return Deferred(None, "the connection was lost")
        case HttpAnswer(status=status):
            return Deferred(None, f"the download was answered with {status}")
