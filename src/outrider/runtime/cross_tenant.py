"""Statements over the whole log: partitions, expiry of ledgers, retention, and the refold of `verify`."""

from outrider.core.database.pools import Connection, Pool

# Partitions are made and dropped under locks that hold every append back: rather later than behind a long reader.
BRIEF_LOCKS = "set local lock_timeout = '2s'"
ENSURE_PARTITIONS = "select ensure_partitions($1)"
DELETE_EXPIRED_KEYS = """
delete from once_keys where ctid in (select ctid from once_keys where expires_at < now() limit 5000)
"""
# An expired code is known as one for a month; then it is no code any more, and may be drawn again.
DELETE_OLD_CODES = """
delete from link_codes where ctid in (
  select ctid from link_codes where expires_at < now() - interval '30 days' limit 5000)
"""
DELETE_OLD_MISSES = """
delete from link_code_misses where ctid in (
  select ctid from link_code_misses where changed_at < now() - interval '1 day' limit 5000)
"""
# A receipt that nobody's message ever came for, and its half of the meeting place. 30 days, as long as platforms'
# repeats are known.
DELETE_UNMATCHED_RECEIPTS = """
with unmatched as (
  delete from parked_receipts where ctid in (
    select ctid from parked_receipts where event_id < first_id_at(now() - interval '30 days') limit 5000)
  returning application_id, connection_id, external_id
), unmet as (
  delete from external_messages x using unmatched u
  where x.application_id = u.application_id and x.connection_id = u.connection_id
    and x.external_id = u.external_id and x.event_id is null
)
select count(*) from unmatched
"""
# A month that unfinished work still needs stays: messages may be scheduled far ahead.
SELECT_OLD_PARTITIONS = """
select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
cross join lateral (select to_date(right(c.relname, 7), 'YYYY_MM')::timestamp at time zone 'UTC' as start) m
cross join lateral (
  select first_id_at(m.start) as first_id, first_id_at(m.start + interval '1 month') as next_id) b
where p.relname in ('raw_bodies', 'attempts', 'frozen_bodies', 'told_contacts', 'logs')
  and c.relname ~ '_\\d{4}_\\d{2}$'
  and m.start + interval '1 month' < now() - make_interval(days => $1)
  and not exists (select from delivery_queue q where q.event_id >= b.first_id and q.event_id < b.next_id)
  and not exists (select from delivery_queue q where q.id >= b.first_id and q.id < b.next_id)
  and not exists (select from fan_outs f where f.event_id >= b.first_id and f.event_id < b.next_id)
  and not exists (select from parked_receipts r where r.event_id >= b.first_id and r.event_id < b.next_id)
"""
COUNT_MISPLACED = """
select (select count(*) from events_default) + (select count(*) from edges_default)
  + (select count(*) from messages_default) + (select count(*) from deliveries_default)
  + (select count(*) from attempts_default) + (select count(*) from raw_bodies_default)
  + (select count(*) from frozen_bodies_default) + (select count(*) from told_contacts_default)
  + (select count(*) from logs_default)
"""
# The first server to start on a database gives it its key.
KEEP_FIRST_KEY = """
with kept as (insert into installation (first_key_id) values ($1) on conflict do nothing returning first_key_id)
select first_key_id from kept union all select first_key_id from installation limit 1
"""
COUNT_PARTITIONS_AHEAD = """
select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'events'::regclass and c.relname ~ '_\\d{4}_\\d{2}$'
  and to_date(right(c.relname, 7), 'YYYY_MM') > now()
"""

# The fold of design §3.4, from the children alone: greatest state, earliest time of each kind; one of the
# platform's ids and one of the errors that they tell.
REFOLD = """
with told as (
  select e.application_id, e.origin_event_id as id, e.event_type, e.payload
  from events e
  where e.event_type in ('message.sent', 'message.failed', 'message.delivered', 'message.read')
    and e.origin_event_id is not null
), folded as (
  select t.application_id, t.id,
    max(case t.event_type when 'message.sent' then 1 when 'message.failed' then 2 when 'message.delivered' then 3
      else 4 end) as state,
    min((t.payload ->> 'sent_at')::timestamptz) as sent_at,
    min((t.payload ->> 'failed_at')::timestamptz) as failed_at,
    min((t.payload ->> 'delivered_at')::timestamptz) as delivered_at,
    min((t.payload ->> 'read_at')::timestamptz) as read_at,
    array_agg(t.payload ->> 'external_message_id') filter (where t.payload ->> 'external_message_id' is not null)
      as external_ids,
    array_agg((t.payload -> 'error')::text) filter (where t.payload ->> 'error' is not null) as errors
  from told t group by t.application_id, t.id
)
select m.application_id, m.id, m.state, coalesce(f.state, 0) as folded_state
from messages m left join folded f on f.application_id = m.application_id and f.id = m.id
where m.state <> coalesce(f.state, 0)
  or date_trunc('milliseconds', m.sent_at) is distinct from f.sent_at
  or date_trunc('milliseconds', m.failed_at) is distinct from f.failed_at
  or date_trunc('milliseconds', m.delivered_at) is distinct from f.delivered_at
  or date_trunc('milliseconds', m.read_at) is distinct from f.read_at
  or (m.external_id is null) <> (f.external_ids is null) or m.external_id <> all (f.external_ids)
  or (m.error is null) <> (f.errors is null) or m.error::text <> all (f.errors)
limit 100
"""

# Each looks for rows that no append can have left behind.
BROKEN = {
    "message event without its message": """
        select e.application_id, e.id from events e where e.event_type = 'message.outbound'
        and not exists (select from messages m where m.application_id = e.application_id and m.id = e.id) limit 100""",
    "message without its event": """
        select m.application_id, m.id from messages m
        where not exists (select from events e where e.application_id = m.application_id and e.id = m.id) limit 100""",
    "accepted message that nobody will send": """
        select m.application_id, m.id from messages m where m.state = 0
        and not exists (select from delivery_queue q where q.application_id = m.application_id and q.event_id = m.id
          and q.kind = 'message') limit 100""",
    "submission without its event": """
        select s.application_id, s.id from submissions s
        where not exists (select from events e where e.application_id = s.application_id and e.id = s.id) limit 100""",
    "edge without its event": """
        select g.application_id, g.id from edges g
        where not exists (select from events e where e.application_id = g.application_id and e.id = g.event_id)
        limit 100""",
    "edge to a missing platform user": """
        select g.application_id, g.id from edges g where g.target_type = 'platform_user'
        and not exists (select from platform_users p where p.application_id = g.application_id and p.id = g.target_id)
        limit 100""",
    "edge to a missing file": """
        select g.application_id, g.id from edges g where g.target_type = 'file'
        and not exists (select from files f where f.application_id = g.application_id and f.id = g.target_id)
        limit 100""",
    "pending file that nobody will fetch": """
        select f.application_id, f.id from files f where f.state = 'pending'
        and not exists (select from delivery_queue q where q.application_id = f.application_id and q.id = f.id
          and q.kind = 'media') limit 100""",
    "file that has ended and is still to be fetched": """
        select q.application_id, q.id from delivery_queue q where q.kind = 'media'
        and not exists (select from files f where f.application_id = q.application_id and f.id = q.id
          and f.state = 'pending') limit 100""",
    "part of a missing message": """
        select p.application_id, p.message_id as id from message_parts p
        where not exists (select from messages m where m.application_id = p.application_id and m.id = p.message_id)
        limit 100""",
    "message that does not show its parts": """
        select m.application_id, m.id from messages m
        where m.external_ids::text is distinct from (
          select json_agg(p.external_id order by p.number)::text from message_parts p
          where p.application_id = m.application_id and p.message_id = m.id) limit 100""",
    "log entry about a missing event": """
        select l.application_id, l.id from logs l where l.event_id is not null
        and not exists (select from events e where e.application_id = l.application_id and e.id = l.event_id)
        limit 100""",
    "platform user without its user": """
        select p.application_id, p.id from platform_users p
        where not exists (select from users u where u.application_id = p.application_id and u.id = p.user_id)
        limit 100""",
    "work without its event": """
        select q.application_id, q.id from delivery_queue q
        where not exists (select from events e where e.application_id = q.application_id and e.id = q.event_id)
        limit 100""",
    "held webhook whose message was attempted": """
        select q.application_id, q.id from delivery_queue q
        join messages m on m.application_id = q.application_id and m.id = q.event_id
        where q.state = 'held' and m.state > 0 limit 100""",
    "receipt that waits for a message that is known": """
        select p.application_id, p.event_id as id from parked_receipts p
        join external_messages x on x.application_id = p.application_id and x.connection_id = p.connection_id
          and x.external_id = p.external_id
        where x.event_id is not null limit 100""",
    "work that has ended and is still queued": """
        select q.application_id, q.id from delivery_queue q
        where exists (select from deliveries d where d.application_id = q.application_id and d.id = q.id) limit 100""",
    "webhook without its body": """
        select q.application_id, q.id from delivery_queue q where q.kind = 'webhook' and q.state <> 'held'
        and not exists (select from frozen_bodies f where f.application_id = q.application_id
          and f.event_id = q.event_id) limit 100""",
    "platform's id that does not lead to its message": """
        select m.application_id, m.id from messages m where m.external_id is not null
        and not exists (select from external_messages x where x.application_id = m.application_id
          and x.connection_id = m.connection_id and x.external_id = m.external_id and x.event_id = m.id) limit 100""",
    "user that is not where its merge leads": """
        select e.application_id, e.id from events e
        left join users s on s.application_id = e.application_id and s.id = (e.payload ->> 'source_user_id')::uuid
        left join users t on t.application_id = e.application_id and t.id = (e.payload ->> 'target_user_id')::uuid
        where e.event_type = 'user.merged' and (s.merged_by_event_id is distinct from e.id
          or s.merged_into_id is distinct from coalesce(t.merged_into_id, t.id)) limit 100""",
    "platform user that is not where its merge leads": """
        select e.application_id, e.id from events e
        cross join lateral json_array_elements_text(e.payload -> 'merged_platform_users') m(id)
        left join platform_users p on p.application_id = e.application_id and p.id = m.id::uuid
        left join users t on t.application_id = e.application_id and t.id = (e.payload ->> 'target_user_id')::uuid
        where e.event_type = 'user.merged' and p.user_id is distinct from coalesce(t.merged_into_id, t.id) limit 100""",
    "platform user of an absorbed user": """
        select p.application_id, p.id from platform_users p
        join users u on u.application_id = p.application_id and u.id = p.user_id
        where u.merged_into_id is not null limit 100""",
    "absorbed user that leads to no kept one": """
        select u.application_id, u.id from users u where u.merged_into_id is not null
        and not exists (select from users k where k.application_id = u.application_id and k.id = u.merged_into_id
          and k.merged_into_id is null) limit 100""",
    "absorbed user without the event that absorbed it": """
        select u.application_id, u.id from users u where u.merged_into_id is not null
        and not exists (select from events e where e.application_id = u.application_id and e.id = u.merged_by_event_id
          and e.event_type in ('user.merged', 'system.platform_user.created')) limit 100""",
    "link code whose uses are not its activations": """
        with used as (
          select e.application_id, e.payload ->> 'link_code_event_id' as code_event_id, count(*) as uses from events e
          where e.event_type = 'link_code.activation' group by 1, 2
        )
        select c.application_id, c.event_id as id from link_codes c
        left join used u on u.application_id = c.application_id and u.code_event_id = c.event_id::text
        where c.uses <> coalesce(u.uses, 0) limit 100""",
    "link code without its event": """
        select c.application_id, c.event_id as id from link_codes c
        where not exists (select from events e where e.application_id = c.application_id and e.id = c.event_id
          and e.payload ->> 'code' = c.code) limit 100""",
    "suppression that differs from the log": """
        select application_id, coalesce(s.id, f.id) as id from suppressions s
        full join folded_suppressions f using (application_id, channel, address)
        where s.id is distinct from f.id or s.reason is distinct from f.reason limit 100""",
    "draft that differs from its message": """
        select d.application_id, d.id from drafts d
        join messages m on m.application_id = d.application_id and m.id = d.message_id
        where d.status <> draft_status(m.state, is_replied(d.application_id, d.message_id))
          or d.sent_at is distinct from m.sent_at or m.draft_id is distinct from d.id limit 100""",
    "message of a draft that does not know it": """
        select m.application_id, m.id from messages m where m.draft_id is not null
        and not exists (select from drafts d where d.application_id = m.application_id and d.message_id = m.id
          and d.id = m.draft_id) limit 100""",
    "draft that is to be sent and that nobody will send": """
        select d.application_id, d.id from drafts d where d.message_id is null and d.due_at is null
        and d.status in ('approved', 'scheduled', 'sending') limit 100""",
    "draft that was sent and does not know it": """
        select d.application_id, d.id from drafts d
        join once_keys k on k.application_id = d.application_id and k.scope = 'draft' and k.key = d.id::text
        where d.message_id is null and d.due_at is null limit 100""",
    "position that two events have": """
        select (array_agg(e.application_id))[1] as application_id, (array_agg(e.id))[1] as id
        from events e group by e.position having count(*) > 1 limit 100""",
    "unreleased fan-out of an attempted message": """
        select f.application_id, f.event_id as id from fan_outs f
        join messages m on m.application_id = f.application_id and m.id = f.event_id
        where f.is_held and m.state > 0 limit 100""",
    "delivery that was put back and got lost": """
        select r.application_id, r.id from reopened_deliveries r
        where not exists (select from delivery_queue q where q.application_id = r.application_id and q.id = r.id)
          and not exists (select from deliveries d where d.application_id = r.application_id and d.id = r.id)
        limit 100""",
}


async def keep_first_key(pool: Pool, first_key_id: bytes) -> bytes:
    """The id of the master key that this database began with: the one given, if it had none."""
    found: bytes | None = None
    while found is None:
        # nothing is found where another server is about to commit its own
        found = await pool.fetchval(KEEP_FIRST_KEY, first_key_id)
    return found


async def ensure_partitions(pool: Pool, months_ahead: int) -> int:
    """Make the coming months' partitions; returns how many were missing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(BRIEF_LOCKS)
        return int(await connection.fetchval(ENSURE_PARTITIONS, months_ahead))


async def delete_expired_keys(pool: Pool) -> None:
    """Forget idempotency and dedupe keys, link codes and guesses whose time is over, in small steps."""
    for statement in (DELETE_EXPIRED_KEYS, DELETE_OLD_CODES, DELETE_OLD_MISSES):
        while int((await pool.execute(statement)).removeprefix("DELETE ")) == 5_000:
            pass


async def delete_unmatched_receipts(pool: Pool) -> int:
    """Let receipts go that waited 30 days for a message of ours, in small steps; returns how many there were."""
    total = count = int(await pool.fetchval(DELETE_UNMATCHED_RECEIPTS))
    while count == 5_000:
        count = int(await pool.fetchval(DELETE_UNMATCHED_RECEIPTS))
        total += count
    return total


async def drop_old_partitions(pool: Pool, keep_days: int) -> list[str]:
    """Drop partitions of raw bodies, attempts, frozen bodies and logs older than `keep_days` that nobody needs."""
    names = [row["relname"] for row in await pool.fetch(SELECT_OLD_PARTITIONS, keep_days)]
    for name in names:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(BRIEF_LOCKS)
            await connection.execute(f'drop table "{name}"')
    return names


async def count_misplaced(pool: Pool) -> int:
    """Rows that no month's partition took; there must be none."""
    return int(await pool.fetchval(COUNT_MISPLACED))


async def count_partitions_ahead(pool: Pool) -> int:
    """How many coming months have their partition."""
    return int(await pool.fetchval(COUNT_PARTITIONS_AHEAD))


async def select_broken(connection: Connection) -> dict[str, list[str]]:
    """What does not fit together, by what is wrong: `application/id`, at most 100 of each."""
    found: dict[str, list[str]] = {}
    rows = await connection.fetch(REFOLD)
    if rows:
        found["message state that differs from its fold"] = [
            f"{row['application_id']}/{row['id']} is {row['state']}, folds to {row['folded_state']}"
            for row in rows
        ]
    for what, statement in BROKEN.items():
        rows = await connection.fetch(statement)
        if rows:
            found[what] = [f"{row['application_id']}/{row['id']}" for row in rows]
    return found
