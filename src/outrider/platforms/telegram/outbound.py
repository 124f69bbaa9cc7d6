"""A message to a Telegram chat: its calls one after the other, each recorded before the next is made."""

import re
import time
from dataclasses import dataclass

from outrider.core.outgoing import HttpFailure
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
from outrider.platforms.telegram.answers import Done, Moved, meaning_of
from outrider.platforms.telegram.client import Bot, call, upload
from outrider.platforms.telegram.parts import Part, parts_of
from outrider.platforms.vendor_http import VendorHttp, outcome_of_failure
from outrider.platforms.vendor_json import as_object, as_short_id
from outrider.platforms.vendor_multipart import FilePart

_MARGIN_SECONDS = 1.0
# What is left of an attempt must be enough for a call, else a later attempt goes on.
_LEAST_SECONDS = 0.5
_GO_ON_SECONDS = 1.0
_NUMERIC = re.compile(r"-?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class _Sending:
    http: VendorHttp
    bot: Bot
    outbound: Outbound
    give_up_at: float


async def send_message(http: VendorHttp, bot: Bot, outbound: Outbound, attempt_seconds: float) -> Outcome:
    """Send what is left of a message; a group that has become a supergroup is followed to its new id."""
    parts = parts_of(outbound)
    if isinstance(parts, Rejected):
        return parts
    sending = _Sending(http, bot, outbound, time.monotonic() + attempt_seconds - _MARGIN_SECONDS)
    sent = list(outbound.sent_parts)[: len(parts)]
    chat_id = outbound.recipient
    for number, part in enumerate(parts[len(sent) :], len(sent)):
        if number > 0 and sending.give_up_at - time.monotonic() < _LEAST_SECONDS:
            return Deferred(_GO_ON_SECONDS, f"part {number + 1} of {len(parts)} waits for the next attempt")
        outcome = await _send_part(sending, chat_id, part)
        if isinstance(outcome, Moved):
            chat_id = outcome.chat_id
            outcome = await _send_part(sending, chat_id, part)
        if isinstance(outcome, Moved):
            return Rejected(FailureCode.RECIPIENT_NOT_FOUND, "the group has moved twice")
        if not isinstance(outcome, Sent):
            return outcome
        sent.append(outcome.external_id)
        if number + 1 < len(parts):
            await outbound.record_part(number, outcome.external_id)
    return Sent(sent[0], tuple(sent) if len(sent) > 1 else ())


async def _send_part(sending: _Sending, chat_id: str, part: Part) -> Outcome | Moved:
    parameters: JsonObject = {
        "chat_id": int(chat_id) if _NUMERIC.fullmatch(chat_id) else chat_id,
        **part.parameters,
    }
    content = await part.file.read() if part.file is not None else b""
    remaining = sending.give_up_at - time.monotonic()
    if remaining <= 0:
        return Deferred(None, "no time was left in this attempt")
    if part.file is None:
        answer = await call(sending.http, sending.bot, part.method, parameters, remaining)
    else:
        file = FilePart(part.file.filename, part.file.mime_type, content)
        answer = await upload(
            sending.http, sending.bot, part.method, parameters, {part.file_field: file}, remaining
        )
    if isinstance(answer, HttpFailure):
        return outcome_of_failure(answer)
    meaning = meaning_of(answer, sending.bot)
    return _sent(sending, part, meaning.result, chat_id) if isinstance(meaning, Done) else meaning


def _sent(sending: _Sending, part: Part, result: object, chat_id: str) -> Sent | InDoubt:
    if part.method == "setMessageReaction":
        # it makes no message, and so has no id of Telegram's
        return Sent(f"reaction:{sending.outbound.delivery_id}")
    message = as_object(result)
    message_id = as_short_id(message.get("message_id"))
    if message_id is None:
        return InDoubt("the answer names no message")
    return Sent(f"{as_short_id(as_object(message.get('chat')).get('id')) or chat_id}:{message_id}")
