"""What a caller wants said, checked: one of the contract's shapes, its files, and whether the provider can send it.

Everything is refused here, before anything is stored, with the path of what is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from outrider.core.database.pools import Pool
from outrider.core.errors import ValidationError
from outrider.core.ids import parse_id
from outrider.core.storable import storable_text
from outrider.files.media_payloads import media_message
from outrider.files.storing import find_files
from outrider.files.values import FileState, StoredFile
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Adapter, Capability, JsonObject, Manifest

MOST_FILES: Final = 10
MEDIA_TYPES: Final = ("image", "video", "audio", "document")
_LONGEST_NAME: Final = 1_000
_LONGEST_ID: Final = 255
_LONGEST_EMOJI: Final = 64
_ROLE: Final = "assistant"
_SHAPES: Final = (
    '{"type": "text", "text": …}, image, video, audio or document with media, location, contact or reaction'
)
_CAPABILITIES: Final = {
    "text": (Capability.SEND_TEXT, "text"),
    **dict.fromkeys(MEDIA_TYPES, (Capability.SEND_MEDIA, "files")),
    "location": (Capability.SEND_LOCATION, "locations"),
    "contact": (Capability.SEND_CONTACT, "contacts"),
    "reaction": (Capability.SEND_REACTION, "reactions"),
}


@dataclass(frozen=True, slots=True)
class CheckedContent:
    """The message object as it is stored, and the files that go out with it, that of its media first."""

    message: JsonObject
    file_ids: tuple[UUID, ...] = ()


async def checked_content(
    pool: Pool, application_id: UUID, request: SendRequest, adapter: Adapter
) -> CheckedContent:
    """Check what is to be said and find its files; raises `ValidationError`, and `NotFound` for a file."""
    manifest = adapter.manifest
    if request.reply_to_event_id is not None and Capability.SEND_REPLY not in manifest.capabilities:
        raise ValidationError(f"{manifest.label} cannot send replies.", path="replyToEventId")
    content = _content_of(request)
    kind = _kind_of(content)
    path = "message" if request.content is None else "content"
    _check_capability(manifest, kind, path)
    if not request.file_ids and kind not in MEDIA_TYPES:
        return CheckedContent(_plain(content, kind, manifest, path))
    return await _with_files(pool, application_id, request, manifest, content, kind)


def _content_of(request: SendRequest) -> Mapping[str, object]:
    if request.text is not None and request.content is not None:
        raise ValidationError("Give either message (text) or content, one of the two.", path="message")
    if request.content is not None:
        return request.content
    if request.text is None and not request.file_ids:
        raise ValidationError("Give either message (text) or content, one of the two.", path="message")
    return {"type": "text", "text": request.text}


def _kind_of(content: Mapping[str, object]) -> str:
    kind = content.get("type")
    if not isinstance(kind, str) or kind not in _CAPABILITIES:
        raise ValidationError(
            f"content.type must be one of: {', '.join(_CAPABILITIES)}.", path="content.type"
        )
    return kind


def _check_capability(manifest: Manifest, kind: str, path: str) -> None:
    capability, what = _CAPABILITIES[kind]
    if capability not in manifest.capabilities:
        raise ValidationError(f"{manifest.label} cannot send {what}.", path=path)


# Without files.


def _plain(content: Mapping[str, object], kind: str, manifest: Manifest, path: str) -> JsonObject:
    match kind:
        case "location":
            return _location(content)
        case "contact":
            return _contact(content, manifest)
        case "reaction":
            return _reaction(content)
        case _:
            return _text(content, manifest, path)


def _text(content: Mapping[str, object], manifest: Manifest, path: str) -> JsonObject:
    _only(content, {"type", "text", "role"}, "content")
    text = content.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValidationError("The text is empty.", path=path if path == "message" else "content.text")
    _check_length(text, manifest.text_limit, manifest, "message")
    return {"text": text, "role": _ROLE, "type": "text"}


def _location(content: Mapping[str, object]) -> JsonObject:
    _only(content, {"type", "role", "location"}, "content")
    path = "content.location"
    given = _object(content, "location", path)
    _only(given, {"latitude", "longitude", "name", "address"}, path)
    location: JsonObject = {
        "latitude": _degrees(given, "latitude", 90, path),
        "longitude": _degrees(given, "longitude", 180, path),
    }
    location |= _texts(given, ("name", "address"), path)
    return {"type": "location", "location": location, "role": _ROLE}


def _contact(content: Mapping[str, object], manifest: Manifest) -> JsonObject:
    _only(content, {"type", "role", "contact"}, "content")
    path = "content.contact"
    given = _object(content, "contact", path)
    _only(given, {"name", "phone", "email"}, path)
    contact = _texts(given, ("name", "phone", "email"), path)
    for name in ("name", *sorted(manifest.contact_fields)):
        if name not in contact:
            raise ValidationError(f"{path}.{name} is required.", path=f"{path}.{name}")
    if not contact.keys() & {"phone", "email"}:
        raise ValidationError(f"{path} needs a phone or an email.", path=path)
    return {"type": "contact", "contact": contact, "role": _ROLE}


def _reaction(content: Mapping[str, object]) -> JsonObject:
    _only(content, {"type", "role", "reaction"}, "content")
    path = "content.reaction"
    given = _object(content, "reaction", path)
    _only(given, {"emoji", "message_id"}, path)
    emoji, message_id = given.get("emoji"), given.get("message_id")
    if not isinstance(emoji, str) or len(emoji) > _LONGEST_EMOJI or any(one.isspace() for one in emoji):
        raise ValidationError(
            f'{path}.emoji must be an emoji, or "" to take the reaction back.', path=f"{path}.emoji"
        )
    if not isinstance(message_id, str) or not 0 < len(message_id) <= _LONGEST_ID:
        raise ValidationError(
            f"{path}.message_id must be the platform's id of the message.", path=f"{path}.message_id"
        )
    reaction: JsonObject = {
        "emoji": storable_text(emoji, name=f"{path}.emoji"),
        "message_id": storable_text(message_id, name=f"{path}.message_id"),
    }
    return {"type": "reaction", "reaction": reaction, "role": _ROLE}


# With files.


async def _with_files(
    pool: Pool,
    application_id: UUID,
    request: SendRequest,
    manifest: Manifest,
    content: Mapping[str, object],
    kind: str,
) -> CheckedContent:
    _check_capability(manifest, MEDIA_TYPES[0], "fileIds" if request.file_ids else "content")
    if kind not in {"text", *MEDIA_TYPES}:
        raise ValidationError(f"Files cannot go with content of type {kind}.", path="fileIds")
    named = _media_id(content) if kind in MEDIA_TYPES else None
    places = ["content.media.id"] if named is not None else []
    places += [f"fileIds[{number}]" for number in range(len(request.file_ids))]
    wanted = [*([named] if named is not None else []), *request.file_ids]
    if len(set(wanted)) > MOST_FILES or len(wanted) > 2 * MOST_FILES:
        raise ValidationError(f"At most {MOST_FILES} files go with one message.", path="fileIds")
    files = await find_files(pool, application_id, wanted)
    for file, path in zip(files, places, strict=True):
        _check_ready(file, path)
    unique = list(dict.fromkeys(files))
    _check_size(unique, manifest)
    if named is not None:
        message = _media(content, kind, files[0], manifest)
    else:
        message = _text_with_files(request, content, unique, manifest)
    return CheckedContent(message, tuple(file.id for file in unique))


def _text_with_files(
    request: SendRequest, content: Mapping[str, object], files: Sequence[StoredFile], manifest: Manifest
) -> JsonObject:
    """A text and one file are one message with a caption, where the provider has such and the file can."""
    text = content.get("text")
    caption = None
    if text is not None or request.content is not None:
        message = _text(content, manifest, "message" if request.content is None else "content")
        caption = cast("str", message["text"])
        limit = manifest.caption_limit
        is_audio = files[0].mime_type.startswith("audio/")
        if len(files) > 1 or is_audio or (limit is not None and len(caption) > limit):
            return message
    found = _media_of(files[0])
    return {**found, **({"caption": caption} if caption is not None else {}), "role": _ROLE}


def _media(content: Mapping[str, object], kind: str, file: StoredFile, manifest: Manifest) -> JsonObject:
    allowed = {"type", "role", "media", "caption"} if kind != "audio" else {"type", "role", "media"}
    _only(content, allowed, "content")
    if kind != "document" and not file.mime_type.startswith(f"{kind}/"):
        raise ValidationError(
            f"The file is {file.mime_type}, which is no {kind}; send it as a document.",
            path="content.media.id",
        )
    found = media_message(kind, file.id, file.mime_type, file.filename if kind == "document" else None)
    caption = content.get("caption")
    if caption is not None:
        if not isinstance(caption, str) or not caption.strip():
            raise ValidationError("The caption is empty.", path="content.caption")
        storable_text(caption, name="content.caption")
        limit = manifest.caption_limit or manifest.text_limit
        _check_length(caption, limit, manifest, "content.caption")
        found["caption"] = caption
    return {**found, "role": _ROLE}


def _media_of(file: StoredFile) -> JsonObject:
    kind = file.mime_type.partition("/")[0]
    if kind not in MEDIA_TYPES[:3]:
        kind = "document"
    return media_message(kind, file.id, file.mime_type, file.filename if kind == "document" else None)


def _media_id(content: Mapping[str, object]) -> UUID:
    media = _object(content, "media", "content.media")
    # what was received can be sent on as it is: only the id counts
    _only(media, {"id", "mime_type", "filename", "url"}, "content.media")
    file_id = media.get("id")
    try:
        return parse_id(file_id if isinstance(file_id, str) else "")
    except ValidationError:
        raise ValidationError("content.media.id must be the id of a file.", path="content.media.id") from None


def _check_ready(file: StoredFile, path: str) -> None:
    if file.state is FileState.PENDING:
        raise ValidationError("The file is yet to be fetched from its platform.", path=path)
    if file.state is FileState.FAILED:
        raise ValidationError("The file could not be fetched from its platform.", path=path)


def _check_size(files: Sequence[StoredFile], manifest: Manifest) -> None:
    total, limit = sum(file.size or 0 for file in files), manifest.attachments_limit
    if limit is not None and total > limit:
        raise ValidationError(
            f"The files have {total} bytes; {manifest.label} takes at most {limit}.", path="fileIds"
        )


# Parts of a shape.


def _check_length(text: str, limit: int | None, manifest: Manifest, path: str) -> None:
    if limit is not None and len(text) > limit:
        raise ValidationError(
            f"The text has {len(text)} characters; {manifest.label} takes at most {limit}.", path=path
        )


def _only(given: Mapping[str, object], allowed: set[str], path: str) -> None:
    unknown = sorted(given.keys() - allowed)
    if unknown:
        what = f"{path}.{unknown[0]}"[:200]
        raise ValidationError(f"Content is {_SHAPES}; this has no {what}.", path=path)


def _object(given: Mapping[str, object], name: str, path: str) -> Mapping[str, object]:
    value = given.get(name)
    if not isinstance(value, dict):
        raise ValidationError(f"{path} must be an object.", path=path)
    return cast("Mapping[str, object]", value)


def _degrees(given: Mapping[str, object], name: str, most: int, path: str) -> float | int:
    value = given.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not -most <= value <= most:
        raise ValidationError(
            f"{path}.{name} must be a number from -{most} to {most}.", path=f"{path}.{name}"
        )
    return value


def _texts(given: Mapping[str, object], names: Sequence[str], path: str) -> JsonObject:
    """The members that are there, each a text that says something; null is as good as absent."""
    found: JsonObject = {}
    for name in names:
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_NAME:
            raise ValidationError(
                f"{path}.{name} must be a text of 1 to {_LONGEST_NAME} characters.", path=f"{path}.{name}"
            )
        found[name] = storable_text(value, name=f"{path}.{name}")
    return found
