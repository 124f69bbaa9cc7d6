"""The statements on subscriptions and deliveries that callers look at and change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection, Pool

_SUBSCRIPTION = """select id, name, target_url, patterns, family, status, status_reason, failing_since, created_at
from subscriptions where organisation_id = $1 and application_id = $2 and status <> 'deleted'"""
SELECT_SUBSCRIPTION = f"{_SUBSCRIPTION} and id = $3"
LOCK_SUBSCRIPTION = f"{_SUBSCRIPTION} and id = $3 for update"
SELECT_SUBSCRIPTIONS = f"{_SUBSCRIPTION} order by id desc limit $3"
SELECT_SUBSCRIPTIONS_BEFORE = f"{_SUBSCRIPTION} and id < $4 order by id desc limit $3"
# Of all applications; what stands in the hidden one is shown as the whole organisation's.
_ADMINISTERED = """select s.id, case when a.kind = 'application' then s.application_id end as application_id, s.name,
  s.target_url, s.patterns, s.family, s.status, s.status_reason, s.failing_since, s.created_at
from subscriptions s join applications a on a.organisation_id = s.organisation_id and a.id = s.application_id
where s.organisation_id = $1 and s.status <> 'deleted'"""
SELECT_ADMINISTERED = f"{_ADMINISTERED} and s.id = $2"
SELECT_ALL_SUBSCRIPTIONS = f"{_ADMINISTERED} order by s.id"
COUNT_SUBSCRIPTIONS = """
select count(*) from subscriptions where organisation_id = $1 and application_id = $2 and status <> 'deleted'
"""
RENAME_SUBSCRIPTION = "update subscriptions set name = $3 where organisation_id = $1 and id = $2"
REDIRECT_SUBSCRIPTION = """
update subscriptions set target_url = $3, failing_since = null where organisation_id = $1 and id = $2
"""
CHANGE_PATTERNS = """
update subscriptions set patterns = $3, from_position = $4 where organisation_id = $1 and id = $2
"""
LOCK_FAN_OUTS = "select event_id, event_type from lock_fan_outs($1, $2)"
QUEUE_FANNED_OUT = "select queue_fanned_out($1, $2, $3::uuid[])"
DELETE_SUBSCRIPTION = "update subscriptions set status = 'deleted' where organisation_id = $1 and id = $2"
REOPEN_DELIVERY = "select reopen_delivery($1, $2, $3)"
APPEND_WEBHOOK_TEST = "select append_webhook_test($1, $2, $3, $4, $5, $6, $7)"

# A delivery as it is shown, of one that waits (q) and of one that has ended (d).
_WAITING_COLUMNS = """q.id, q.target_id as subscription_id, q.event_id,
  case when q.state = 'held' then 'held' when q.attempts > 0 then 'retrying' else 'pending' end as state,
  null::text as reason, q.attempts, case when q.state <> 'held' then coalesce(q.due_at, uuid_extract_timestamp(q.id))
  end as due_at, null::timestamptz as finished_at"""
_ENDED_COLUMNS = """d.id, d.target_id as subscription_id, d.event_id, d.state, d.reason, d.attempts,
  null::timestamptz as due_at, d.finished_at"""
# What waits and what has ended, as one list; a condition that is absent is another statement.
_WAITING = f"""select {_WAITING_COLUMNS}
from delivery_queue q where q.application_id = $1 and q.kind = 'webhook'"""  # noqa: S608 -- its own columns
_ENDED = f"""select {_ENDED_COLUMNS}
from deliveries d where d.application_id = $1 and d.kind = 'webhook'"""  # noqa: S608 -- its own columns
_WAITING_STATES = {
    "held": "q.state = 'held'",
    "pending": "q.state <> 'held' and q.attempts = 0",
    "retrying": "q.state <> 'held' and q.attempts > 0",
}
_ENDED_STATES = {name: f"d.state = '{name}'" for name in ("succeeded", "failed", "dropped")}
# Deliveries stand with their events: those of an organisation's endpoint in each of its applications.
SELECT_DELIVERIES_OF = f"""
with mine as (select a.id as application_id from applications a where a.organisation_id = $1)
select * from (
  select w.* from mine m cross join lateral (
    select q.application_id, {_WAITING_COLUMNS} from delivery_queue q
    where q.application_id = m.application_id and q.kind = 'webhook' and q.target_id = $2 and q.id < $3
    order by q.id desc limit $4) w
  union all
  select e.* from mine m cross join lateral (
    select d.application_id, {_ENDED_COLUMNS} from deliveries d
    where d.application_id = m.application_id and d.kind = 'webhook' and d.target_id = $2 and d.id < $3
    order by d.id desc limit $4) e) either
order by id desc limit $4
"""  # noqa: S608 -- its own columns
SELECT_PLACED = f"""
with mine as (select a.id as application_id from applications a where a.organisation_id = $1)
select w.* from mine m cross join lateral (
  select q.application_id, {_WAITING_COLUMNS} from delivery_queue q
  where q.application_id = m.application_id and q.kind = 'webhook' and q.id = $2) w
union all
select e.* from mine m cross join lateral (
  select d.application_id, {_ENDED_COLUMNS} from deliveries d
  where d.application_id = m.application_id and d.kind = 'webhook' and d.id = $2) e
"""  # noqa: S608 -- its own columns
STATES = (*_WAITING_STATES, *_ENDED_STATES)
SELECT_ATTEMPTS = """
select number, result, started_at, duration_ms, status_code, detail, retry_at
from attempts where application_id = $1 and delivery_id = $2 order by number
"""


@dataclass(frozen=True, slots=True)
class SubscriptionViewRow:
    """A subscription that was not deleted, without its secrets."""

    id: UUID
    name: str
    target_url: str
    patterns: Sequence[str]
    family: str
    status: str
    status_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AdministeredRow:
    """A subscription of any application, or of none: the whole organisation's."""

    id: UUID
    application_id: UUID | None
    name: str
    target_url: str
    patterns: Sequence[str]
    family: str
    status: str
    status_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A webhook delivery, unfinished (`due_at`, null while it is held) or ended (`finished_at`)."""

    id: UUID
    subscription_id: UUID
    event_id: UUID
    state: str
    reason: str | None
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlacedDelivery:
    """A delivery, and the application whose event it is of."""

    application_id: UUID
    delivery: DeliveryRow


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try of a delivery; `retry_at`: what was planned next."""

    number: int
    result: str
    started_at: datetime
    duration_ms: int
    status_code: int | None
    detail: str | None
    retry_at: datetime | None


async def select_subscription(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    subscription_id: UUID,
    *,
    is_locked: bool = False,
) -> SubscriptionViewRow | None:
    """Find a subscription; `is_locked` holds it until this transaction ends."""
    statement = LOCK_SUBSCRIPTION if is_locked else SELECT_SUBSCRIPTION
    row = await connection.fetchrow(statement, organisation_id, application_id, subscription_id)
    return SubscriptionViewRow(**row) if row else None


async def select_subscriptions(
    connection: Connection, organisation_id: UUID, application_id: UUID, *, limit: int, before: UUID | None
) -> list[SubscriptionViewRow]:
    """The newest subscriptions, or those made before one."""
    if before is None:
        rows = await connection.fetch(SELECT_SUBSCRIPTIONS, organisation_id, application_id, limit)
    else:
        rows = await connection.fetch(
            SELECT_SUBSCRIPTIONS_BEFORE, organisation_id, application_id, limit, before
        )
    return [SubscriptionViewRow(**row) for row in rows]


async def select_administered(
    connection: Connection, organisation_id: UUID, subscription_id: UUID
) -> AdministeredRow | None:
    """Find a subscription of an organisation, wherever it stands."""
    row = await connection.fetchrow(SELECT_ADMINISTERED, organisation_id, subscription_id)
    return AdministeredRow(**row) if row else None


async def select_all_subscriptions(connection: Connection, organisation_id: UUID) -> list[AdministeredRow]:
    """Every subscription of an organisation, the oldest first."""
    return [
        AdministeredRow(**row) for row in await connection.fetch(SELECT_ALL_SUBSCRIPTIONS, organisation_id)
    ]


async def count_subscriptions(connection: Connection, organisation_id: UUID, application_id: UUID) -> int:
    return await connection.fetchval(COUNT_SUBSCRIPTIONS, organisation_id, application_id)


async def rename_subscription(
    connection: Connection, organisation_id: UUID, subscription_id: UUID, name: str
) -> None:
    await connection.execute(RENAME_SUBSCRIPTION, organisation_id, subscription_id, name)


async def redirect_subscription(
    connection: Connection, organisation_id: UUID, subscription_id: UUID, target_url: str
) -> None:
    await connection.execute(REDIRECT_SUBSCRIPTION, organisation_id, subscription_id, target_url)


async def change_patterns(
    connection: Connection,
    organisation_id: UUID,
    subscription_id: UUID,
    *,
    patterns: Sequence[str],
    from_position: int,
) -> None:
    """Change what a subscription wants; the rows that match are the caller's."""
    await connection.execute(CHANGE_PATTERNS, organisation_id, subscription_id, patterns, from_position)


async def lock_fan_outs(
    connection: Connection, organisation_id: UUID, application_id: UUID
) -> dict[UUID, str]:
    """Hold the application's events that are yet to be spread over many subscriptions; their types."""
    rows = await connection.fetch(LOCK_FAN_OUTS, organisation_id, application_id)
    return {row["event_id"]: row["event_type"] for row in rows}


async def queue_fanned_out(
    connection: Connection, organisation_id: UUID, subscription_id: UUID, event_ids: Sequence[UUID]
) -> None:
    """Queue deliveries of such events to a subscription that they have not come to yet."""
    await connection.execute(QUEUE_FANNED_OUT, organisation_id, subscription_id, event_ids)


async def delete_subscription(connection: Connection, organisation_id: UUID, subscription_id: UUID) -> None:
    await connection.execute(DELETE_SUBSCRIPTION, organisation_id, subscription_id)


async def reopen_delivery(
    connection: Connection, organisation_id: UUID, application_id: UUID, delivery_id: UUID
) -> str:
    """Put an ended delivery back into the queue: 'reopened', or why not."""
    return await connection.fetchval(REOPEN_DELIVERY, organisation_id, application_id, delivery_id)


async def append_webhook_test(
    connection: Connection,
    organisation_id: UUID,
    subscription_id: UUID,
    *,
    event_id: UUID,
    delivery_id: UUID,
    event_type: str,
    payload: str,
    fragment: str,
) -> None:
    await connection.execute(
        APPEND_WEBHOOK_TEST,
        organisation_id,
        subscription_id,
        event_id,
        delivery_id,
        event_type,
        payload,
        fragment,
    )


async def select_deliveries(
    pool: Pool,
    application_id: UUID,
    *,
    subscription_id: UUID | None,
    event_id: UUID | None,
    state: str | None,
    delivery_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 1,
) -> list[DeliveryRow]:
    """The newest webhook deliveries that fit everything that is given."""
    values: list[object] = [limit]
    conditions = ""
    wanted = {"target_id = ": subscription_id, "event_id = ": event_id, "id = ": delivery_id, "id < ": before}
    for column, value in wanted.items():
        if value is not None:
            values.append(value)
            conditions += f" and {{row}}.{column}${len(values) + 1}"
    parts = [
        f"{select}{conditions.replace('{row}', row)}{_condition(states, state)} order by {row}.id desc limit $2"
        for select, row, states in ((_WAITING, "q", _WAITING_STATES), (_ENDED, "d", _ENDED_STATES))
        if state is None or state in states
    ]
    either = " union all ".join(f"({part})" for part in parts)
    rows: list[asyncpg.Record] = await pool.fetch(
        f"select * from ({either}) as either order by id desc limit $2",  # noqa: S608 -- constant parts
        application_id,
        *values,
    )
    return [DeliveryRow(**row) for row in rows]


def _condition(states: dict[str, str], state: str | None) -> str:
    return "" if state is None else f" and {states[state]}"


async def select_deliveries_of(
    pool: Pool, organisation_id: UUID, subscription_id: UUID, *, before: UUID, limit: int
) -> list[PlacedDelivery]:
    """The newest deliveries to a subscription, whichever application's events they are of."""
    rows = await pool.fetch(SELECT_DELIVERIES_OF, organisation_id, subscription_id, before, limit)
    return [_placed(row) for row in rows]


async def select_placed(pool: Pool, organisation_id: UUID, delivery_id: UUID) -> PlacedDelivery | None:
    """Find a delivery, whichever application's event it is of."""
    row = await pool.fetchrow(SELECT_PLACED, organisation_id, delivery_id)
    return _placed(row) if row else None


def _placed(row: asyncpg.Record) -> PlacedDelivery:
    columns = dict(row)
    return PlacedDelivery(columns.pop("application_id"), DeliveryRow(**columns))


async def select_attempts(pool: Pool, application_id: UUID, delivery_id: UUID) -> list[AttemptRow]:
    """Every attempt of a delivery, the first one first."""
    return [AttemptRow(**row) for row in await pool.fetch(SELECT_ATTEMPTS, application_id, delivery_id)]
