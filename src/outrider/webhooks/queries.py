"""The statements on subscriptions.

Matching reads `subscription_patterns`, which holds the active ones only. Whoever adds rows to it holds the append
lock from before it reads the position until its commit: exactly the events with a greater position match.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Connection, Pool

LOCK_APPENDS = "select pg_advisory_xact_lock(7305002)"
SELECT_POSITION = "select case when is_called then last_value else 0 end from event_position"
INSERT_SUBSCRIPTION = """
insert into subscriptions (organisation_id, application_id, id, name, target_url, patterns, sealed_secret,
  from_position, family)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning created_at
"""
INSERT_PATTERNS = """
insert into subscription_patterns (organisation_id, application_id, subscription_id, pattern)
select s.organisation_id, a.id, s.id, case s.family when 'outkit' then 'outkit:' || pattern else pattern end
from subscriptions s cross join unnest(s.patterns) as pattern
join applications a on a.organisation_id = s.organisation_id
  and a.id in (select covered_applications($1, s.application_id))
where s.organisation_id = $1 and s.id = $2
"""
DELETE_PATTERNS = "delete from subscription_patterns where organisation_id = $1 and subscription_id = $2"
END_SUBSCRIPTION = """
update subscriptions set status = $4, status_reason = $5
where organisation_id = $1 and application_id = $2 and id = $3 and status = 'active'
returning id
"""
RESUME_SUBSCRIPTION = """
update subscriptions set status = 'active', status_reason = null, failing_since = null, from_position = $4
where organisation_id = $1 and application_id = $2 and id = $3 and status in ('paused', 'disabled')
"""
LOCK_SUBSCRIPTION = """
select status from subscriptions
where organisation_id = $1 and application_id = $2 and id = $3 and status <> 'deleted' for update
"""
ROTATE = """
update subscriptions set sealed_previous_secret = sealed_secret, sealed_secret = $4,
  previous_secret_until = now() + make_interval(hours => $5)
where organisation_id = $1 and application_id = $2 and id = $3 and status <> 'deleted'
returning id
"""
# Of the application whose event it is, or of its whole organisation.
SELECT_SUBSCRIPTION = """
select s.organisation_id, s.application_id, s.id, s.target_url, s.patterns, s.family, s.status, s.failing_since,
  s.sealed_secret, case when s.previous_secret_until > now() then s.sealed_previous_secret end as sealed_previous_secret
from applications a join subscriptions s on s.organisation_id = a.organisation_id
left join applications h on h.organisation_id = a.organisation_id and h.id = s.application_id
where a.id = $1 and s.id = $2 and s.status <> 'deleted' and (s.application_id = a.id or h.kind = 'organisation')
"""
SET_FAILING = """
update subscriptions set failing_since = case when $3 then coalesce(failing_since, now()) end
where application_id = $1 and id = $2 and status <> 'deleted'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionInsert:
    """A new row of subscriptions."""

    application_id: UUID
    id: UUID
    name: str
    target_url: str
    patterns: Sequence[str]
    sealed_secret: bytes = field(repr=False)
    family: str = "outeract"


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription with its secrets sealed; the previous one only during a rotation."""

    organisation_id: UUID
    application_id: UUID
    id: UUID
    target_url: str
    patterns: Sequence[str]
    family: str
    status: str
    failing_since: datetime | None
    sealed_secret: bytes = field(repr=False)
    sealed_previous_secret: bytes | None = field(repr=False)


async def lock_appends(connection: Connection) -> int:
    """Hold every append back until this transaction ends; returns the newest position."""
    await connection.execute(LOCK_APPENDS)
    return await connection.fetchval(SELECT_POSITION)


async def insert_subscription(
    connection: Connection, organisation_id: UUID, new: SubscriptionInsert, from_position: int
) -> datetime:
    created_at = await connection.fetchval(
        INSERT_SUBSCRIPTION,
        organisation_id,
        new.application_id,
        new.id,
        new.name,
        new.target_url,
        new.patterns,
        new.sealed_secret,
        from_position,
        new.family,
    )
    await connection.execute(INSERT_PATTERNS, organisation_id, new.id)
    return created_at


async def end_subscription(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    subscription_id: UUID,
    *,
    status: str,
    reason: str | None,
) -> bool:
    """Pause, disable or delete an active subscription; False if it is not active."""
    ended = await connection.fetchval(
        END_SUBSCRIPTION, organisation_id, application_id, subscription_id, status, reason
    )
    if ended is not None:
        await connection.execute(DELETE_PATTERNS, organisation_id, subscription_id)
    return ended is not None


async def delete_patterns(connection: Connection, organisation_id: UUID, subscription_id: UUID) -> None:
    """Let a subscription match nothing more."""
    await connection.execute(DELETE_PATTERNS, organisation_id, subscription_id)


async def replace_patterns(connection: Connection, organisation_id: UUID, subscription_id: UUID) -> None:
    """Let a subscription match what its row says now; under `lock_appends`."""
    await connection.execute(DELETE_PATTERNS, organisation_id, subscription_id)
    await connection.execute(INSERT_PATTERNS, organisation_id, subscription_id)


async def lock_subscription(
    connection: Connection, organisation_id: UUID, application_id: UUID, subscription_id: UUID
) -> str | None:
    """Hold a subscription until this transaction ends and tell its status; before `lock_appends`, never after."""
    return await connection.fetchval(LOCK_SUBSCRIPTION, organisation_id, application_id, subscription_id)


async def resume_subscription(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    subscription_id: UUID,
    *,
    from_position: int,
) -> None:
    """Make a paused or disabled subscription match again."""
    await connection.execute(
        RESUME_SUBSCRIPTION, organisation_id, application_id, subscription_id, from_position
    )
    await connection.execute(INSERT_PATTERNS, organisation_id, subscription_id)


async def rotate_secret(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    subscription_id: UUID,
    *,
    sealed_secret: bytes,
    overlap_hours: int,
) -> bool:
    rotated = await connection.fetchval(
        ROTATE, organisation_id, application_id, subscription_id, sealed_secret, overlap_hours
    )
    return rotated is not None


async def select_subscription(
    pool: Pool, application_id: UUID, subscription_id: UUID
) -> SubscriptionRow | None:
    """Find a subscription that was not deleted; on the system pool, since dispatchers know no organisation."""
    row = await pool.fetchrow(SELECT_SUBSCRIPTION, application_id, subscription_id)
    return SubscriptionRow(**row) if row else None


async def set_failing(pool: Pool, application_id: UUID, subscription_id: UUID, *, is_failing: bool) -> None:
    """Note since when a subscription has had nothing but failures, or that it has not."""
    await pool.execute(SET_FAILING, application_id, subscription_id, is_failing)


SELECT_EVENT_OF_EXTERNAL_ID = """
select event_id from external_messages where application_id = $1 and connection_id = $2 and external_id = $3
"""


async def select_event_of_external_id(
    pool: Pool, application_id: UUID, connection_id: UUID, external_id: str
) -> UUID | None:
    """Find our event of a platform's message id, None while it is not known."""
    found: UUID | None = await pool.fetchval(
        SELECT_EVENT_OF_EXTERNAL_ID, application_id, connection_id, external_id
    )
    return found
