"""Statements on many tenants at once: what is due, and what ties a message to its draft."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import Pool

# Whatever tenant's is due: a claim holds the others off for longer than sending may take.
CLAIM_DRAFTS = """
with due as (
  select organisation_id, id from drafts where due_at <= clock_timestamp()
  order by due_at limit $2 for update skip locked
)
update drafts d set claim = $1, due_at = clock_timestamp() + make_interval(secs => $3)
from due where d.organisation_id = due.organisation_id and d.id = due.id
returning d.organisation_id, d.id, d.application_id, coalesce(d.account_id, (select l.account_id from contact_lists l
    where l.organisation_id = d.organisation_id and l.id = d.list_id)) as account_id,
  d.status <> 'sending' as is_waiting, d.claim, d.failures
"""
# The message belongs to an application, its draft to the organisation. First the message, as every fold of it does:
# whoever changes it, or is answering it, now is waited for, and whoever does later finds its draft. Therefore it is
# written even where it is tied already.
TIE_MESSAGE = "update messages set draft_id = $3 where application_id = $1 and id = $2"
# In a statement of its own, which sees what was waited for.
TIE_DRAFT = """
update drafts d set
  message_id = t.message_id,
  status = draft_status(m.state, is_replied(d.application_id, t.message_id)),
  sent_at = m.sent_at,
  failure = case when m.state = 2 and not is_replied(d.application_id, t.message_id) then m.error end,
  subject = coalesce(e.payload -> 'metadata' ->> 'subject', d.subject),
  body_text = coalesce(e.payload -> 'message' ->> 'text', d.body_text),
  body_html = coalesce(e.payload -> 'message' ->> 'html', d.body_html),
  due_at = null, claim = null, updated_at = clock_timestamp()
from (select $3::uuid as message_id) t
left join messages m on m.application_id = $4 and m.id = t.message_id
left join events e on e.application_id = $4 and e.id = t.message_id
where d.organisation_id = $1 and d.id = $2 and d.application_id = $4
"""
# By its once key: what was appended before this process, or the one before it, could say so.
FIND_MESSAGE = "select event_id from once_keys where application_id = $1 and scope = $2 and key = $3"


@dataclass(frozen=True, slots=True)
class ClaimedDraft:
    """A draft that is this process's to send for a while; `account_id` is its mailbox's, or that of its list.

    `is_waiting`: nobody began to send it, and it can still be taken back.
    """

    organisation_id: UUID
    id: UUID
    application_id: UUID
    account_id: UUID | None
    is_waiting: bool
    claim: UUID
    failures: int


async def claim_drafts(pool: Pool, claim: UUID, limit: int, seconds: float) -> Sequence[ClaimedDraft]:
    """Take what is due, for so many seconds."""
    return [ClaimedDraft(*row) for row in await pool.fetch(CLAIM_DRAFTS, claim, limit, seconds)]


async def tie_message(
    pool: Pool, organisation_id: UUID, application_id: UUID, draft_id: UUID, message_id: UUID
) -> None:
    """Let a draft and the message that it became know each other, and the draft follow; again changes nothing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(TIE_MESSAGE, application_id, message_id, draft_id)
        await connection.execute(TIE_DRAFT, organisation_id, draft_id, message_id, application_id)


async def find_message(pool: Pool, application_id: UUID, scope: str, key: str) -> UUID | None:
    """The message that was appended under a once key."""
    return await pool.fetchval(FIND_MESSAGE, application_id, scope, key)
