"""SNS's envelopes: who signed them, and with which certificate.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from outrider.core.outgoing import HttpAnswer
from outrider.platforms.base import Deferred, JsonObject
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import as_object, as_text, read

NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"
_OF_NOTIFICATIONS: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_OF_OTHERS: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_HOST: Final = r"https://sns\.[a-z0-9-]{3,40}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE_URL: Final = re.compile(rf"{_HOST}/[A-Za-z0-9._-]{{1,200}}\.pem")
_SUBSCRIBE_URL: Final = re.compile(rf"{_HOST}/\?Action=ConfirmSubscription&[\x21-\x7e]{{1,4000}}")
_HASHES: Final = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 (version 1 is what SNS signs by default)
_CALL_SECONDS: Final = 5.0
_MOST_CERTIFICATES: Final = 32


def envelope_in(body: bytes) -> JsonObject:
    """The envelope, empty if the body is none."""
    try:
        return as_object(read(body))
    except ValueError:
        return {}


def subscribe_url_in(envelope: JsonObject) -> str | None:
    """The address that confirms a subscription, None if it is not SNS's."""
    url = as_text(envelope.get("SubscribeURL"))
    return url if url is not None and _SUBSCRIBE_URL.fullmatch(url) else None


async def confirm(http: VendorHttp, url: str) -> bool:
    """Confirm a subscription; False if SNS did not take it."""
    answer = await http.request("GET", url, purpose="ses.confirm", timeout_s=_CALL_SECONDS)
    return isinstance(answer, HttpAnswer) and 200 <= answer.status < 300


@dataclass(frozen=True, slots=True)
class Certificates:
    """Verifies envelopes; the keys that they were signed with are fetched once."""

    http: VendorHttp
    keys: dict[str, RSAPublicKey] = field(default_factory=dict[str, RSAPublicKey], repr=False)

    async def is_signed(self, envelope: JsonObject, topic_arn: object) -> bool | Deferred:
        """Whether SNS signed it for this topic; put off while the certificate cannot be fetched."""
        told = as_text(envelope.get("TopicArn")) or ""
        is_ours = isinstance(topic_arn, str) and hmac.compare_digest(
            told.encode(errors="replace"), topic_arn.strip().encode(errors="replace")
        )
        url = as_text(envelope.get("SigningCertURL")) or ""
        digest = _HASHES.get(str(envelope.get("SignatureVersion")))
        if not is_ours or digest is None or not _CERTIFICATE_URL.fullmatch(url):
            return False
        signature, signed = _signature_in(envelope), signed_text(envelope)
        if signature is None or signed is None:
            return False
        key = await self._key(url)
        if not isinstance(key, RSAPublicKey):
            return key
        try:
            key.verify(signature, signed, PKCS1v15(), digest)
        except InvalidSignature:
            return False
        return True

    async def _key(self, url: str) -> RSAPublicKey | Deferred | bool:
        known = self.keys.get(url)
        if known is not None:
            return known
        answer = await self.http.request("GET", url, purpose="ses.certificate", timeout_s=_CALL_SECONDS)
        if not isinstance(answer, HttpAnswer):
            return Deferred(None, f"the certificate was not reached: {answer.kind}")
        if answer.status in {403, 404}:
            return False  # SNS has no such certificate
        if answer.status != 200 or answer.truncated:
            return Deferred(None, f"the certificate was answered with {answer.status}")
        key = _key_in(answer.body)
        if key is None:
            return False
        if len(self.keys) >= _MOST_CERTIFICATES:
            self.keys.clear()
        self.keys[url] = key
        return key


def signed_text(envelope: JsonObject) -> bytes | None:
    """What SNS signs: some members, each name and value on a line; None if one is missing."""
    names = _OF_NOTIFICATIONS if envelope.get("Type") == NOTIFICATION else _OF_OTHERS
    lines: list[str] = []
    for name in names:
        value = envelope.get(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            return None
        lines += [name, value]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _signature_in(envelope: JsonObject) -> bytes | None:
    try:
        return base64.b64decode(as_text(envelope.get("Signature")) or "", validate=True)
    except (binascii.Error, ValueError):
        return None


def _key_in(pem: bytes) -> RSAPublicKey | None:
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - 7 MB, which few servers need

    try:
        key = load_pem_x509_certificate(pem).public_key()
    except ValueError:
        return None
    return key if isinstance(key, RSAPublicKey) else None
