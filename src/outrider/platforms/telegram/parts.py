"""A message as calls of the Bot API: one for a text, a place, a contact or a reaction, one for each file."""

import re
from dataclasses import dataclass, replace
from typing import Final

from outrider.platforms.base import FailureCode, JsonObject, Outbound, OutboundFile, Rejected
from outrider.platforms.vendor_json import as_object, as_text

_LARGEST_PHOTO: Final = 10_000_000
_LONGEST_NAME: Final = 64
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
# By type, else by kind: whatever Telegram would show otherwise than it is goes as a document.
_METHODS: Final = {
    "image/jpeg": ("sendPhoto", "photo"),
    "image/png": ("sendPhoto", "photo"),
    "image/webp": ("sendPhoto", "photo"),
    "image/gif": ("sendAnimation", "animation"),
    "video/mp4": ("sendVideo", "video"),
    "audio/mpeg": ("sendAudio", "audio"),
    "audio/mp4": ("sendAudio", "audio"),
    "audio/x-m4a": ("sendAudio", "audio"),
    "audio/ogg": ("sendVoice", "voice"),
}
_DOCUMENT: Final = ("sendDocument", "document")


@dataclass(frozen=True, slots=True)
class Part:
    """One call; `file_field` is how the method calls the file that it uploads. The chat's id is yet to be added."""

    method: str
    parameters: JsonObject
    file_field: str = ""
    file: OutboundFile | None = None


def parts_of(outbound: Outbound) -> list[Part] | Rejected:
    """The calls that a message takes, in their order, or why it cannot be sent."""
    content = outbound.content
    parts: list[Part] | Rejected
    match content.get("type"):
        case "text":
            parts = _text(outbound)
        case "image" | "video" | "audio" | "document":
            parts = _media(outbound)
        case "location":
            parts = _location(as_object(content.get("location")))
        case "contact":
            parts = _contact(as_object(content.get("contact")))
        case "reaction":
            return _reaction(as_object(content.get("reaction")))
        case _:
            return _unacceptable("only the contract's contents can be sent")
    if isinstance(parts, Rejected):
        return parts
    return [_answering(parts[0], outbound.reply_to_external_id), *parts[1:]]


def _text(outbound: Outbound) -> list[Part] | Rejected:
    text = outbound.content.get("text")
    if not isinstance(text, str) or not text.strip():
        return _unacceptable("only messages with text can be sent")
    return [Part("sendMessage", {"text": text}), *(_file(file) for file in outbound.files)]


def _media(outbound: Outbound) -> list[Part] | Rejected:
    if not outbound.files:
        return _unacceptable("the message has no file")
    first, *others = outbound.files
    caption = as_text(outbound.content.get("caption"))
    parameters: JsonObject = {} if caption is None else {"caption": caption}
    part = replace(_file(first, is_document=outbound.content["type"] == "document"), parameters=parameters)
    return [part, *(_file(file) for file in others)]


def _file(file: OutboundFile, *, is_document: bool = False) -> Part:
    method, name = _DOCUMENT if is_document else _METHODS.get(file.mime_type, _DOCUMENT)
    if method == "sendPhoto" and file.size > _LARGEST_PHOTO:
        method, name = _DOCUMENT
    return Part(method, {}, name, file)


def _location(location: JsonObject) -> list[Part] | Rejected:
    place = {name: location.get(name) for name in ("latitude", "longitude")}
    if not all(isinstance(value, int | float) for value in place.values()):
        return _unacceptable("the location has no latitude and longitude")
    name, address = as_text(location.get("name")), as_text(location.get("address"))
    if name is None and address is None:
        return [Part("sendLocation", {**place})]
    return [Part("sendVenue", {**place, "title": name or address, "address": address or name})]


def _contact(contact: JsonObject) -> list[Part] | Rejected:
    name, phone = as_text(contact.get("name")), as_text(contact.get("phone"))
    if name is None or phone is None:
        return _unacceptable("the contact has no name and phone")
    first, _, last = name.partition(" ")
    parameters: JsonObject = {"phone_number": phone, "first_name": first[:_LONGEST_NAME]}
    if last.strip():
        parameters["last_name"] = last.strip()[:_LONGEST_NAME]
    return [Part("sendContact", parameters)]


def _reaction(reaction: JsonObject) -> list[Part] | Rejected:
    number = _message_number(as_text(reaction.get("message_id")))
    emoji = reaction.get("emoji")
    if number is None or not isinstance(emoji, str):
        return _unacceptable("the reaction names no message of this platform")
    wanted: list[JsonObject] = [{"type": "emoji", "emoji": emoji}] if emoji else []
    return [Part("setMessageReaction", {"message_id": number, "reaction": wanted})]


def _answering(part: Part, external_id: str | None) -> Part:
    number = _message_number(external_id)
    if number is None:
        return part
    reply = {"message_id": number, "allow_sending_without_reply": True}
    return replace(part, parameters={**part.parameters, "reply_parameters": reply})


def _message_number(external_id: str | None) -> int | None:
    """The number of a message in its chat: external ids are `chat:message`."""
    number = (external_id or "").rpartition(":")[2]
    return int(number) if _NUMBER.fullmatch(number) else None


def _unacceptable(detail: str) -> Rejected:
    return Rejected(FailureCode.CONTENT_REJECTED, detail)
