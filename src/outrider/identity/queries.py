"""The statements on users, platform users and link codes; each takes the application first.

Those that change rows run in a transaction of `identity.committing`, alone in their application.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from outrider.core.database.pools import Connection, Pool
from outrider.identity.values import PlatformUser, User

# One transaction at a time changes who people are in an application; nobody waits for it for ever.
LOCK_PEOPLE = """
select set_config('lock_timeout', '10s', true), pg_advisory_xact_lock(7305010, hashtext($1::uuid::text))
"""
INSERT_EVENT_TYPES = """
insert into event_types (application_id, name) select $1, t.name from unnest($2::text[]) t(name)
on conflict do nothing
"""
IS_EVENT_STORED = "select exists (select from events where application_id = $1 and id = $2)"
# An absorbed user's id leads to the one that was kept.
SELECT_USER = """
select k.id, k.name, k.is_system, k.created_at from users u
join users k on k.application_id = u.application_id and k.id = coalesce(u.merged_into_id, u.id)
where u.application_id = $1 and u.id = $2
"""
INSERT_USER = """
insert into users (application_id, id, name, is_system, created_at) values ($1, $2, $3, false, $4)
"""
UPDATE_USER_NAME = "update users set name = $3 where application_id = $1 and id = $2"
INSERT_OWN_USER = """
insert into users (application_id, id, name, is_system, created_at) values ($1, $2, $3, false, $4)
on conflict do nothing
"""
# What the append would create beside this platform user, as if it had been merged into its user.
INSERT_ABSORBED_USER = """
insert into users (application_id, id, is_system, created_at, merged_into_id, merged_by_event_id)
values ($1, $2, false, $3, $4, $5) on conflict do nothing
"""
SELECT_PLATFORM_USER = """
select id, user_id, connection_id, external_id, name, profile_picture_url, created_at from platform_users
where application_id = $1 and id = $2
"""
# The append knows no lock on people, and may be about to give them a name.
LOCK_PLATFORM_USER = f"{SELECT_PLATFORM_USER} for update"
INSERT_PLATFORM_USER = """
insert into platform_users (application_id, id, user_id, connection_id, external_id, name, profile_picture_url,
  created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing returning id
"""
UPDATE_PLATFORM_USER = """
update platform_users set name = $3, profile_picture_url = $4 where application_id = $1 and id = $2
"""
MOVE_PLATFORM_USERS = """
update platform_users set user_id = $3 where application_id = $1 and user_id = $2 returning id
"""
ABSORB_USER = """
update users set merged_into_id = $3, merged_by_event_id = case when id = $2 then $4 else merged_by_event_id end
where application_id = $1 and (id = $2 or merged_into_id = $2)
"""
SELECT_AUTO_DETECT = """
select coalesce(a.config ->> 'link_code_auto_detect' = 'enabled', false) from applications a where a.id = $1
"""
INSERT_LINK_CODE = """
insert into link_codes (application_id, code, event_id, platform_user_id, max_uses, expires_at)
values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning code
"""
SELECT_LINK_CODE = """
select code, event_id, platform_user_id, max_uses, uses, expires_at <= clock_timestamp() as is_expired
from link_codes where application_id = $1 and code = $2
"""
USE_LINK_CODE = "update link_codes set uses = uses + 1 where application_id = $1 and code = $2"
SELECT_IS_BLOCKED = """
select coalesce(m.blocked_until > clock_timestamp(), false) from link_code_misses m
where m.application_id = $1 and m.platform_user_id = $2
"""
# How many misses there are now within the window, this one included; those before it are forgotten.
COUNT_MISS = """
insert into link_code_misses as m (application_id, platform_user_id, missed_at, changed_at)
values ($1, $2, array[clock_timestamp()], clock_timestamp())
on conflict (application_id, platform_user_id) do update set
  missed_at = array(select t from unnest(m.missed_at) t where t > clock_timestamp() - $3::interval)
    || clock_timestamp(),
  changed_at = clock_timestamp()
returning cardinality(m.missed_at)
"""
BLOCK = """
update link_code_misses set missed_at = '{}', blocked_until = clock_timestamp() + $3::interval
where application_id = $1 and platform_user_id = $2 returning blocked_until
"""


@dataclass(frozen=True, slots=True)
class NewLinkCode:
    """What is kept of a new code."""

    event_id: UUID
    platform_user_id: UUID
    max_uses: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LinkCodeRow:
    """A code as it is kept."""

    code: str
    event_id: UUID
    platform_user_id: UUID
    max_uses: int
    uses: int
    is_expired: bool


async def lock_people(connection: Connection, application_id: UUID) -> None:
    await connection.execute(LOCK_PEOPLE, application_id)


async def insert_event_types(connection: Connection, application_id: UUID, names: Sequence[str]) -> None:
    await connection.execute(INSERT_EVENT_TYPES, application_id, names)


async def is_event_stored(pool: Pool, application_id: UUID, event_id: UUID) -> bool:
    return bool(await pool.fetchval(IS_EVENT_STORED, application_id, event_id))


async def select_user(connection: Connection | Pool, application_id: UUID, user_id: UUID) -> User | None:
    """The user of this id, or the one that absorbed it."""
    row = await connection.fetchrow(SELECT_USER, application_id, user_id)
    return User(**row) if row else None


async def insert_user(
    connection: Connection, application_id: UUID, user_id: UUID, name: str | None, created_at: datetime
) -> None:
    await connection.execute(INSERT_USER, application_id, user_id, name, created_at)


async def insert_own_user(
    connection: Connection, application_id: UUID, user_id: UUID, name: str | None, created_at: datetime
) -> None:
    """The user that belongs to one platform user from the first; an append may just have made both."""
    await connection.execute(INSERT_OWN_USER, application_id, user_id, name, created_at)


async def update_user_name(
    connection: Connection, application_id: UUID, user_id: UUID, name: str | None
) -> None:
    await connection.execute(UPDATE_USER_NAME, application_id, user_id, name)


async def insert_absorbed_user(
    connection: Connection,
    application_id: UUID,
    user_id: UUID,
    *,
    created_at: datetime,
    into: UUID,
    by_event: UUID,
) -> None:
    await connection.execute(INSERT_ABSORBED_USER, application_id, user_id, created_at, into, by_event)


async def select_platform_user(
    connection: Connection | Pool, application_id: UUID, platform_user_id: UUID
) -> PlatformUser | None:
    row = await connection.fetchrow(SELECT_PLATFORM_USER, application_id, platform_user_id)
    return PlatformUser(**row) if row else None


async def lock_platform_user(
    connection: Connection, application_id: UUID, platform_user_id: UUID
) -> PlatformUser | None:
    """Find a platform user and hold it until this transaction ends."""
    row = await connection.fetchrow(LOCK_PLATFORM_USER, application_id, platform_user_id)
    return PlatformUser(**row) if row else None


async def update_platform_user(
    connection: Connection, application_id: UUID, platform_user: PlatformUser
) -> None:
    await connection.execute(
        UPDATE_PLATFORM_USER,
        application_id,
        platform_user.id,
        platform_user.name,
        platform_user.profile_picture_url,
    )


async def insert_platform_user(
    connection: Connection, application_id: UUID, platform_user: PlatformUser
) -> bool:
    """False if the connection knows this external id already."""
    inserted = await connection.fetchval(
        INSERT_PLATFORM_USER,
        application_id,
        platform_user.id,
        platform_user.user_id,
        platform_user.connection_id,
        platform_user.external_id,
        platform_user.name,
        platform_user.profile_picture_url,
        platform_user.created_at,
    )
    return inserted is not None


async def move_platform_users(
    connection: Connection, application_id: UUID, source: UUID, target: UUID
) -> tuple[UUID, ...]:
    """Give a user's platform users to another; returns them."""
    rows = await connection.fetch(MOVE_PLATFORM_USERS, application_id, source, target)
    return tuple(sorted(row["id"] for row in rows))


async def absorb_user(
    connection: Connection, application_id: UUID, source: UUID, target: UUID, event_id: UUID
) -> None:
    """Let a user, and those that it absorbed before, lead to another."""
    await connection.execute(ABSORB_USER, application_id, source, target, event_id)


async def select_auto_detect(pool: Pool, application_id: UUID) -> bool:
    """Whether the application wants link codes found in inbound messages."""
    return bool(await pool.fetchval(SELECT_AUTO_DETECT, application_id))


async def insert_link_code(connection: Connection, application_id: UUID, code: str, new: NewLinkCode) -> bool:
    """False if the application has this code already."""
    inserted = await connection.fetchval(
        INSERT_LINK_CODE,
        application_id,
        code,
        new.event_id,
        new.platform_user_id,
        new.max_uses,
        new.expires_at,
    )
    return inserted is not None


async def select_link_code(connection: Connection, application_id: UUID, code: str) -> LinkCodeRow | None:
    row = await connection.fetchrow(SELECT_LINK_CODE, application_id, code)
    return LinkCodeRow(**row) if row else None


async def use_link_code(connection: Connection, application_id: UUID, code: str) -> None:
    await connection.execute(USE_LINK_CODE, application_id, code)


async def is_blocked(connection: Connection, application_id: UUID, platform_user_id: UUID) -> bool:
    return bool(await connection.fetchval(SELECT_IS_BLOCKED, application_id, platform_user_id))


async def count_miss(
    connection: Connection, application_id: UUID, platform_user_id: UUID, window: timedelta
) -> int:
    """Remember that somebody sent a code that does not exist; returns how often within the window."""
    return int(await connection.fetchval(COUNT_MISS, application_id, platform_user_id, window))


async def block(
    connection: Connection, application_id: UUID, platform_user_id: UUID, duration: timedelta
) -> datetime:
    """Ignore somebody's codes for a while; returns until when."""
    until: datetime = await connection.fetchval(BLOCK, application_id, platform_user_id, duration)
    return until
