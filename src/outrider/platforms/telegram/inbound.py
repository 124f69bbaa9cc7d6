"""Telegram's updates (https://core.telegram.org/bots/api#update): text becomes messages, the rest is kept raw."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from outrider.platforms.base import (
    InboundMessage,
    InboundRequest,
    JsonObject,
    ParsedWebhook,
    Sender,
    Unrecognised,
)
from outrider.platforms.vendor_json import as_name, as_object, as_short_id, as_text, read

SECRET_TOKEN_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 (the header's name)

_TEXT_KINDS = ("message", "channel_post")


def is_authentic(request: InboundRequest, config: Mapping[str, object]) -> bool:
    """Whether the header carries the secret token, where one was given to setWebhook.

    Where none was, the path secret authenticates: customers register the webhook themselves.
    """
    expected = config.get("webhook_secret_token")
    if not isinstance(expected, str) or not expected:
        return True
    given = request.headers.get(SECRET_TOKEN_HEADER, "")
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode(errors="replace"))


def parse_webhook(body: bytes) -> ParsedWebhook:
    """Read one update."""
    try:
        update = as_object(read(body))
    except ValueError:
        return ParsedWebhook((Unrecognised(None, "the body is not JSON"),))
    update_id = as_short_id(update.get("update_id"))
    dedupe_key = f"update:{update_id}" if update_id is not None else None
    for kind in _TEXT_KINDS:
        message = as_object(update.get(kind))
        if message:
            return ParsedWebhook((_message(kind, message, dedupe_key),))
    kinds = ", ".join(sorted(key[:60] for key in update if key != "update_id")[:5])
    return ParsedWebhook((Unrecognised(dedupe_key, f"update of kind {kinds or 'nothing'}"),))


def _message(kind: str, message: JsonObject, dedupe_key: str | None) -> InboundMessage | Unrecognised:
    sender = _sender(message)
    chat_id = as_short_id(as_object(message.get("chat")).get("id"))
    message_id = as_short_id(message.get("message_id"))
    if sender is None or chat_id is None or message_id is None:
        return Unrecognised(dedupe_key, f"{kind} without sender, chat or message_id")
    text = as_text(message.get("text")) or as_text(message.get("caption"))
    if text is None:
        return Unrecognised(dedupe_key, f"{kind} without text")
    external_id = f"{chat_id}:{message_id}"
    return InboundMessage(
        dedupe_key=dedupe_key or f"message:{external_id}",
        external_id=external_id,
        sender=sender,
        conversation=chat_id,
        content={"type": "text", "text": text, "role": "user"},
        written_at=_time(message.get("date")),
        reply_to_external_id=_replied_to(message, chat_id),
    )


def _sender(message: JsonObject) -> Sender | None:
    # In channels, and for admins who write in a group's name, `from` is absent or a stand-in of Telegram's.
    chat, person = as_object(message.get("sender_chat")), as_object(message.get("from"))
    if not chat and not person:
        chat = as_object(message.get("chat"))
    teller = chat or person
    external_id = as_short_id(teller.get("id"))
    if external_id is None:
        return None
    first, last = as_name(teller.get("first_name")), as_name(teller.get("last_name"))
    full_name = " ".join(part for part in (first, last) if part)
    return Sender(external_id, full_name or as_name(teller.get("title")) or as_name(teller.get("username")))


def _replied_to(message: JsonObject, chat_id: str) -> str | None:
    answered = as_object(message.get("reply_to_message"))
    # Every message of a forum's topic "replies" to the one that opened the topic.
    if "forum_topic_created" in answered:
        return None
    message_id = as_short_id(answered.get("message_id"))
    return f"{chat_id}:{message_id}" if message_id is not None else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
