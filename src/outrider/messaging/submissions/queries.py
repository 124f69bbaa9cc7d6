"""The statements on submitted messages: each reads all that is shown of one, and takes the organisation first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.pools import Pool
from outrider.events.values import MessageState
from outrider.messaging.submissions.values import Progress, Submitted

_MESSAGE = """select s.id, s.application_id, e.event_type, e.payload::text as payload, m.state, m.external_id,
  coalesce(m.sent_at, m.delivered_at, m.read_at) as sent_at, m.failed_at, m.error::text as error
from submissions s
join events e on e.application_id = s.application_id and e.id = s.id
left join messages m on m.application_id = s.application_id and m.id = s.id
where s.organisation_id = $1"""
SELECT_SUBMITTED = f"{_MESSAGE} and s.id = $2"
# A connection of the organisation knows the message by this id.
_BY_PROVIDER_ID: Final = """ and s.id = any(array(select x.event_id from connections c
  join external_messages x on x.application_id = c.application_id and x.connection_id = c.id
  where c.organisation_id = $1 and x.external_id = {value}))"""
_CONDITIONS: Final = {
    "before": " and s.id < {value}",
    "application_ids": " and s.application_id = any({value}::uuid[])",
    "application_id": " and s.application_id = {value}",
    "recipients": " and s.recipient = any({value}::text[])",
    "id_from_submitter": " and s.id_from_submitter = {value}",
    "id_from_backend": _BY_PROVIDER_ID,
}
_OF_STATUS: Final = {
    "rendered": " and e.event_type = 'message.rendered'",
    "queued_for_delivery": " and m.state = 0",
    "delivered": " and m.state in (1, 3, 4)",
    "render_error": " and e.payload #> '{submission,render_error}' is not null",
    "backend_error": " and m.state = 2 and e.payload #> '{submission,render_error}' is null",
}
# A message as it was at an event of its log: with what had happened up to there.
SELECT_AS_OF = """
select m.id, m.event_type, m.payload::text as payload,
  (select json_agg(json_build_array(c.event_type, c.payload, c.id) order by c.position)::text
   from events c where c.application_id = $1 and c.origin_event_id = m.id and c.id > m.id
     and c.position <= e.position) as children
from events e
join events m on m.application_id = $1 and m.id = coalesce(e.origin_event_id, e.id)
where e.application_id = $1 and e.id = $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages are wanted: those that fit everything that is given."""

    before: UUID | None = None
    application_ids: Sequence[UUID] | None = None
    application_id: UUID | None = None
    recipients: Sequence[str] | None = None
    id_from_submitter: str | None = None
    id_from_backend: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class AsOfRow:
    """A message with what had become of it, each child as type, payload and id."""

    id: UUID
    event_type: str
    payload: str
    children: str | None


async def select_submitted(pool: Pool, organisation_id: UUID, message_id: UUID) -> Submitted | None:
    """Find a message of an organisation."""
    row = await pool.fetchrow(SELECT_SUBMITTED, organisation_id, message_id)
    return _submitted(row) if row else None


async def select_page(pool: Pool, organisation_id: UUID, wanted: Wanted, limit: int) -> list[Submitted]:
    """The newest messages that fit everything that is given."""
    conditions, values = "", list[object]()
    for name, condition in _CONDITIONS.items():
        value = getattr(wanted, name)
        if value is not None:
            values.append(value)
            conditions += condition.replace("{value}", f"${len(values) + 2}")
    if wanted.status is not None:
        if wanted.status not in _OF_STATUS:
            return []
        conditions += _OF_STATUS[wanted.status]
    rows: list[asyncpg.Record] = await pool.fetch(
        f"{_MESSAGE}{conditions} order by s.id desc limit $2", organisation_id, limit, *values
    )
    return [_submitted(row) for row in rows]


async def select_as_of(pool: Pool, application_id: UUID, event_id: UUID) -> AsOfRow | None:
    """The message that an event is about, as it was then."""
    row = await pool.fetchrow(SELECT_AS_OF, application_id, event_id)
    return AsOfRow(**row) if row else None


def _submitted(row: asyncpg.Record) -> Submitted:
    state: int | None = row["state"]
    progress = Progress(
        state=MessageState.ACCEPTED if state is None else MessageState(state),
        external_id=row["external_id"],
        sent_at=row["sent_at"],
        failed_at=row["failed_at"],
        error=orjson.loads(row["error"]) if row["error"] else None,
    )
    return Submitted(
        row["id"], row["application_id"], row["event_type"], orjson.loads(row["payload"]), progress
    )


def moment_of(text: object) -> datetime | None:
    """Read a time as events tell it."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None
