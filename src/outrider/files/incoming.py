"""Files that come with messages of a platform: a row for each, and where the message's payload names them."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import orjson

from outrider.core.ids import IdClock, time_of
from outrider.core.storable import shown_json
from outrider.events.bodies import EdgeView, fragment
from outrider.events.values import NewEdge, NewEvent, NewFile
from outrider.files.media_payloads import media_message
from outrider.files.names import ending_for, safe_filename, told_mime_type
from outrider.files.storage import ContentStorage
from outrider.files.storing import put_content
from outrider.files.values import FileSource
from outrider.platforms.base import InboundFile, JsonObject

INBOUND = "file.inbound"
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


async def stored_inbound_file(
    ids: IdClock, storage: ContentStorage, event_id: UUID, connection_id: UUID, told: InboundFile
) -> NewFile:
    """The row of a file; of one whose content came with its message, that is on disk by now."""
    if told.content is None:
        return new_inbound_file(ids, event_id, connection_id, told)
    content = await put_content(storage, told.content)
    filename, mime_type = name_and_type(told.filename, told.mime_type)
    return NewFile(ids.new(), filename, mime_type, content.size, content.sha256, FileSource.PLATFORM.value)


def arrival_of(
    ids: IdClock, application_id: UUID, message_id: UUID, file: NewFile
) -> tuple[NewEvent, NewEdge]:
    """The `file.inbound` event of a file that is ready, a child of the message that brought it, and its edge."""
    event_id = ids.new()
    payload = orjson.dumps(
        {
            "file_id": str(file.id),
            "filename": file.filename,
            "mime_type": file.mime_type,
            "size": file.size,
        }
    ).decode()
    edge = EdgeView("attachment", "file", file.id)
    shared = fragment(
        application_id=application_id,
        event_id=event_id,
        event_type=INBOUND,
        payload=payload,
        edges=(edge,),
        created_at=time_of(event_id),
    )
    event = NewEvent(application_id, event_id, INBOUND, payload, origin_event_id=message_id, fragment=shared)
    return event, NewEdge(event_id, ids.new(), edge.edge_type, edge.target_type, edge.target_id)


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
