"""Files that come with messages of a platform: a pending row for each, and where the message's payload names them."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import orjson

from outrider.core.ids import IdClock
from outrider.core.storable import shown_json
from outrider.events.values import NewFile
from outrider.files.media_payloads import media_message
from outrider.files.names import ending_for, safe_filename, told_mime_type
from outrider.files.values import FileSource
from outrider.platforms.base import InboundFile, JsonObject

_NAMES = {"image": "image", "video": "video", "audio": "audio"}
_DOCUMENT = "document"


def new_inbound_file(ids: IdClock, event_id: UUID, connection_id: UUID, told: InboundFile) -> NewFile:
    """The row of a file that is to be fetched, committed with the message that brought it."""
    filename, mime_type = name_and_type(told.filename, told.mime_type)
    return NewFile(
        ids.new(),
        filename,
        mime_type,
        None,
        None,
        FileSource.PLATFORM.value,
        orjson.dumps(shown_json({**told.reference, "size": told.size})).decode(),
        connection_id,
        event_id,
    )


def name_and_type(filename: str | None, mime_type: str | None) -> tuple[str, str]:
    """How a file is called and of which type it is, as far as a platform tells; one may follow from the other."""
    if filename:
        name = safe_filename(filename)
        return name, told_mime_type(mime_type, name)
    kind = told_mime_type(mime_type, "")
    return _NAMES.get(kind.partition("/")[0], "file") + ending_for(kind), kind


def message_with_media(content: JsonObject, files: Sequence[NewFile]) -> JsonObject:
    """The message object as it is stored: the first file is its media, if it has any."""
    shown = cast("JsonObject", shown_json(content))
    if not files:
        return shown
    kind, file = str(shown.pop("type", _DOCUMENT)), files[0]
    if kind == "text":
        return {"type": kind, **shown}
    media = media_message(kind, file.id, file.mime_type, file.filename if kind == _DOCUMENT else None)
    return {**media, **shown}


def reference_size(reference: JsonObject) -> int | None:
    """How large the platform said that the file is."""
    size = reference.get("size")
    return size if isinstance(size, int) and not isinstance(size, bool) else None
