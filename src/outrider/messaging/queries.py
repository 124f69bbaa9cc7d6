"""Statements of messaging: reading messages back. Facts are written by the appender alone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from outrider.core.database.pools import Pool
from outrider.events.bodies import EdgeView
from outrider.events.values import MessageState
from outrider.messaging.values import OutboundCargo, SendResult

SELECT_MESSAGE = """
select m.id, m.state, m.external_id, m.error::text as error
from messages m where m.application_id = $1 and m.id = $2
"""
SELECT_QUEUED = """
select q.shard, q.position, q.id, q.attempts, q.state, q.target_id from delivery_queue q
where q.application_id = $1 and q.event_id = $2 and q.kind = 'message'
"""
SELECT_MESSAGE_CONNECTION = "select connection_id from messages where application_id = $1 and id = $2"
SELECT_SENT = """
select e.payload::text as payload, uuid_extract_timestamp(e.id) as created_at, p.external_id as recipient,
  (select json_agg(json_build_array(g.edge_type, g.target_type, g.target_id, u.external_id, u.name) order by g.id)::text
   from edges g left join platform_users u on u.application_id = g.application_id and u.id = g.target_id
   where g.application_id = $1 and g.event_id = $2) as edges
from events e
join messages m on m.application_id = $1 and m.id = e.id
join platform_users p on p.application_id = $1 and p.id = m.platform_user_id
where e.application_id = $1 and e.id = $2
"""
SELECT_PARTS = """
select external_id from message_parts where application_id = $1 and message_id = $2 order by number
"""
# Only an id of the connection that the answer goes through means something to its platform.
SELECT_ANSWERED = """
select x.external_id from events e
left join messages m on m.application_id = $1 and m.id = e.id
join external_messages x on x.application_id = $1 and x.connection_id = $3 and x.event_id = e.id
  and x.external_id = coalesce(m.external_id, e.payload ->> 'external_message_id')
where e.application_id = $1 and e.id = $2
"""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """Where unfinished sending stands in the queue."""

    shard: int
    position: int
    delivery_id: UUID
    attempts: int
    state: str
    connection_id: UUID


async def select_message(pool: Pool, application_id: UUID, event_id: UUID) -> SendResult | None:
    """A message as it is now."""
    row = await pool.fetchrow(SELECT_MESSAGE, application_id, event_id)
    return None if row is None else shown_result(row["id"], row["state"], row["external_id"], row["error"])


def shown_result(event_id: UUID, state: int, external_id: str | None, error: str | None) -> SendResult:
    """Read the columns of a message row."""
    known = MessageState(state)
    problem: dict[str, str] = orjson.loads(error) if error and known == MessageState.FAILED else {}
    return SendResult(event_id, known.word, external_id, problem.get("code"), problem.get("message"))


async def select_queued(pool: Pool, application_id: UUID, event_id: UUID) -> QueuedMessage | None:
    """The unfinished sending of a message, None when it has ended."""
    row = await pool.fetchrow(SELECT_QUEUED, application_id, event_id)
    return None if row is None else QueuedMessage(*row)


async def select_message_connection(pool: Pool, application_id: UUID, event_id: UUID) -> UUID | None:
    """Over which connection a message goes."""
    found: UUID | None = await pool.fetchval(SELECT_MESSAGE_CONNECTION, application_id, event_id)
    return found


async def select_sent(pool: Pool, application_id: UUID, event_id: UUID) -> OutboundCargo | None:
    """A message as it was accepted, None if it is gone."""
    row = await pool.fetchrow(SELECT_SENT, application_id, event_id)
    return (
        None if row is None else read_cargo(row["payload"], row["edges"], row["recipient"], row["created_at"])
    )


def read_cargo(payload: str, edges: str | None, recipient: str, created_at: datetime) -> OutboundCargo:
    """Read the columns of a stored message."""
    views = tuple(
        EdgeView(edge_type, target_type, UUID(target_id), external_id, name)
        for edge_type, target_type, target_id, external_id, name in orjson.loads(edges or "[]")
    )
    return OutboundCargo(recipient, orjson.loads(payload), views, created_at)


async def select_parts(pool: Pool, application_id: UUID, event_id: UUID) -> tuple[str, ...]:
    """What the platform calls the parts of a message that went out already, in their order."""
    rows = await pool.fetch(SELECT_PARTS, application_id, event_id)
    return tuple(row["external_id"] for row in rows)


async def select_answered(
    pool: Pool, application_id: UUID, event_id: UUID, connection_id: UUID
) -> str | None:
    """What a connection's platform calls the message of an event, None if it knows none."""
    found: str | None = await pool.fetchval(SELECT_ANSWERED, application_id, event_id, connection_id)
    return found
