"""Twilio's webhooks: messages that come in, and what became of ours. Twilio tells no times."""

import re
from typing import Final

from outrider.platforms.base import (
    FailureCode,
    InboundFile,
    InboundItem,
    InboundMessage,
    InboundRequest,
    JsonObject,
    ParsedWebhook,
    Sender,
    Unrecognised,
    WebhookAnswer,
)
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.twilio.answers import FAILURES, PERMANENT, code_of
from outrider.platforms.vendor_forms import Form, read_form
from outrider.platforms.vendor_json import as_name, as_short_id

_ANSWER: Final = WebhookAnswer(b'<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml")
"""TwiML that says nothing: no automatic reply."""
_RECEIVED: Final = frozenset({"received", "receiving"})
_NOT_YET: Final = frozenset({"accepted", "scheduled", "queued", "sending", "sent"})
"""What adds nothing to our own record that Twilio has the message."""
_STATES: Final = {
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "failed": ReceiptState.FAILED,
    "undelivered": ReceiptState.FAILED,
    "canceled": ReceiptState.FAILED,
}
_STOP: Final = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"}
)
_START: Final = frozenset({"start", "yes", "unstop"})
_MOST_FILES: Final = 10
_KIND: Final = re.compile(r"(image|video|audio)/")


def parse_webhook(request: InboundRequest) -> ParsedWebhook:
    """Read one webhook."""
    form = read_form(request.headers, request.body)
    sid = as_short_id(form.text("MessageSid") or form.text("SmsSid") or form.text("SmsMessageSid"))
    status = (form.text("MessageStatus") or "").lower()
    if sid is None:
        return _told(Unrecognised(None, "a form without MessageSid"))
    if status and status not in _RECEIVED:
        return ParsedWebhook((), _ANSWER) if status in _NOT_YET else _told(_receipt(form, sid, status))
    return _told(_message(form, sid))


def _told(item: InboundItem) -> ParsedWebhook:
    return ParsedWebhook((item,), _ANSWER)


def _receipt(form: Form, sid: str, status: str) -> InboundReceipt | Unrecognised:
    state, dedupe_key = _STATES.get(status), f"status:{sid}:{status[:30]}"
    if state is None:
        return Unrecognised(dedupe_key, f"a status that nobody knows: {status[:60]}")
    if state is not ReceiptState.FAILED:
        return InboundReceipt(dedupe_key, sid, state, recipient=form.text("To"))
    number = code_of(form.text("ErrorCode"))
    code = FailureCode.CANCELLED if status == "canceled" else FAILURES.get(number, FailureCode.UNKNOWN)
    said = form.text("ErrorMessage") or form.text("ChannelStatusMessage") or f"Twilio says {status}"
    return InboundReceipt(
        dedupe_key,
        sid,
        state,
        code=code,
        detail=f"{number}: {said}" if number else said,
        is_permanent=number in PERMANENT,
        recipient=form.text("To"),
    )


def _message(form: Form, sid: str) -> InboundMessage | Unrecognised:
    dedupe_key, sender = f"message:{sid}", as_short_id(form.text("From"))
    text, files = form.text("Body"), _files(form)
    if sender is None or not (text or files):
        return Unrecognised(dedupe_key, "a message without sender, or without text and files")
    return InboundMessage(
        dedupe_key=dedupe_key,
        external_id=sid,
        sender=Sender(sender, as_name(form.text("ProfileName"))),
        conversation=sender,
        content={**_content(text, files), **_opt_out(form, text), "role": "user"},
        files=files,
    )


def _content(text: str | None, files: tuple[InboundFile, ...]) -> JsonObject:
    if not files:
        return {"type": "text", "text": text}
    kind = _KIND.match(files[0].mime_type or "")
    content: JsonObject = {"type": kind[1] if kind else "document"}
    return content | ({} if text is None else {"caption": text})


def _opt_out(form: Form, text: str | None) -> JsonObject:
    """Whether somebody wants no more messages, or wants them again: what Twilio says, else the usual words."""
    told = (form.text("OptOutType") or "").upper()
    word = " ".join((text or "").lower().split()).strip(".!")
    if told == "STOP" or (not told and word in _STOP):
        return {"opt_out": True}
    if told == "START" or (not told and word in _START):
        return {"opt_out": False}
    return {}


def _files(form: Form) -> tuple[InboundFile, ...]:
    number = min(code_of(form.text("NumMedia")), _MOST_FILES)
    found: list[InboundFile] = []
    for index in range(number):
        url = form.text(f"MediaUrl{index}")
        if url is not None:
            found.append(InboundFile({"url": url}, mime_type=form.text(f"MediaContentType{index}")))
    return tuple(found)
