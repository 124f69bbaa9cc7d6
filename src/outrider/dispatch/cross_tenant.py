"""Statements of the dispatcher. It serves all tenants at once: a shard holds the targets of many."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection, Pool
from outrider.dispatch.values import QueueRow

INSERT_PROCESS = """
insert into processes (id, host, boot_id, pid, start_ticks, role) values ($1, $2, $3, $4, $5, $6)
on conflict (id) do nothing
"""
DELETE_PROCESS = "delete from processes where id = $1"
RELEASE_SHARDS = "update shards set owner_id = null where owner_id = $1 and shard <> all ($2::smallint[])"
KEEP_SHARDS = """
select shard, epoch, is_new, is_unclean, live_processes, live_workers, clock_timestamp() as now
from keep_shards($1, make_interval(secs => $2), $3, $4::smallint[])
"""
SELECT_NEIGHBOURS = "select id, pid, start_ticks from processes where boot_id = $1 and id <> $2"
FREE_DEAD = """
with dead as (delete from processes where id = $1 returning id)
update shards set owner_id = null where owner_id in (select id from dead)
"""

_COLUMNS = """q.application_id, q.shard, q.position, q.id, q.kind, q.event_id, q.target_id, q.ordering_key,
  q.state, q.attempts, q.due_at, q.expires_at"""

# (select clock_timestamp()) is evaluated once, so that an index can use it.
# Every shard goes forward from its own cursor; the dead prefix is never read again.
SELECT_FORWARD = f"""
select {_COLUMNS}
from unnest($1::smallint[], $2::bigint[], $3::uuid[]) as c(shard, position, id)
cross join lateral (
  select * from delivery_queue q
  where q.shard = c.shard and (q.position, q.id) > (c.position, c.id) and q.due_at is null
  order by q.position, q.id limit $4
) q
"""  # noqa: S608 -- a constant list of columns
# A row whose cancellation is on its way to its commit is locked: it is looked at again the next time.
SELECT_DUE = f"""
select {_COLUMNS}
from delivery_queue q
where q.due_at > $1 and q.due_at <= (select clock_timestamp()) and q.shard = any ($2::smallint[])
  and q.state in ('ready', 'started')
order by q.due_at, q.position limit $3
for key share of q skip locked
"""  # noqa: S608 -- a constant list of columns
# The same for one target of which more stands in the queue than memory has room for.
SELECT_FORWARD_OF = f"""
select {_COLUMNS}
from delivery_queue q
where q.shard = $1 and q.target_id = $2 and (q.position, q.id) > ($3, $4) and q.due_at is null
order by q.position, q.id limit $5
"""  # noqa: S608
SELECT_DUE_OF = f"""
select {_COLUMNS}
from delivery_queue q
where q.due_at <= (select clock_timestamp()) and q.shard = $1 and q.target_id = $2
  and q.state in ('ready', 'started')
order by q.due_at, q.position limit $3
for key share of q skip locked
"""  # noqa: S608
# Heads of conversations that were deferred or released: what follows them waits, also under a new owner, and also
# where their time came while nobody owned the shard.
SELECT_DEFERRED_HEADS = """
select distinct on (q.target_id, q.ordering_key) q.target_id, q.ordering_key, q.id,
  extract(epoch from q.due_at - (select clock_timestamp()))::float8 as remaining
from delivery_queue q
where q.shard = any ($1::smallint[]) and q.due_at < 'infinity' and q.ordering_key is not null
  and q.state in ('ready', 'started')
order by q.target_id, q.ordering_key, q.position limit 20000
"""
MARK_STARTED = """
update delivery_queue q set state = 'started'
from unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::uuid[]) as w(shard, epoch, position, id)
join shards s on s.shard = w.shard and s.epoch = w.epoch
where q.shard = w.shard and q.position = w.position and q.id = w.id
returning q.id
"""
SELECT_AGE = """
select count(*) as depth, coalesce(extract(epoch from clock_timestamp() - min(
  coalesce(q.due_at, uuid_extract_timestamp(q.event_id)))), 0)::float8 as age
from (select due_at, event_id from delivery_queue
  where (due_at is null or due_at <= (select clock_timestamp())) and state in ('ready', 'started') limit 100000) q
"""
# Of these shards, what is due and nobody attends to: targets at work or paused have their own reasons to wait.
SELECT_NEGLECTED_AGE = """
select coalesce(extract(epoch from clock_timestamp() - min(
  coalesce(q.due_at, uuid_extract_timestamp(q.event_id)))), 0)::float8
from (select due_at, event_id from delivery_queue q
  where (due_at is null or due_at <= (select clock_timestamp())) and state in ('ready', 'started')
    and shard = any ($1::smallint[]) and not target_id = any ($2::uuid[]) limit 100000) q
"""
SELECT_FAN_OUTS = (
    "select application_id, position, event_id, event_type from fan_outs where not is_held limit 100"
)
EXPAND_FAN_OUT = "select expand_fan_out($1, $2, $3, $4, $5)"


async def insert_process(
    pool: Pool, process: UUID, *, host: str, boot_id: str, pid: int, start_ticks: int, role: str
) -> None:
    """Join the processes that share the shards."""
    await pool.execute(INSERT_PROCESS, process, host, boot_id, pid, start_ticks, role)


async def delete_process(pool: Pool, process: UUID, unclean: Sequence[int]) -> None:
    """Leave: hand back every shard, cleanly but for the unclean ones, and stop counting."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(RELEASE_SHARDS, process, list(unclean))
        await connection.execute(DELETE_PROCESS, process)


async def keep_shards(
    pool: Pool, process: UUID, *, lease_seconds: float, is_worker: bool, give: Sequence[int]
) -> "list[asyncpg.Record]":
    """Heartbeat and leases in one call; see the SQL function."""
    return await pool.fetch(KEEP_SHARDS, process, lease_seconds, is_worker, list(give))


async def select_neighbours(pool: Pool, boot_id: str, process: UUID) -> list[tuple[UUID, int, int]]:
    """Processes that run under the same kernel and pid namespace: (id, pid, start in the kernel's ticks)."""
    rows = await pool.fetch(SELECT_NEIGHBOURS, boot_id, process)
    return [(row["id"], row["pid"], row["start_ticks"]) for row in rows]


async def free_dead(pool: Pool, process: UUID) -> None:
    """Free the shards of a process that is known to have ended: nothing of it can be in flight."""
    await pool.execute(FREE_DEAD, process)


async def select_forward(pool: Pool, cursors: Sequence[tuple[int, int, UUID]], limit: int) -> list[QueueRow]:
    """Work that is ready at once, behind each shard's cursor (shard, position, id)."""
    shards, positions, ids = zip(*cursors, strict=True)
    rows = await pool.fetch(SELECT_FORWARD, shards, positions, ids, limit)
    return [QueueRow(*row) for row in rows]


async def select_due(pool: Pool, since: datetime, shards: Sequence[int], limit: int) -> list[QueueRow]:
    """Retries and scheduled work whose time has come, oldest first."""
    return [QueueRow(*row) for row in await pool.fetch(SELECT_DUE, since, list(shards), limit)]


async def select_forward_of(
    pool: Pool, shard: int, target_id: UUID, cursor: tuple[int, UUID], limit: int
) -> list[QueueRow]:
    """Work of one target that is ready at once, behind a cursor (position, id)."""
    return [QueueRow(*row) for row in await pool.fetch(SELECT_FORWARD_OF, shard, target_id, *cursor, limit)]


async def select_due_of(pool: Pool, shard: int, target_id: UUID, limit: int) -> list[QueueRow]:
    """Retries and scheduled work of one target whose time has come, oldest first."""
    return [QueueRow(*row) for row in await pool.fetch(SELECT_DUE_OF, shard, target_id, limit)]


async def select_deferred_heads(pool: Pool, shards: Sequence[int]) -> list[tuple[UUID, int, UUID, float]]:
    """Deferred work of ordered conversations: (target, ordering key, id, seconds until it is due)."""
    return [tuple(row) for row in await pool.fetch(SELECT_DEFERRED_HEADS, list(shards))]


async def mark_started(connection: Connection | Pool, rows: Sequence[tuple[QueueRow, int]]) -> set[UUID]:
    """Mark work as started before its call; returns what may be called (the epoch still holds)."""
    marked = await connection.fetch(
        MARK_STARTED,
        [row.shard for row, _ in rows],
        [epoch for _, epoch in rows],
        [row.position for row, _ in rows],
        [row.id for row, _ in rows],
    )
    return {row["id"] for row in marked}


async def select_age(pool: Pool) -> tuple[int, float]:
    """How much work is due, and for how many seconds the oldest has been."""
    row = await pool.fetchrow(SELECT_AGE)
    assert row is not None
    return row["depth"], row["age"]


async def select_neglected_age(pool: Pool, shards: Sequence[int], attended: Sequence[UUID]) -> float:
    """For how many seconds the oldest due work of these shards has waited whose target is not attended to."""
    age: float = await pool.fetchval(SELECT_NEGLECTED_AGE, list(shards), list(attended))
    return age


async def select_fan_outs(pool: Pool) -> list[tuple[UUID, int, UUID, str]]:
    """Fan-outs to expand: (application, position, event, event type)."""
    return [tuple(row) for row in await pool.fetch(SELECT_FAN_OUTS)]


async def expand_fan_out(
    pool: Pool, application_id: UUID, position: int, event_id: UUID, patterns: Sequence[str], limit: int
) -> bool:
    """Turn the next subscriptions of a fan-out into deliveries; whether that was the last chunk."""
    return bool(
        await pool.fetchval(EXPAND_FAN_OUT, application_id, position, event_id, list(patterns), limit)
    )
