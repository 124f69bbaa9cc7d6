"""Statements about what of a conversation was read: all of it follows from edges and what they lead to."""

from uuid import UUID

from outrider.core.database.pools import Pool

# The newest inbound message of a person: their edges, newest first, until one is from an inbound message.
SELECT_LAST_INBOUND = """
select g.event_id from edges g
where g.application_id = $1 and g.target_id = $2 and g.edge_type = 'sent_by'
  and (select e.event_type from events e where e.application_id = $1 and e.id = g.event_id) = 'message.inbound'
order by g.event_id desc limit 1
"""
SELECT_INBOUND = """
select g.event_id from edges g
where g.application_id = $1 and g.event_id = $3 and g.target_id = $2 and g.edge_type = 'sent_by'
  and (select e.event_type from events e where e.application_id = $1 and e.id = g.event_id) = 'message.inbound'
limit 1
"""
SELECT_LAST_MARK = """
select m.target_id from (
  select g.event_id from edges g
  where g.application_id = $1 and g.target_id = $2 and g.edge_type = 'conversation'
    and (select e.event_type from events e where e.application_id = $1 and e.id = g.event_id)
      = 'system.conversation.read'
  order by g.event_id desc limit 1
) g
cross join lateral (
  select m.target_id from edges m
  where m.application_id = $1 and m.event_id = g.event_id and m.edge_type = 'read_up_to' limit 1
) m
"""
SELECT_SENDER = """
select g.target_id, p.external_id, p.name from edges g
join platform_users p on p.application_id = $1 and p.id = g.target_id
where g.application_id = $1 and g.event_id = $2 and g.edge_type = 'sent_by' limit 1
"""


async def select_inbound(
    pool: Pool, application_id: UUID, platform_user_id: UUID, event_id: UUID | None
) -> UUID | None:
    """This inbound message of a platform user, or the newest; None if there is none."""
    if event_id is None:
        return await pool.fetchval(SELECT_LAST_INBOUND, application_id, platform_user_id)
    return await pool.fetchval(SELECT_INBOUND, application_id, platform_user_id, event_id)


async def select_last_mark(pool: Pool, application_id: UUID, platform_user_id: UUID) -> UUID | None:
    """The message up to which the conversation was last marked as read."""
    return await pool.fetchval(SELECT_LAST_MARK, application_id, platform_user_id)


async def select_sender(
    pool: Pool, application_id: UUID, event_id: UUID
) -> tuple[UUID, str, str | None] | None:
    """Who sent a message: platform user, external id, name."""
    row = await pool.fetchrow(SELECT_SENDER, application_id, event_id)
    return None if row is None else (row["target_id"], row["external_id"], row["name"])
