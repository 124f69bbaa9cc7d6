"""The statement that reads the log of an organisation: all its applications, the hidden one too, the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from outrider.core.database.pools import Pool

_BEYOND: Final = UUID(int=(1 << 128) - 1)


def _newest(types: str, conditions: str) -> str:
    """The newest of each application, and of each type that is asked for, by an index; then the newest of those."""
    return f"""
select e.application_id, e.id, e.event_type, e.payload::text as payload,
  contact_of_event($1, e.application_id, e.id, e.origin_event_id, e.payload) as contact_id,
  m.id is not null as is_folded, m.external_id, m.external_ids::text as external_ids,
  m.sent_at, m.delivered_at, m.read_at, m.failed_at
from (
  select e.*
  from (select a.id as application_id from applications a where a.organisation_id = $1) own {types}
  cross join lateral (
    select e.application_id, e.id, e.event_type, e.origin_event_id, e.payload
    from events e where e.application_id = own.application_id and e.id < $3{conditions}
    order by e.id desc limit $2
  ) e
  order by e.id desc limit $2
) e
left join messages m
  on m.application_id = e.application_id and m.id = e.id and e.event_type = 'message.outbound'
order by e.id desc
"""  # noqa: S608 -- the holes are filled by this module


SELECT_EVENTS: Final = _newest("", "")
SELECT_EVENTS_OF_TYPES: Final = _newest("cross join unnest($4::text[]) t(name)", " and e.event_type = t.name")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event; of an outbound message also what became of it until now, if it `is_folded`."""

    application_id: UUID
    id: UUID
    event_type: str
    payload: str
    contact_id: UUID | None
    is_folded: bool
    external_id: str | None
    external_ids: str | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None


async def select_events(
    pool: Pool, organisation_id: UUID, limit: int, below: UUID | None, event_types: Sequence[str] | None
) -> list[EventRow]:
    """The newest events, of all types or of some."""
    before = _BEYOND if below is None else below
    if event_types is None:
        rows = await pool.fetch(SELECT_EVENTS, organisation_id, limit, before)
    else:
        rows = await pool.fetch(SELECT_EVENTS_OF_TYPES, organisation_id, limit, before, event_types)
    return [EventRow(**row) for row in rows]
