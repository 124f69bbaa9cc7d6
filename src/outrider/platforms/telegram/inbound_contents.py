"""What a Telegram message says, in the contract's shapes: text, media with its file, a place, a contact."""

from dataclasses import dataclass
from typing import Final

from outrider.platforms.base import InboundFile, JsonObject
from outrider.platforms.vendor_contents import contact_of, location_of
from outrider.platforms.vendor_json import as_list, as_name, as_object, as_short_id, as_text

# The first that is there; an animation also fills `document`. The type is that of files which tell none.
_MEDIA: Final = (
    ("animation", "video", "video/mp4"),
    ("video", "video", "video/mp4"),
    ("video_note", "video", "video/mp4"),
    ("audio", "audio", "audio/mpeg"),
    ("voice", "audio", "audio/ogg"),
    ("document", "document", None),
)


@dataclass(frozen=True, slots=True)
class Said:
    """The message object without its role, and the files that belong to it."""

    content: JsonObject
    files: tuple[InboundFile, ...] = ()


def said_in(message: JsonObject) -> Said | None:
    """What a message says, None for what the contract has no shape for."""
    caption = as_text(message.get("caption"))
    found = _photo(message) or _media(message) or _sticker(message)
    if found is not None:
        return Said(found.content | ({} if caption is None else {"caption": caption}), found.files)
    place = _place(message)
    if place is not None:
        return Said({"type": "location", "location": place})
    contact = _contact(as_object(message.get("contact")))
    if contact is not None:
        return Said({"type": "contact", "contact": contact})
    text = as_text(message.get("text")) or caption
    return None if text is None else Said({"type": "text", "text": text})


def _photo(message: JsonObject) -> Said | None:
    sizes = [as_object(size) for size in as_list(message.get("photo"))]
    known = [size for size in sizes if as_text(size.get("file_id")) is not None]
    if not known:
        return None
    # the sizes of one photo, of which the last is as large as any
    return _said("image", max(known, key=lambda size: _number(size.get("width")) or 0), "image/jpeg")


def _media(message: JsonObject) -> Said | None:
    for name, kind, usual in _MEDIA:
        media = as_object(message.get(name))
        if as_text(media.get("file_id")) is not None:
            return _said(kind, media, usual)
    return None


def _sticker(message: JsonObject) -> Said | None:
    sticker = as_object(message.get("sticker"))
    if as_text(sticker.get("file_id")) is None:
        return None
    if sticker.get("is_video") is True:
        said = _said("video", sticker, "video/webm")
    elif sticker.get("is_animated") is True:
        said = _said("document", sticker, "application/x-tgsticker")
    else:
        said = _said("image", sticker, "image/webp")
    emoji = as_text(sticker.get("emoji"))
    return Said(said.content | ({} if emoji is None else {"caption": emoji}), said.files)


def _said(kind: str, media: JsonObject, usual: str | None) -> Said:
    file = InboundFile(
        {"file_id": as_text(media.get("file_id"))},
        filename=as_name(media.get("file_name")),
        mime_type=as_text(media.get("mime_type")) or usual,
        size=_number(media.get("file_size")),
    )
    return Said({"type": kind}, (file,))


def _place(message: JsonObject) -> JsonObject | None:
    venue = as_object(message.get("venue"))
    if venue:
        named = {"name": venue.get("title"), "address": venue.get("address")}
        return location_of(as_object(venue.get("location")) | named)
    return location_of(as_object(message.get("location")))


def _contact(contact: JsonObject) -> JsonObject | None:
    first, last = as_name(contact.get("first_name")), as_name(contact.get("last_name"))
    name = " ".join(part for part in (first, last) if part)
    return contact_of({"name": name, "phone": as_short_id(contact.get("phone_number"))})


def _number(value: object) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_number and isinstance(value, int) else None
