"""The organisation's log as the read API shows it: the same events that the developer API shows of an application."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

import orjson

from outrider.events.bodies import shown_time
from outrider.files.media_payloads import with_media_url
from outrider.outreach.reading import queries_events as queries
from outrider.outreach.reading.finding import ReadingContext, page_of, reading_faults
from outrider.outreach.reading.values import EventView, Page, Slice
from outrider.tenancy.read_keys import Reader, ReadScope

_FOLDED_TIMES = ("sent_at", "delivered_at", "read_at", "failed_at")


async def list_events(
    context: ReadingContext, reader: Reader, part: Slice, event_types: Sequence[str] | None
) -> Page[EventView]:
    """List the newest events of all the organisation's applications, of all types or of some."""
    reader.require(ReadScope.EVENTS)
    with reading_faults():
        rows = await queries.select_events(
            context.pool, reader.organisation_id, part.limit + 1, part.below, event_types
        )
    return page_of([_event(row, context.file_url) for row in rows], part)


def _event(row: queries.EventRow, file_url: Callable[[UUID, UUID], str]) -> EventView:
    return EventView(
        id=row.id,
        application_id=row.application_id,
        event_type=row.event_type,
        payload=_payload(row, file_url),
        contact_id=row.contact_id,
    )


def _payload(row: queries.EventRow, file_url: Callable[[UUID, UUID], str]) -> str:
    """The stored payload with a link to its file; of an outbound message with the folded state as its last members."""
    is_message = row.event_type in {"message.inbound", "message.outbound"}
    stored = with_media_url(row.payload, partial(file_url, row.application_id)) if is_message else row.payload
    if not row.is_folded:
        return stored
    folded: dict[str, object] = {"external_message_id": row.external_id}
    for name in _FOLDED_TIMES:
        moment = getattr(row, name)
        folded[name] = None if moment is None else shown_time(moment)
    if row.external_ids is not None:
        folded["external_message_ids"] = orjson.loads(row.external_ids)
    return f"{stored[:-1]},{orjson.dumps(folded).decode()[1:]}"
