"""Telegram's updates (https://core.telegram.org/bots/api#update): messages and reactions; the rest is kept raw."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from outrider.platforms.base import (
    InboundMessage,
    InboundReaction,
    InboundRequest,
    JsonObject,
    ParsedWebhook,
    Sender,
    Unrecognised,
)
from outrider.platforms.telegram.inbound_contents import said_in
from outrider.platforms.vendor_contents import LONGEST_EMOJI
from outrider.platforms.vendor_json import as_list, as_name, as_object, as_short_id, as_text, read

SECRET_TOKEN_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 (the header's name)

_MESSAGE_KINDS = ("message", "channel_post")


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
    for kind in _MESSAGE_KINDS:
        message = as_object(update.get(kind))
        if message:
            return ParsedWebhook((_message(kind, message, dedupe_key),))
    reaction = as_object(update.get("message_reaction"))
    if reaction:
        return ParsedWebhook((_reaction(reaction, dedupe_key),))
    kinds = ", ".join(sorted(key[:60] for key in update if key != "update_id")[:5])
    return ParsedWebhook((Unrecognised(dedupe_key, f"update of kind {kinds or 'nothing'}"),))


def _message(kind: str, message: JsonObject, dedupe_key: str | None) -> InboundMessage | Unrecognised:
    sender = _sender(message)
    chat_id = as_short_id(as_object(message.get("chat")).get("id"))
    message_id = as_short_id(message.get("message_id"))
    if sender is None or chat_id is None or message_id is None:
        return Unrecognised(dedupe_key, f"{kind} without sender, chat or message_id")
    said = said_in(message)
    if said is None:
        return Unrecognised(dedupe_key, f"{kind} without text")
    external_id = f"{chat_id}:{message_id}"
    return InboundMessage(
        dedupe_key=dedupe_key or f"message:{external_id}",
        external_id=external_id,
        sender=sender,
        conversation=chat_id,
        content={**said.content, "role": "user"},
        written_at=_time(message.get("date")),
        reply_to_external_id=_replied_to(message, chat_id),
        files=said.files,
    )


def _reaction(reaction: JsonObject, dedupe_key: str | None) -> InboundReaction | Unrecognised:
    chat = as_object(reaction.get("chat"))
    sender = _sender({"from": reaction.get("user"), "sender_chat": reaction.get("actor_chat"), "chat": chat})
    chat_id, message_id = as_short_id(chat.get("id")), as_short_id(reaction.get("message_id"))
    if sender is None or chat_id is None or message_id is None:
        return Unrecognised(dedupe_key, "message_reaction without sender, chat or message_id")
    external_id = f"{chat_id}:{message_id}"
    emoji = _emoji_now(as_list(reaction.get("old_reaction")), as_list(reaction.get("new_reaction")))
    return InboundReaction(
        dedupe_key=dedupe_key or f"reaction:{external_id}:{sender.external_id}:{emoji}",
        external_id=external_id,
        sender=sender,
        conversation=chat_id,
        emoji=emoji,
    )


def _emoji_now(old: list[object], new: list[object]) -> str:
    """The emoji that was added, else one that is left; none if all were taken back."""
    before, after = ([_emoji_of(as_object(one)) for one in reactions] for reactions in (old, new))
    added = [emoji for emoji in after if emoji not in before]
    return next(iter([*added, *after]), "")


def _emoji_of(reaction: JsonObject) -> str:
    match reaction.get("type"):
        case "emoji":
            return (as_text(reaction.get("emoji")) or "")[:LONGEST_EMOJI]
        case "custom_emoji":
            return f"custom_emoji:{as_short_id(reaction.get('custom_emoji_id'))}"[:LONGEST_EMOJI]
        case _:
            return "⭐"


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
