"""Statements of messaging over many tenants at once: the dispatcher loads batches of whatever its shards hold,
and one poll serves every waiting caller of the process."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Pool
from outrider.messaging.queries import read_cargo, shown_result
from outrider.messaging.queries_suppressions import Suppression
from outrider.messaging.values import OutboundCargo, SendResult

# `offset 0` keeps the order of these lookups, each by its whole key: a plan that was made while the tables were
# nearly empty would else go through all messages and people of an application, for each of the pairs. What is
# stored in many bytes is not even unpacked to learn its length.
LOAD_OUTBOUND = """
select w.n, e.payload, uuid_extract_timestamp(w.event_id) as created_at,
  p.external_id as recipient,
  (select json_agg(json_build_array(g.edge_type, g.target_type, g.target_id, u.external_id, u.name) order by g.id)::text
   from edges g left join lateral (
     select u.external_id, u.name from platform_users u
     where u.application_id = w.application_id and u.id = g.target_id offset 0) u on true
   where g.application_id = w.application_id and g.event_id = w.event_id) as edges
from unnest($1::uuid[], $2::uuid[]) with ordinality w(application_id, event_id, n)
cross join lateral (
  select e.payload::text as payload from events e
  where e.application_id = w.application_id and e.id = w.event_id
    and case when pg_column_size(e.payload) <= $3 then octet_length(e.payload::text) <= $3 end offset 0) e
cross join lateral (
  select m.platform_user_id from messages m
  where m.application_id = w.application_id and m.id = w.event_id offset 0) m
cross join lateral (
  select p.external_id from platform_users p
  where p.application_id = w.application_id and p.id = m.platform_user_id offset 0) p
"""
SELECT_ATTEMPTED = """
select w.event_id, m.state, m.external_id, m.error::text as error
from unnest($1::uuid[], $2::uuid[]) w(application_id, event_id)
join messages m on m.application_id = w.application_id and m.id = w.event_id
left join delivery_queue q on q.application_id = w.application_id and q.event_id = w.event_id and q.kind = 'message'
where m.state > 0 or q.id is null or q.attempts > 0
"""
# All of a process that ask at the same time, whosever they are. A person has one list, however the address is written.
SELECT_SUPPRESSED = """
select w.n, s.id, s.channel, s.address, s.reason
from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality w(application_id, channel, address, n)
cross join lateral (
  select s.id, s.channel, s.address, s.reason from suppressions s
  where s.application_id = w.application_id and s.channel = w.channel and s.address = lower(w.address) offset 0) s
"""
SELECT_FIRST_ATTEMPT = "select min(started_at) from attempts where application_id = $1 and delivery_id = $2"


async def load_outbound(
    pool: Pool, keys: Sequence[tuple[UUID, UUID]], longest: int
) -> list[OutboundCargo | None]:
    """The messages of (application, event) pairs, None for what is gone or longer than that."""
    rows = await pool.fetch(LOAD_OUTBOUND, [key[0] for key in keys], [key[1] for key in keys], longest)
    found = {
        row["n"] - 1: read_cargo(row["payload"], row["edges"], row["recipient"], row["created_at"])
        for row in rows
    }
    return [found.get(number) for number in range(len(keys))]


async def select_attempted(pool: Pool, keys: Sequence[tuple[UUID, UUID]]) -> list[SendResult]:
    """Of the messages asked for, those whose first attempt has ended."""
    rows = await pool.fetch(SELECT_ATTEMPTED, [key[0] for key in keys], [key[1] for key in keys])
    return [shown_result(row["event_id"], row["state"], row["external_id"], row["error"]) for row in rows]


async def select_first_attempt(pool: Pool, application_id: UUID, delivery_id: UUID) -> datetime | None:
    """When a delivery was first attempted."""
    found: datetime | None = await pool.fetchval(SELECT_FIRST_ATTEMPT, application_id, delivery_id)
    return found


async def select_suppressed(
    pool: Pool, recipients: Sequence[tuple[UUID, str, str]]
) -> list[Suppression | None]:
    """The entries of (application, channel, address) on the lists, None for each that is on none."""
    rows = await pool.fetch(SELECT_SUPPRESSED, *map(list, zip(*recipients, strict=True)))
    found = {
        row["n"] - 1: Suppression(row["id"], row["channel"], row["address"], row["reason"]) for row in rows
    }
    return [found.get(number) for number in range(len(recipients))]
