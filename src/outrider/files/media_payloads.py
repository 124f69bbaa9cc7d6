"""Where a message's payload names its file, and how a link to it gets in when the payload is served.

What is stored never holds a link, since links end. In the stored text of a message with media the file's id stands at
a fixed place, before anything that somebody else wrote: whoever serves it finds it there without reading JSON, in
Python for webhooks and in SQL for reads.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from outrider.platforms.base import JsonObject

MEDIA_PREFIX: Final = '{"type":"message","message":{"media":{"id":"'
URL_MEMBER: Final = ',"url":'
_ID_CHARACTERS: Final = 36
_ID_ENDS: Final = len(MEDIA_PREFIX) + _ID_CHARACTERS


def media_message(kind: str, file_id: UUID, mime_type: str, filename: str | None) -> JsonObject:
    """The message object of a payload with media; whoever adds to it adds behind."""
    media: JsonObject = {"id": str(file_id), "mime_type": mime_type}
    if filename is not None:
        media["filename"] = filename
    return {"media": media, "type": kind}


def with_media_url(payload: str, url_of: Callable[[UUID], str]) -> str:
    """A payload's text as it is served: with a link behind the file's id, if it is a message with media."""
    if not payload.startswith(MEDIA_PREFIX):
        return payload
    file_id = UUID(payload[len(MEDIA_PREFIX) : _ID_ENDS])
    # the closing quote belongs to the id
    behind = _ID_ENDS + 1
    return f'{payload[:behind]}{URL_MEMBER}"{url_of(file_id)}"{payload[behind:]}'


def has_media_sql(payload: str) -> str:
    """Whether a payload's text is that of a message with media, given an expression for the text."""
    return f"starts_with({payload}, '{MEDIA_PREFIX}')"


def media_parts_sql(payload: str) -> tuple[str, str, str]:
    """The text up to where the link belongs, the file's id, and the text behind it, as expressions."""
    return (
        f"left({payload}, {_ID_ENDS + 1})",
        f"substr({payload}, {len(MEDIA_PREFIX) + 1}, {_ID_CHARACTERS})",
        f"substr({payload}, {_ID_ENDS + 2})",
    )
