"""A message as submitters send it, read: JSON, or a form with files. JSON null is as good as absent, everywhere."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast
from urllib.parse import parse_qsl
from uuid import UUID

from outrider.core.errors import AppError, ValidationError
from outrider.core.hashing import canonical_hash
from outrider.core.ids import parse_id
from outrider.core.storable import parse_api_json, storable_text
from outrider.events.values import OnceKey
from outrider.messaging.submissions.finding import DEFAULT_LISTED, Search
from outrider.messaging.submissions.values import Attachment, SubmitRequest
from outrider.platforms.base import Channel
from outrider.surfaces.forms import Part, parse_parts

_FORM: Final = b"multipart/form-data"
_MOST_PARTS: Final = 24
_FILES: Final = frozenset({"attachments[]", "attachments"})
_LONGEST_KEY: Final = 255
_LONGEST_REFERENCE: Final = 255
_KEY_HOURS: Final = 24
# Longer than the window of a signature, on both sides of now.
_SIGNATURE_HOURS: Final = 1
_TEXTS: Final = {
    "to": "to",
    "from": "sender",
    "subject": "subject",
    "project": "project",
    "template": "template",
    "text_template_body": "text_template",
    "html_template_body": "html_template",
    "template_styles": "styles",
    "text_body": "text_body",
    "html_body": "html_body",
    "backend": "backend",
    "id_from_submitter": "id_from_submitter",
}
_IDS: Final = ("project_id", "template_id", "backend_id")
_FLAGS: Final = {
    "sync": "is_sync",
    "render_only": "is_render_only",
    "test": "is_test",
    "ignore_suppression": "ignores_suppression",
}


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was taken apart far enough to verify its signature: `signed` is what a signature covers."""

    whole: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    parts: tuple[Part, ...] | None = None


def open_body(content_type: bytes, whole: bytes) -> Body:
    """Find what is signed of a body; anything but a form is signed, and read, as JSON."""
    if not whole or content_type.split(b";", 1)[0].strip().lower() != _FORM:
        return Body(whole, whole)
    parts = tuple(parse_parts(content_type, whole, _MOST_PARTS))
    message = [part for part in parts if part.name == "message"]
    if len(message) != 1:
        raise ValidationError("The form must have one part named message.", path="message")
    return Body(whole, message[0].content, parts)


def read_submission(body: Body, *, idempotency_key: bytes | None, signature: bytes | None) -> SubmitRequest:
    """Read a message; `signature` is given if it was verified."""
    parsed = parse_api_json(body.signed)
    if not isinstance(parsed, dict):
        raise ValidationError("The body must be a JSON object.")
    given = cast("dict[str, object]", parsed)
    if body.parts is None:
        wrapped = given.get("message")
        if not isinstance(wrapped, dict):
            raise ValidationError('The body must be {"message": {…}}.', path="message")
        request = _request(cast("dict[str, object]", wrapped))
    else:
        request = _with_files(_request(given), body.parts)
    return replace(request, once_key=_once_key(body, given, idempotency_key, signature))


def _request(given: Mapping[str, object]) -> SubmitRequest:
    texts = {ours: _text(given, name) for name, ours in _TEXTS.items()}
    to, channel = texts.pop("to"), _channel(given)
    if to is None:
        raise ValidationError("to is required.", path="to")
    if len(texts["id_from_submitter"] or "") > _LONGEST_REFERENCE:
        raise ValidationError(
            f"id_from_submitter may have at most {_LONGEST_REFERENCE} characters.", path="id_from_submitter"
        )
    ids = {name: _id(given, name) for name in _IDS}
    flags = {ours: _flag(given, name) for name, ours in _FLAGS.items()}
    # what an older client calls it
    flags["is_render_only"] = flags["is_render_only"] or _flag(given, "no_send")
    # Any: each value has the type of its field because each reader does
    fields: dict[str, Any] = {**texts, **ids, **flags}
    return SubmitRequest(channel=channel, to=to, data=_data(given), **fields)


def _channel(given: Mapping[str, object]) -> Channel:
    name = _text(given, "type")
    try:
        return Channel(name or "")
    except ValueError:
        raise ValidationError(
            f"type is required and must be one of: {', '.join(sorted(Channel))}.", path="type"
        ) from None


def _text(given: Mapping[str, object], name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValidationError(f"{name} must be a text.", path=name)
    return storable_text(value, name=name)


def _id(given: Mapping[str, object], name: str) -> UUID | None:
    text = _text(given, name)
    return None if text is None else _read_id(text, name)


def _read_id(text: str, name: str) -> UUID:
    try:
        return parse_id(text)
    except AppError:
        raise ValidationError(f"{name} is not an id: {text[:100]!r}.", path=name) from None


def _flag(given: Mapping[str, object], name: str) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise ValidationError(f"{name} must be true or false.", path=name)
    return value is True


def _data(given: Mapping[str, object]) -> Mapping[str, object] | None:
    value = given.get("data")
    if value is not None and not isinstance(value, dict):
        raise ValidationError("data must be an object.", path="data")
    return cast("dict[str, object] | None", value)


def _with_files(request: SubmitRequest, parts: tuple[Part, ...]) -> SubmitRequest:
    files = [
        Attachment(part.filename, part.content_type, part.content) for part in parts if part.name in _FILES
    ]
    disposition = next((part.text() for part in parts if part.name == "disposition"), "attachment")
    if disposition.strip().lower() not in {"", "attachment", "inline"}:
        raise ValidationError("disposition must be attachment or inline.", path="disposition")
    return replace(request, attachments=files, is_inline=disposition.strip().lower() == "inline")


def _once_key(
    body: Body, given: Mapping[str, object], idempotency_key: bytes | None, signature: bytes | None
) -> OnceKey | None:
    if idempotency_key is not None:
        key = idempotency_key.decode("latin-1")
        if not 0 < len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable()):
            raise ValidationError(
                f"Idempotency-Key must have 1 to {_LONGEST_KEY} printable ASCII characters.",
                path="Idempotency-Key",
            )
        others = [
            [part.name, part.filename, hashlib.sha256(part.content).hexdigest()]
            for part in body.parts or ()
            if part.name != "message"
        ]
        return OnceKey("submitMessage", key, canonical_hash([given, others]), _KEY_HOURS)
    if signature is None:
        return None
    # of a form only a part is signed: another file makes another request
    digest = hashlib.sha256(body.whole).hexdigest()
    return OnceKey("signedRequest", f"{signature.decode('latin-1')} {digest}", None, _SIGNATURE_HOURS)


def read_search(query: bytes) -> Search:
    """Read which messages are asked for; parameters that nobody knows are left alone."""
    try:
        given = dict(parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=50))
    except (UnicodeDecodeError, ValueError):
        raise ValidationError("The query is not valid.", path="query") from None
    found = {name: storable_text(text, name=name) for name, text in given.items()}
    limit = found.get("limit", str(DEFAULT_LISTED))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 5):
        raise ValidationError("limit must be a number.", path="limit")
    cursor = found.get("cursor")
    return Search(
        limit=int(limit),
        before=None if cursor is None else _read_id(cursor, "cursor"),
        status=found.get("status"),
        project=found.get("project"),
        to=found.get("to"),
        id_from_submitter=found.get("id_from_submitter"),
        id_from_backend=found.get("id_from_backend"),
    )
