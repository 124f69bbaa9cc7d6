"""Webhooks of Twilio's, made up and signed."""

from urllib.parse import urlencode

from outrider.platforms.base import InboundRequest
from outrider.platforms.twilio.signatures import SIGNATURE_HEADER, signature_of

TOKEN = "5f3c2a-auth-token-of-the-suite-9b1d"
URL = "https://outrider.example/webhooks/1/secret"
FORM = "application/x-www-form-urlencoded"
SID = "SM00000000000000000000000000000001"


def signed(
    fields: dict[str, str], *, token: str = TOKEN, url: str = URL, signed_url: str | None = None
) -> InboundRequest:
    """A form with Twilio's signature."""
    signature = signature_of(token, signed_url or url, fields.items())
    headers = {"content-type": FORM, SIGNATURE_HEADER: signature}
    return InboundRequest(headers, urlencode(fields).encode(), url=url)


def text_form(**more: str) -> dict[str, str]:
    """Somebody writes."""
    return {
        "MessageSid": SID,
        "SmsSid": SID,
        "AccountSid": "AC1",
        "From": "+14155552671",
        "To": "+14155550100",
        "Body": "سلام 😀 & more=1",
        "NumMedia": "0",
        "SmsStatus": "received",
    } | more


def status_form(status: str, **more: str) -> dict[str, str]:
    """Twilio tells of a message of ours."""
    return {
        "MessageSid": SID,
        "SmsSid": SID,
        "MessageStatus": status,
        "SmsStatus": status,
        "AccountSid": "AC1",
        "From": "+14155550100",
        "To": "+14155552671",
    } | more
