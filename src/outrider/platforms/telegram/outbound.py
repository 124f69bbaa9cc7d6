"""A message to a Telegram chat, and what the Bot API's answers mean for it.

Answers: https://core.telegram.org/bots/api#making-requests; the words of a description are not documented,
so they only choose between codes of a failure and never whether it is one.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import (
    Deferred,
    FailureCode,
    InDoubt,
    JsonObject,
    Outbound,
    Outcome,
    Rejected,
    Sent,
)
from outrider.platforms.telegram.client import Bot, call
from outrider.platforms.vendor_http import VendorHttp, bounded_pause, outcome_of_failure
from outrider.platforms.vendor_json import as_object, as_short_id, as_text, read

_MARGIN_SECONDS = 1.0
_ACCOUNT_PAUSE_SECONDS = 60.0
_DEFAULT_RATE_PAUSE_SECONDS = 5.0
_LONGEST_DETAIL = 300
_NUMERIC = re.compile(r"-?[0-9]{1,19}")
_NO_SUCH_RECIPIENT = re.compile(r"(chat|user) not found|peer_id_invalid|user_id_invalid|chat_id_invalid")
_NO_RIGHTS = re.compile(r"not enough rights|have no rights|need administrator rights|write_forbidden")


@dataclass(frozen=True, slots=True)
class _Moved:
    """The group became a supergroup with another id."""

    chat_id: str


async def send_text(http: VendorHttp, bot: Bot, outbound: Outbound, attempt_seconds: float) -> Outcome:
    """Send the message's text; a group that has become a supergroup is followed to its new id."""
    text = outbound.content.get("text")
    if outbound.content.get("type") != "text" or not isinstance(text, str) or not text.strip():
        return Rejected(FailureCode.CONTENT_REJECTED, "only messages with text can be sent")
    give_up_at = time.monotonic() + attempt_seconds - _MARGIN_SECONDS
    outcome = await _send_to(http, bot, outbound.recipient, text, give_up_at)
    if isinstance(outcome, _Moved):
        outcome = await _send_to(http, bot, outcome.chat_id, text, give_up_at)
    if isinstance(outcome, _Moved):
        return Rejected(FailureCode.RECIPIENT_NOT_FOUND, "the group has moved twice")
    return outcome


async def _send_to(
    http: VendorHttp, bot: Bot, chat_id: str, text: str, give_up_at: float
) -> Outcome | _Moved:
    remaining = give_up_at - time.monotonic()
    if remaining <= 0:
        return Deferred(None, "no time was left in this attempt")
    parameters: JsonObject = {
        "chat_id": int(chat_id) if _NUMERIC.fullmatch(chat_id) else chat_id,
        "text": text,
    }
    answer = await call(http, bot, "sendMessage", parameters, remaining)
    if isinstance(answer, HttpFailure):
        return outcome_of_failure(answer)
    return _outcome_of(answer, bot, chat_id)


def _outcome_of(answer: HttpAnswer, bot: Bot, chat_id: str) -> Outcome | _Moved:
    try:
        envelope = as_object(read(answer.body))
    except ValueError:
        envelope = {}
    if envelope.get("ok") is True:
        return _sent(as_object(envelope.get("result")), chat_id)
    code = envelope.get("error_code")
    status = code if isinstance(code, int) and not isinstance(code, bool) else answer.status
    if 200 <= status < 300:
        return InDoubt(f"the answer ({answer.status}) does not say what became of the message")
    description = bot.without_token(as_text(envelope.get("description")) or f"HTTP {answer.status}")
    return _failure(status, description[:_LONGEST_DETAIL], as_object(envelope.get("parameters")))


def _sent(result: JsonObject, chat_id: str) -> Sent | InDoubt:
    message_id = as_short_id(result.get("message_id"))
    if message_id is None:
        return InDoubt("the answer names no message")
    return Sent(f"{as_short_id(as_object(result.get('chat')).get('id')) or chat_id}:{message_id}")


def _failure(status: int, detail: str, parameters: Mapping[str, object]) -> Outcome | _Moved:
    moved_to = as_short_id(parameters.get("migrate_to_chat_id"))
    match status:
        case 400 if moved_to is not None:
            return _Moved(moved_to)
        case 429:
            # Telegram does not tell whether the bot or one chat is meant: the whole bot waits.
            return Deferred(_seconds_in(parameters.get("retry_after")), detail, pauses_connection=True)
        case 401 | 404:
            # A wrong or revoked token. The messages are kept until somebody has set a good one.
            return Deferred(
                _ACCOUNT_PAUSE_SECONDS, f"the bot token is refused: {detail}", pauses_connection=True
            )
        case 403:
            return Rejected(FailureCode.RECIPIENT_BLOCKED, detail)
        case 400 | 413:
            return Rejected(_code_of(detail), detail)
        case _:
            return Deferred(None, detail)


def _seconds_in(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bounded_pause(float(value))
    return _DEFAULT_RATE_PAUSE_SECONDS


def _code_of(description: str) -> FailureCode:
    said = description.lower()
    if _NO_SUCH_RECIPIENT.search(said):
        return FailureCode.RECIPIENT_NOT_FOUND
    return FailureCode.RECIPIENT_BLOCKED if _NO_RIGHTS.search(said) else FailureCode.CONTENT_REJECTED
