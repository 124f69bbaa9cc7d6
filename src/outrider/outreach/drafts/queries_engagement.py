"""The statement on what came of a draft: the children of its message, and the answers to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Pool

# A receipt tells when it happened; an answer has come when it is stored.
SELECT_ENGAGEMENT = """
select e.id as event_id, e.event_type,
  coalesce((e.payload ->> (substr(e.event_type, 9) || '_at'))::timestamptz, uuid_extract_timestamp(e.id)) as at,
  coalesce(e.payload ->> 'url', e.payload -> 'error' ->> 'message') as detail,
  e.payload ->> 'permanent' is not null
    or coalesce(e.payload -> 'error' ->> 'code', '') in ('RECIPIENT_NOT_FOUND', 'RECIPIENT_BLOCKED') as is_bounce
from drafts d
join events e on e.application_id = d.application_id and e.origin_event_id = d.message_id and e.id > d.message_id
where d.organisation_id = $1 and d.id = $2
  and e.event_type in ('message.sent', 'message.delivered', 'message.read', 'message.opened', 'message.clicked',
    'message.failed', 'message.complained', 'message.unsubscribed')
union all
select e.id, e.event_type, uuid_extract_timestamp(e.id), left(coalesce(e.payload -> 'message' ->> 'text',
  e.payload -> 'message' ->> 'subject'), 200), false
from drafts d
join edges g on g.application_id = d.application_id and g.target_id = d.message_id and g.edge_type = 'reply_to'
  and g.event_id > d.message_id
join events e on e.application_id = d.application_id and e.id = g.event_id
where d.organisation_id = $1 and d.id = $2 and e.event_type = 'message.inbound'
limit 1000
"""


@dataclass(frozen=True, slots=True)
class EngagementRow:
    """An event that tells what came of a draft."""

    event_id: UUID
    event_type: str
    at: datetime
    detail: str | None
    is_bounce: bool


async def select_engagement(pool: Pool, organisation_id: UUID, draft_id: UUID) -> Sequence[EngagementRow]:
    """What came of a draft, in no order; at most a thousand things."""
    return [EngagementRow(*row) for row in await pool.fetch(SELECT_ENGAGEMENT, organisation_id, draft_id)]
