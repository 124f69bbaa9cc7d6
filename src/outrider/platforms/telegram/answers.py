"""What the Bot API's answers mean (https://core.telegram.org/bots/api#making-requests).

The words of a description are not documented, so they only choose between codes of a failure and never whether it is
one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from outrider.core.outgoing import HttpAnswer
from outrider.platforms.base import Deferred, FailureCode, InDoubt, JsonObject, Rejected
from outrider.platforms.telegram.client import Bot
from outrider.platforms.vendor_http import bounded_pause
from outrider.platforms.vendor_json import as_object, as_short_id, as_text, read

_ACCOUNT_PAUSE_SECONDS = 60.0
_DEFAULT_RATE_PAUSE_SECONDS = 5.0
_LONGEST_DETAIL = 300
_NO_SUCH_RECIPIENT = re.compile(r"(chat|user) not found|peer_id_invalid|user_id_invalid|chat_id_invalid")
_NO_RIGHTS = re.compile(r"not enough rights|have no rights|need administrator rights|write_forbidden")


@dataclass(frozen=True, slots=True)
class Moved:
    """The group became a supergroup with another id."""

    chat_id: str


@dataclass(frozen=True, slots=True)
class Done:
    """The method was carried out."""

    result: object


Meaning: TypeAlias = Done | Rejected | Deferred | InDoubt | Moved


def meaning_of(answer: HttpAnswer, bot: Bot) -> Meaning:
    """Read the envelope of an answer."""
    try:
        envelope = as_object(read(answer.body))
    except ValueError:
        envelope = {}
    if envelope.get("ok") is True:
        return Done(envelope.get("result"))
    code = envelope.get("error_code")
    status = code if isinstance(code, int) and not isinstance(code, bool) else answer.status
    if 200 <= status < 300:
        return InDoubt(f"the answer ({answer.status}) does not say what became of the message")
    description = bot.without_token(as_text(envelope.get("description")) or f"HTTP {answer.status}")
    return _failure(status, description[:_LONGEST_DETAIL], as_object(envelope.get("parameters")))


def _failure(status: int, detail: str, parameters: JsonObject) -> Rejected | Deferred | Moved:
    moved_to = as_short_id(parameters.get("migrate_to_chat_id"))
    match status:
        case 400 if moved_to is not None:
            return Moved(moved_to)
        case 429:
            # Telegram does not tell whether the bot or one chat is meant: the whole bot waits.
            return Deferred(_retry_after(parameters), detail, pauses_connection=True)
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


def _retry_after(parameters: Mapping[str, object]) -> float:
    value = parameters.get("retry_after")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bounded_pause(float(value))
    return _DEFAULT_RATE_PAUSE_SECONDS


def _code_of(description: str) -> FailureCode:
    said = description.lower()
    if _NO_SUCH_RECIPIENT.search(said):
        return FailureCode.RECIPIENT_NOT_FOUND
    return FailureCode.RECIPIENT_BLOCKED if _NO_RIGHTS.search(said) else FailureCode.CONTENT_REJECTED
