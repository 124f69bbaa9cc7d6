"""Who did what with a draft, and when: audit events in the organisation's log, and which of them are of a draft."""

from collections.abc import Mapping, Sequence
from typing import Final, cast
from uuid import UUID

import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.ids import time_of
from outrider.outreach.drafts import queries
from outrider.outreach.drafts.values import Draft, DraftEvent, told
from outrider.tenancy.actors import Author
from outrider.tenancy.context import TenancyContext

CREATED: Final = "system.draft.created"
UPDATED: Final = "system.draft.updated"


async def append_history(
    context: TenancyContext,
    connection: Connection,
    event_type: str,
    drafts: Sequence[Draft],
    *,
    by: Author | None,
    more: Mapping[str, object] | None = None,
) -> None:
    """Append what was done with drafts of one organisation; the last statement before the commit.

    `by` is None for the operator at the command line.
    """
    author = {"type": "operator"} if by is None else by.told_as
    events = [
        (
            draft.id,
            context.ids.new(),
            orjson.dumps({**told(draft), **(more or {}), "by": author}, default=str).decode(),
        )
        for draft in drafts
    ]
    if events:
        await queries.append_events(connection, drafts[0].organisation_id, event_type, events)


async def history_of(context: TenancyContext, organisation_id: UUID, draft_id: UUID) -> Sequence[DraftEvent]:
    """What was done with a draft, the oldest first; of one that is not there, nothing."""
    with faults_as_unavailable():
        rows = await queries.select_events(context.database.reads, organisation_id, draft_id)
    return [_event(*row) for row in rows]


def _event(event_id: UUID, event_type: str, text: str) -> DraftEvent:
    payload = cast("dict[str, object]", orjson.loads(text))
    by = cast("dict[str, str]", payload.pop("by", None) or {})
    author_id = by.get("id")
    return DraftEvent(
        id=event_id,
        event_type=event_type,
        created_at=time_of(event_id),
        author_type=by.get("type", "system"),
        author_id=UUID(author_id) if author_id else None,
        payload=payload,
    )
