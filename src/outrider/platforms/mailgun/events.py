"""Mailgun's events as receipts (https://documentation.mailgun.com/docs/mailgun/user-manual/events)."""

from datetime import UTC, datetime
from typing import Final

from outrider.platforms.base import FailureCode, InboundItem, JsonObject, ParsedWebhook, Unrecognised
from outrider.platforms.mail_failures import code_of_bounce, enhanced_code_in
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.vendor_json import as_object, as_short_id, as_text, read

_LONGEST_DETAIL: Final = 500
_STATES: Final = {
    "delivered": ReceiptState.DELIVERED,
    "opened": ReceiptState.OPENED,
    "clicked": ReceiptState.CLICKED,
    "complained": ReceiptState.COMPLAINED,
    "unsubscribed": ReceiptState.UNSUBSCRIBED,
    "failed": ReceiptState.FAILED,
    "rejected": ReceiptState.FAILED,
}
_LASTING: Final = frozenset({ReceiptState.COMPLAINED, ReceiptState.UNSUBSCRIBED})
# Mailgun's own codes: the address is on one of its suppression lists, and the mail was not sent.
_SUPPRESSED: Final = {
    605: FailureCode.RECIPIENT_NOT_FOUND,
    606: FailureCode.RECIPIENT_BLOCKED,
    607: FailureCode.RECIPIENT_BLOCKED,
}


def parse_event(body: bytes) -> ParsedWebhook:
    """Read one event; what only says that a mail is on its way is acknowledged."""
    try:
        document = as_object(read(body))
    except ValueError:
        return ParsedWebhook((Unrecognised(None, "the body is not JSON"),))
    event = as_object(document.get("event-data"))
    kind = as_text(event.get("event")) or "nothing"
    identifier = as_short_id(event.get("id")) or as_short_id(
        as_object(document.get("signature")).get("token")
    )
    dedupe_key = f"event:{identifier}" if identifier is not None else None
    if kind == "accepted" or (kind == "failed" and event.get("severity") == "temporary"):
        # Mailgun goes on trying, and tells of the end
        return ParsedWebhook(())
    return ParsedWebhook((_receipt(kind, event, dedupe_key),))


def _receipt(kind: str, event: JsonObject, dedupe_key: str | None) -> InboundItem:
    state, external_id = _STATES.get(kind), _message_id(event)
    if state is None or external_id is None:
        return Unrecognised(dedupe_key, f"an event of kind {kind[:60]}, or without the id of a mail")
    failure = _failure(kind, event) if state is ReceiptState.FAILED else None
    return InboundReceipt(
        dedupe_key=dedupe_key or f"{kind}:{external_id}",
        external_id=external_id,
        state=state,
        happened_at=time_of(event.get("timestamp")),
        code=failure[0] if failure else None,
        detail=failure[1] if failure else None,
        is_permanent=failure[2] if failure else state in _LASTING,
        recipient=as_short_id(event.get("recipient")),
        url=as_text(event.get("url")) if state is ReceiptState.CLICKED else None,
    )


def _message_id(event: JsonObject) -> str | None:
    headers = as_object(as_object(event.get("message")).get("headers"))
    return (as_short_id(headers.get("message-id")) or "").strip("<> ") or None


def _failure(kind: str, event: JsonObject) -> tuple[FailureCode, str, bool]:
    """The code, the words, and whether the address takes nothing again."""
    if kind == "rejected":
        rejected = as_object(event.get("reject"))
        said = as_text(rejected.get("description")) or as_text(rejected.get("reason"))
        return FailureCode.CONTENT_REJECTED, (said or "Mailgun rejected the mail")[:_LONGEST_DETAIL], False
    status = as_object(event.get("delivery-status"))
    number = status.get("code")
    number = number if isinstance(number, int) and not isinstance(number, bool) else None
    said = (
        as_text(status.get("message")) or as_text(status.get("description")) or as_text(event.get("reason"))
    )
    detail = f"{number or ''} {said or 'Mailgun could not deliver the mail'}".strip()[:_LONGEST_DETAIL]
    enhanced = as_text(status.get("enhanced-code")) or enhanced_code_in(said or "")
    code = _SUPPRESSED.get(number or 0) or code_of_bounce(enhanced, number)
    return code, detail, code is FailureCode.RECIPIENT_NOT_FOUND or number in _SUPPRESSED


def time_of(value: object) -> datetime | None:
    """A moment that is told in seconds, as a number or as text."""
    try:
        return datetime.fromtimestamp(float(str(value)), UTC)
    except (OverflowError, OSError, ValueError):
        return None
