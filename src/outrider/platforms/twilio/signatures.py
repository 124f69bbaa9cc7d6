"""How Twilio signs its webhooks: HMAC-SHA1 over the address as it called it and the sorted form."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from outrider.platforms.base import InboundRequest
from outrider.platforms.vendor_forms import form_pairs

SIGNATURE_HEADER: Final = "x-twilio-signature"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def is_authentic(request: InboundRequest, token: str) -> bool:
    """Whether a webhook was signed with the account's token."""
    given = request.headers.get(SIGNATURE_HEADER, "").encode(errors="replace")
    is_json = request.headers.get("content-type", "").startswith("application/json")
    if is_json and not _is_hash_of_body(request):
        return False
    pairs = [] if is_json else form_pairs(request.body)
    expected = [signature_of(token, url, pairs) for url in _spellings(request.url)]
    return any([hmac.compare_digest(given, one.encode()) for one in expected])  # noqa: C419 (all are compared)


def signature_of(token: str, url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The signature that Twilio makes; of a key that stands twice each value counts once."""
    signed = url + "".join(f"{name}{value}" for name, value in sorted(set(pairs)))
    digest = hmac.new(token.encode("utf-8", "replace"), signed.encode("utf-8", "replace"), hashlib.sha1)
    return base64.b64encode(digest.digest()).decode()


def _is_hash_of_body(request: InboundRequest) -> bool:
    told = parse_qs(urlsplit(request.url).query).get("bodySHA256", [""])[0]
    actual = hashlib.sha256(request.body).hexdigest()
    return hmac.compare_digest(told.lower().encode(errors="replace"), actual.encode())


def _spellings(url: str) -> tuple[str, ...]:
    """The address with and without its default port: Twilio has signed both."""
    parts = urlsplit(url)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname:
        return (url,)
    credentials, at, host = parts.netloc.rpartition("@")
    host = host.removesuffix(f":{default}")
    if host.rpartition("]")[2].count(":"):
        return (url,)  # a port of its own
    prefix = credentials + at
    hosts = (f"{prefix}{host}", f"{prefix}{host}:{default}")
    return tuple(parts._replace(netloc=netloc).geturl() for netloc in hosts)
