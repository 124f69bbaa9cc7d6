"""Statements on the list of those to whom nothing is sent. It is written by the append, through a trigger."""

from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import Pool

# A person has one list, however the address is written.
SELECT_SUPPRESSION = """
select id, channel, address, reason from suppressions
where application_id = $1 and channel = $2 and address = lower($3)
"""
SELECT_SUPPRESSION_BY_ID = """
select id, channel, address, reason from suppressions where application_id = $1 and id = $2
"""
# Newest first, as the ids are.
SELECT_SUPPRESSIONS = """
select id, channel, address, reason from suppressions
where application_id = $1 and id < $2 and ($3::text is null or channel = $3) and ($4::text is null or reason = $4)
  and ($5::text is null or address = lower($5))
order by id desc limit $6
"""
IS_KEY_TAKEN = """
select exists (select from once_keys
  where application_id = $1 and scope = $2 and key = $3 and expires_at > clock_timestamp())
"""


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address on the list; `id` is that of the event that put it there, which holds the time."""

    id: UUID
    channel: str
    address: str
    reason: str


async def select_suppression(
    pool: Pool, application_id: UUID, channel: str, address: str
) -> Suppression | None:
    """The entry of an address, None if it is not on the list."""
    row = await pool.fetchrow(SELECT_SUPPRESSION, application_id, channel, address)
    return None if row is None else Suppression(*row)


async def select_suppression_by_id(
    pool: Pool, application_id: UUID, suppression_id: UUID
) -> Suppression | None:
    """An entry by its id."""
    row = await pool.fetchrow(SELECT_SUPPRESSION_BY_ID, application_id, suppression_id)
    return None if row is None else Suppression(*row)


async def select_suppressions(
    pool: Pool,
    application_id: UUID,
    before: UUID,
    *,
    channel: str | None,
    reason: str | None,
    address: str | None,
    limit: int,
) -> list[Suppression]:
    """The newest entries, or those older than one of them."""
    rows = await pool.fetch(SELECT_SUPPRESSIONS, application_id, before, channel, reason, address, limit)
    return [Suppression(*row) for row in rows]


async def is_key_taken(pool: Pool, application_id: UUID, scope: str, key: str) -> bool:
    """Whether something was accepted under a once key."""
    return bool(await pool.fetchval(IS_KEY_TAKEN, application_id, scope, key))
