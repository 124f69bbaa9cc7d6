"""Files that came with messages: bytes that stand in the reference, or that the vendor gives to its customer."""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import urlsplit

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import LARGEST_FILE, Deferred, FailureCode, FetchedFile, Rejected


def inline_content(reference: Mapping[str, object]) -> FetchedFile | Rejected | None:
    """The file that a reference holds, None if it holds none."""
    given = reference.get("base64")
    if given is None:
        return None
    try:
        return FetchedFile(base64.b64decode(str(given), validate=True))
    except (binascii.Error, ValueError):
        return Rejected(FailureCode.CONTENT_REJECTED, "the bytes are not base64")


def is_vendors(url: str, api_base_url: str, suffixes: tuple[str, ...]) -> bool:
    """Whether an address leads to the vendor: to the API server, or by https to one of its hosts.

    Credentials go along, so that a message must not be able to send them elsewhere.
    """
    try:
        parts, own = urlsplit(url), urlsplit(api_base_url)
        if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
            return True
        is_plain = parts.port is None and parts.username is None
        return parts.scheme == "https" and is_plain and (parts.hostname or "").endswith(suffixes)
    except ValueError:
        return False


def downloaded(answer: HttpAnswer | HttpFailure) -> FetchedFile | Rejected | Deferred:
    """Read the answer to a download."""
    match answer:
        case HttpFailure(kind=kind):
            return Deferred(None, f"no answer: {kind}")
        case HttpAnswer(status=200, truncated=False):
            return FetchedFile(answer.body)
        case HttpAnswer(status=200) if len(answer.body) >= LARGEST_FILE:
            return Rejected(FailureCode.CONTENT_REJECTED, f"the file has more than {LARGEST_FILE} bytes")
        case HttpAnswer(status=200):
            return Deferred(None, "the connection was lost")
        case HttpAnswer(status=404 | 410):
            return Rejected(FailureCode.UNKNOWN, "the platform has the file no more")
        case HttpAnswer(status=status):
            return Deferred(None, f"the download was answered with {status}")
