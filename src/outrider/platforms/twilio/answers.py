"""What Twilio's error codes mean (https://www.twilio.com/docs/api/errors), in answers and in receipts alike."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from outrider.core.outgoing import HttpAnswer
from outrider.platforms.base import Deferred, FailureCode, InDoubt, JsonObject, Outcome, Rejected, Sent
from outrider.platforms.twilio.client import Account
from outrider.platforms.vendor_http import retry_after_of
from outrider.platforms.vendor_json import as_object, as_short_id, as_text, read

_ACCOUNT_PAUSE_SECONDS: Final = 60.0
# Twilio names no time after which it takes more.
_RATE_PAUSE_SECONDS: Final = 2.0
_FULL_QUEUE_PAUSE_SECONDS: Final = 30.0
_LONGEST_DETAIL: Final = 300

_ACCOUNT_CODES: Final = frozenset({20003, 20005, 20006, 20404, 30002, 90010})
_RATE_CODES: Final = frozenset({14107, 20429, 63018})
_FULL_QUEUE_CODES: Final = frozenset({21611, 30001})

_NOT_FOUND, _BLOCKED = FailureCode.RECIPIENT_NOT_FOUND, FailureCode.RECIPIENT_BLOCKED
_CONTENT, _ACCOUNT = FailureCode.CONTENT_REJECTED, FailureCode.ACCOUNT_ERROR
FAILURES: Final[Mapping[int, FailureCode]] = MappingProxyType(
    {
        12300: _CONTENT,  # media of a type that it does not take
        21211: _NOT_FOUND,  # no valid number
        21408: _ACCOUNT,  # the account may not send to that country
        21601: _ACCOUNT,  # the sender cannot send SMS
        21602: _CONTENT,  # no text
        21603: _ACCOUNT,  # no sender
        21604: _NOT_FOUND,  # no recipient
        21606: _ACCOUNT,  # the sender is not the account's
        21608: _ACCOUNT,  # a trial account and a number that is not verified
        21610: _BLOCKED,  # the recipient has opted out
        21612: _ACCOUNT,  # no way from this sender to there
        21614: _NOT_FOUND,  # no mobile number
        21617: _CONTENT,  # too long
        21619: _CONTENT,  # neither text nor media
        21620: _CONTENT,  # the address of a file
        21623: _CONTENT,  # too many files
        21635: _NOT_FOUND,  # a landline
        21659: _ACCOUNT,  # the sender is no number of Twilio's
        30003: _BLOCKED,  # the phone is switched off or out of reach
        30004: _BLOCKED,  # the recipient or its carrier blocks us
        30005: _NOT_FOUND,  # nobody has the number
        30006: _NOT_FOUND,  # a landline, or a carrier that cannot be reached
        30007: _CONTENT,  # filtered
        30011: _CONTENT,  # the carrier takes no MMS
        30019: _CONTENT,  # too large
        30034: _ACCOUNT,  # the sender is not registered in the United States
        63016: FailureCode.WINDOW_CLOSED,
        63024: _NOT_FOUND,
    }
)
PERMANENT: Final = frozenset({21211, 21610, 21614, 21635, 30004, 30005, 30006})
"""Codes that say something of the recipient that does not pass."""


def outcome_of(answer: HttpAnswer, account: Account) -> Outcome:
    """Read the answer to a send."""
    document = _document(answer)
    if 200 <= answer.status < 300:
        return _taken(document)
    code = code_of(document.get("code"))
    said = as_text(document.get("message")) or f"HTTP {answer.status}"
    detail = account.without_token(f"{code}: {said}" if code else said)[:_LONGEST_DETAIL]
    if code in FAILURES:
        return Rejected(FAILURES[code], detail)
    if code in _FULL_QUEUE_CODES:
        return Deferred(_FULL_QUEUE_PAUSE_SECONDS, detail, pauses_connection=True)
    if code in _RATE_CODES or answer.status == 429:
        pause = retry_after_of(answer.headers)
        return Deferred(_RATE_PAUSE_SECONDS if pause is None else pause, detail, pauses_connection=True)
    if code in _ACCOUNT_CODES or answer.status in {401, 403, 404}:
        # the messages are kept until somebody has set the credentials right
        return Deferred(
            _ACCOUNT_PAUSE_SECONDS, f"the credentials are refused: {detail}", pauses_connection=True
        )
    if 400 <= answer.status < 500 and answer.status != 408:
        return Rejected(FailureCode.UNKNOWN, detail)
    return Deferred(None, detail)


def _taken(document: JsonObject) -> Outcome:
    sid = as_short_id(document.get("sid"))
    if sid is None:
        return InDoubt("the answer names no message")
    if document.get("status") in {"failed", "undelivered"}:
        code = code_of(document.get("error_code"))
        said = as_text(document.get("error_message")) or "Twilio could not send the message"
        return Rejected(FAILURES.get(code, FailureCode.UNKNOWN), f"{code}: {said}"[:_LONGEST_DETAIL])
    return Sent(sid)


def refusal_of(answer: HttpAnswer, account: Account) -> str:
    """What a refusal says, for people."""
    said = as_text(_document(answer).get("message")) or f"HTTP {answer.status}"
    return account.without_token(said)[:_LONGEST_DETAIL]


def name_of(answer: HttpAnswer) -> tuple[str | None, str | None]:
    """What the account is called, and its status."""
    document = _document(answer)
    return as_text(document.get("friendly_name")), as_text(document.get("status"))


def code_of(value: object) -> int:
    """An error code, which comes as a number or as text; 0 for none."""
    text = as_short_id(value) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def _document(answer: HttpAnswer) -> JsonObject:
    try:
        return as_object(read(answer.body))
    except ValueError:
        return {}
