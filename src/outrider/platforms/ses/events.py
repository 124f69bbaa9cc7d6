"""What SES tells of mails that we sent, by a configuration set or as an identity's feedback, as receipts.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from datetime import UTC, datetime
from typing import Final

from outrider.platforms.base import FailureCode, InboundItem, JsonObject, Unrecognised
from outrider.platforms.mail_failures import code_of_bounce, enhanced_code_in
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.vendor_json import as_list, as_object, as_short_id, as_text

_LONGEST_DETAIL: Final = 500
_ON_ITS_WAY: Final = frozenset({"Send", "DeliveryDelay"})
_SIMPLE: Final = {
    # what SES calls it: the member that tells more, and what it means
    "Delivery": ("delivery", ReceiptState.DELIVERED),
    "Open": ("open", ReceiptState.OPENED),
    "Click": ("click", ReceiptState.CLICKED),
    "Complaint": ("complaint", ReceiptState.COMPLAINED),
    "Subscription": ("subscription", ReceiptState.UNSUBSCRIBED),
    "Reject": ("reject", ReceiptState.FAILED),
    "Rendering Failure": ("failure", ReceiptState.FAILED),
}
_SUB_TYPES: Final = {
    "NoEmail": FailureCode.RECIPIENT_NOT_FOUND,
    "SuppressionLookup": FailureCode.RECIPIENT_BLOCKED,
    "OnAccountSuppressionList": FailureCode.RECIPIENT_BLOCKED,
    "MailboxFull": FailureCode.RECIPIENT_BLOCKED,
    "MessageTooLarge": FailureCode.CONTENT_REJECTED,
    "ContentRejected": FailureCode.CONTENT_REJECTED,
    "AttachmentRejected": FailureCode.CONTENT_REJECTED,
}
_COUNTED: Final = frozenset({ReceiptState.OPENED, ReceiptState.CLICKED})


def items_of(event: JsonObject, notification_id: str | None) -> tuple[InboundItem, ...]:
    """Read one event."""
    kind = as_text(event.get("eventType")) or as_text(event.get("notificationType")) or "nothing"
    mail = as_object(event.get("mail"))
    external_id = as_short_id(mail.get("messageId"))
    dedupe_key = None if notification_id is None else f"sns:{notification_id}"
    if kind in _ON_ITS_WAY:
        return ()
    if external_id is None or (kind not in _SIMPLE and kind != "Bounce"):
        return (Unrecognised(dedupe_key, f"an event of kind {kind[:60]}, or without the id of a mail"),)
    if kind == "Bounce":
        return tuple(_bounces(as_object(event.get("bounce")), external_id))
    member, state = _SIMPLE[kind]
    more = as_object(event.get(member))
    recipient = _recipient(mail, more)
    # one end of a mail may be told twice, by the set and by the identity; each opening and click is one of its own
    once = f"{kind}:{external_id}:{recipient}"
    is_failure = state is ReceiptState.FAILED
    said = as_text(more.get("reason")) or as_text(more.get("errorMessage")) or f"SES says {kind}"
    return (
        InboundReceipt(
            dedupe_key=dedupe_key or once if state in _COUNTED else once,
            external_id=external_id,
            state=state,
            happened_at=_time(more.get("timestamp")) or _time(mail.get("timestamp")),
            code=FailureCode.CONTENT_REJECTED if is_failure else None,
            detail=said[:_LONGEST_DETAIL] if is_failure else None,
            is_permanent=_is_lasting(state, more),
            recipient=recipient,
            url=as_text(more.get("link")) if state is ReceiptState.CLICKED else None,
        ),
    )


def _is_lasting(state: ReceiptState, more: JsonObject) -> bool:
    if state is ReceiptState.COMPLAINED:
        return more.get("complaintFeedbackType") != "not-spam"
    return state is ReceiptState.UNSUBSCRIBED


def _bounces(bounce: JsonObject, external_id: str) -> list[InboundItem]:
    kind, sub_type = as_text(bounce.get("bounceType")) or "", as_text(bounce.get("bounceSubType")) or ""
    found: dict[str, InboundItem] = {}
    for one in as_list(bounce.get("bouncedRecipients")) or [{}]:
        told = as_object(one)
        recipient = as_short_id(told.get("emailAddress"))
        said = as_text(told.get("diagnosticCode")) or f"{kind} {sub_type}".strip() or "SES tells of a bounce"
        status = as_text(told.get("status")) or enhanced_code_in(said)
        dedupe_key = f"Bounce:{kind[:30]}:{external_id}:{recipient}"
        found[dedupe_key] = InboundReceipt(
            dedupe_key=dedupe_key,
            external_id=external_id,
            state=ReceiptState.FAILED,
            happened_at=_time(bounce.get("timestamp")),
            code=_SUB_TYPES.get(sub_type) or code_of_bounce(status),
            detail=said[:_LONGEST_DETAIL],
            is_permanent=kind == "Permanent",
            recipient=recipient,
        )
    return list(found.values())


def _recipient(mail: JsonObject, more: JsonObject) -> str | None:
    complained = [as_object(one).get("emailAddress") for one in as_list(more.get("complainedRecipients"))]
    known = [*complained, *as_list(more.get("recipients")), *as_list(mail.get("destination"))]
    return next((text for one in known if (text := as_short_id(one)) is not None), None)


def _time(value: object) -> datetime | None:
    text = as_text(value)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
