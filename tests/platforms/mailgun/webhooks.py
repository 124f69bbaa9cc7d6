"""Webhooks of Mailgun's, made up and signed."""

import itertools
import json
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from outrider.platforms.base import InboundRequest
from outrider.platforms.mailgun.signatures import signature_of

KEY = "webhook-signing-key-of-the-suite-4711"
URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
MAIL_ID = "20261120.1.4711@mg.sender.example"

_tokens = itertools.count(1)


def signature(*, key: str = KEY, age: float = 0.0, token: str | None = None) -> dict[str, str]:
    """The three texts that Mailgun signs with."""
    token = token or f"{next(_tokens):050d}"
    timestamp = str(int(time.time() - age))
    return {"timestamp": timestamp, "token": token, "signature": signature_of(key, timestamp, token)}


def event(kind: str, *, signed: Mapping[str, str] | None = None, **more: object) -> InboundRequest:
    """An event of a mail."""
    data: dict[str, object] = {
        "id": f"id-{kind}-{next(_tokens)}",
        "event": kind,
        "timestamp": 1_795_000_000.5,
        "recipient": "ada@example.com",
        "message": {"headers": {"message-id": MAIL_ID, "to": "ada@example.com"}},
    }
    document = {"signature": signed or signature(), "event-data": data | more}
    return InboundRequest({"content-type": "application/json"}, json.dumps(document).encode())


def mail_fields(**more: str) -> dict[str, str]:
    """Mail that a route posts, taken apart."""
    headers = [["Message-Id", "<1@mail.example>"], ["In-Reply-To", f"<{MAIL_ID}>"], ["From", "x@y.example"]]
    return {
        "recipient": "support@mg.sender.example",
        "sender": "bounce@mail.example",
        "from": '"Ada Byron" <Ada@Mail.EXAMPLE>',
        "subject": "Re: Your order",
        "body-plain": "Thanks!\n\n> On its way",
        "stripped-text": "Thanks!",
        "message-headers": json.dumps(headers),
        **signature(),
        **more,
    }


def mail(**more: str) -> InboundRequest:
    """The same as a webhook."""
    return InboundRequest(URLENCODED, urlencode(mail_fields(**more)).encode())


def multipart_mail(*files: tuple[str, str, bytes], **more: str) -> InboundRequest:
    """The same with files."""
    boundary = "b0undary"
    body = b""
    for name, value in mail_fields(**more).items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        body += head.encode() + value.encode() + b"\r\n"
    for number, (filename, kind, content) in enumerate(files, 1):
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="attachment-{number}"; '
            f'filename="{filename}"\r\nContent-Type: {kind}\r\n\r\n'
        )
        body += head.encode() + content + b"\r\n"
    return InboundRequest(
        {"content-type": f'multipart/form-data; boundary="{boundary}"'}, body + f"--{boundary}--\r\n".encode()
    )
