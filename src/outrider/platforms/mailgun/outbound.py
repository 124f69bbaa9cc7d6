"""A message as the form that Mailgun takes, and what its answers mean."""

import time
from email.headerregistry import Address
from typing import Final

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    FailureCode,
    InDoubt,
    JsonObject,
    Outbound,
    Outcome,
    Rejected,
    Sent,
)
from outrider.platforms.letters import Attached, Draft, read_attached, read_draft
from outrider.platforms.mailgun.client import Domain, post_message
from outrider.platforms.vendor_http import (
    VendorHttp,
    bounded_pause,
    outcome_of_failure,
    retry_after_of,
)
from outrider.platforms.vendor_json import as_object, as_text, read
from outrider.platforms.vendor_multipart import FilePart

EVENT_ID: Final = "outrider-event-id"
"""The variable of a mail that names our event; it comes back with every receipt."""
_MARGIN_SECONDS: Final = 1.0
_ACCOUNT_PAUSE_SECONDS: Final = 60.0
_RATE_PAUSE_SECONDS: Final = 5.0
# Larger than any moment in seconds: it is told in milliseconds.
_MILLISECONDS: Final = 1e11
_LONGEST_DETAIL: Final = 300


async def send_mail(
    http: VendorHttp, outbound: Outbound, connection: ConnectionContext, attempt_seconds: float
) -> Outcome:
    """Hand a mail to Mailgun."""
    give_up_at = time.monotonic() + attempt_seconds - _MARGIN_SECONDS
    draft = await read_draft(outbound, connection.config)
    if isinstance(draft, Rejected):
        return draft
    if draft.needs_smtputf8:
        return Rejected(FailureCode.RECIPIENT_NOT_FOUND, "Mailgun takes no mailboxes beyond ASCII")
    domain = Domain.of(connection.config)
    attached = [_part(file) for file in await read_attached(outbound)]
    fields = fields_of(outbound, draft)
    remaining = give_up_at - time.monotonic()
    if remaining <= 0:
        return Deferred(None, "no time was left in this attempt")
    answer = await post_message(http, domain, fields, attached, remaining)
    return outcome_of_failure(answer) if isinstance(answer, HttpFailure) else outcome_of(answer, domain)


def fields_of(outbound: Outbound, draft: Draft) -> dict[str, str]:
    """The fields of a mail; its Message-Id is equal on every attempt."""
    sender = Address(draft.sender_name, draft.sender.local_part, draft.sender.ascii_domain)
    fields = {
        "from": str(sender),
        "to": draft.recipient.wire,
        "subject": draft.subject,
        "text": draft.text,
        "h:Message-Id": f"<{draft.message_id}>",
        f"v:{EVENT_ID}": str(outbound.event_id),
    }
    if draft.html is not None:
        fields["html"] = draft.html
    if draft.answered is not None:
        fields["h:In-Reply-To"] = fields["h:References"] = f"<{draft.answered}>"
    return fields


def _part(file: Attached) -> tuple[str, FilePart]:
    return "attachment", FilePart(file.filename, file.mime_type, file.content)


def outcome_of(answer: HttpAnswer, domain: Domain) -> Outcome:
    """Read the answer to a send."""
    document = _document(answer)
    detail = said_by(answer, domain)
    match answer.status:
        case status if 200 <= status < 300:
            external_id = (as_text(document.get("id")) or "").strip("<> ")
            return Sent(external_id) if external_id else InDoubt("the answer names no mail")
        case 401 | 402 | 403 | 404:
            # a wrong key, an account that may not send, a domain that is not there: somebody will set it right
            return Deferred(
                _ACCOUNT_PAUSE_SECONDS, f"the account is refused: {detail}", pauses_connection=True
            )
        case 429:
            return Deferred(_pause_of(answer), detail, pauses_connection=True)
        case 400 | 413 | 422:
            return Rejected(_code_of(detail), detail)
        case status if 400 <= status < 500 and status != 408:
            return Rejected(FailureCode.UNKNOWN, detail)
        case _:
            return Deferred(None, detail)


def said_by(answer: HttpAnswer, domain: Domain) -> str:
    """What an answer says, for people."""
    said = as_text(_document(answer).get("message")) or f"HTTP {answer.status}"
    return domain.without_key(said)[:_LONGEST_DETAIL]


def _code_of(detail: str) -> FailureCode:
    """The words are not documented, so they choose between codes and never whether it is a failure."""
    said = detail.lower()
    if "'to' parameter" in said or "to parameter" in said:
        return FailureCode.RECIPIENT_NOT_FOUND
    if "'from' parameter" in said or "from parameter" in said or "authorized recipients" in said:
        return FailureCode.ACCOUNT_ERROR
    return FailureCode.CONTENT_REJECTED


def _pause_of(answer: HttpAnswer) -> float:
    """As long as Mailgun asks, in either of its two ways; the second is a moment."""
    pause = retry_after_of(answer.headers)
    if pause is not None:
        return pause
    reset = next((value for name, value in answer.headers.items() if name.lower() == "x-ratelimit-reset"), "")
    try:
        moment = float(reset)
    except ValueError:
        return _RATE_PAUSE_SECONDS
    return bounded_pause(moment / 1000 - time.time() if moment > _MILLISECONDS else moment - time.time())


def _document(answer: HttpAnswer) -> JsonObject:
    try:
        return as_object(read(answer.body))
    except ValueError:
        return {}
