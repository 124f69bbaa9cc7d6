"""SNS on loopback: envelopes signed with a certificate of our own, and a way to where that certificate is."""

import base64
import functools
import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from outrider.core.outgoing import HttpAnswer, HttpFailure, OutgoingHttp
from outrider.platforms.base import InboundRequest
from outrider.platforms.ses.notifications import signed_text

TOPIC = "arn:aws:sns:eu-central-1:111111111111:mail-events"
HOST = "https://sns.eu-central-1.amazonaws.com"
CERTIFICATE_URL = f"{HOST}/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE_URL = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
MAIL_ID = "0107018f2a3b4c5d-6e7f8091-a2b3-4c5d-8e9f-0a1b2c3d4e5f-000000"
_HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 (what SNS signs with)

_numbers = itertools.count(1)


class Rerouted:
    """The HTTP client for which SNS, and nothing else of AWS, is somewhere on this machine."""

    def __init__(self, http: OutgoingHttp, url: str, *, authorization: str = "") -> None:
        self._http = http
        self._url = url
        self._headers = {"authorization": authorization} if authorization else {}
        self.called: list[str] = []

    async def request(self, method: str, url: str, **rest: object) -> HttpAnswer | HttpFailure:
        parts = urlsplit(url)
        if (parts.hostname or "").startswith("sns."):
            self.called.append(url)
            headers = {"host": parts.netloc, **self._headers}
            path = f"{parts.path}{'?' if parts.query else ''}{parts.query}"
            return await self._http.request(method, self._url + path, headers=headers, **rest)
        return await self._http.request(method, url, **rest)


@functools.cache
def signing_key() -> rsa.RSAPrivateKey:
    """The key of this SNS."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def certificate() -> bytes:
    """What leads to the public key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signing_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(signing_key(), hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def envelope(kind: str = "Notification", *, version: str = "2", **more: object) -> dict[str, object]:
    """A signed envelope."""
    document: dict[str, object] = {
        "Type": kind,
        "MessageId": f"00000000-0000-0000-0000-{next(_numbers):012d}",
        "TopicArn": TOPIC,
        "Message": "Hello",
        "Timestamp": "2026-11-20T10:00:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        **({} if kind == "Notification" else {"Token": "2336412f37", "SubscribeURL": SUBSCRIBE_URL}),
        **more,
    }
    signed = signed_text(document)
    assert signed is not None
    signature = signing_key().sign(signed, padding.PKCS1v15(), _HASHES[version])
    return document | {"Signature": base64.b64encode(signature).decode()}


def request_of(document: Mapping[str, object]) -> InboundRequest:
    """An envelope as it is posted."""
    return InboundRequest({"content-type": "text/plain; charset=UTF-8"}, json.dumps(document).encode())


def event_of(kind: str, **more: object) -> dict[str, object]:
    """An event of a mail."""
    mail = {
        "messageId": MAIL_ID,
        "timestamp": "2026-11-20T09:59:00.000Z",
        "source": "hello@sender.example",
        "destination": ["ada@example.com"],
    }
    return {"eventType": kind, "mail": mail, **more}


def notification(event: Mapping[str, object], **more: object) -> InboundRequest:
    """An event in its envelope."""
    return request_of(envelope(Message=json.dumps(event), **more))
