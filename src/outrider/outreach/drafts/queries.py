"""The statements on drafts of one organisation. Every change of a status names the states from which it may be made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.pools import Connection, Pool
from outrider.outreach.drafts.values import Draft, DraftFilters, DraftStatus, Recipient

_DRAFT = """select d.organisation_id, d.id, d.application_id, d.contact_id, c.name as contact_name,
  c.email as contact_email, d.list_id, d.account_id, d.subject, d.subject_template, d.body_text, d.body_html,
  d.template, d.template_locals::text as template_locals, d.status, d.ignores_suppression, d.scheduled_at,
  d.message_id, d.sent_at, d.failure::text as failure, d.created_at, d.updated_at
from drafts d join contacts c on c.organisation_id = d.organisation_id and c.id = d.contact_id
where d.organisation_id = $1"""
_NEWEST = "order by d.id desc limit $3"
SELECT_DRAFTS = f"{_DRAFT} and d.id = any($2) order by d.id"
LIST_DRAFTS = f"{_DRAFT} and d.id < $2 {_NEWEST}"
LIST_BY_STATUS = f"{_DRAFT} and d.id < $2 and d.status = any($4) {_NEWEST}"
LIST_BY_CONTACT = f"{_DRAFT} and d.id < $2 and d.contact_id = $4 {_NEWEST}"
LIST_BY_LIST = f"{_DRAFT} and d.id < $2 and d.list_id = $4 {_NEWEST}"
LIST_BY_STATUS_AND_CONTACT = f"{_DRAFT} and d.id < $2 and d.status = any($4) and d.contact_id = $5 {_NEWEST}"
LIST_BY_STATUS_AND_LIST = f"{_DRAFT} and d.id < $2 and d.status = any($4) and d.list_id = $5 {_NEWEST}"
LIST_BY_CONTACT_AND_LIST = f"{_DRAFT} and d.id < $2 and d.contact_id = $4 and d.list_id = $5 {_NEWEST}"
LIST_BY_ALL = (
    f"{_DRAFT} and d.id < $2 and d.status = any($4) and d.contact_id = $5 and d.list_id = $6 {_NEWEST}"
)
# always in the same order, so that two callers wait for each other and do not block each other
LOCK_DRAFTS = "select id from drafts where organisation_id = $1 and id = any($2) order by id for update"

SELECT_RECIPIENT = """
select c.id as contact_id, c.name, c.email, o.name as company_name, o.domain as company_domain,
  l.id as list_id, l.name as list_name, l.goal as list_goal, l.connection_point as list_connection_point,
  l.application_id
from contacts c
left join companies o on o.organisation_id = c.organisation_id and o.id = c.company_id
left join contact_lists l on l.organisation_id = c.organisation_id and l.id = coalesce($3, c.list_id)
where c.organisation_id = $1 and c.id = $2
"""
SELECT_UNWRITTEN = """
select c.id as contact_id, c.name, c.email, o.name as company_name, o.domain as company_domain,
  l.id as list_id, l.name as list_name, l.goal as list_goal, l.connection_point as list_connection_point,
  l.application_id
from contacts c
join contact_lists l on l.organisation_id = c.organisation_id and l.id = c.list_id
left join companies o on o.organisation_id = c.organisation_id and o.id = c.company_id
where c.organisation_id = $1 and c.list_id = $2
  and not exists (select from drafts d where d.organisation_id = $1
    and d.contact_id = c.id and d.list_id = $2 and d.status <> 'discarded')
order by c.id limit $3
"""
COUNT_UNWRITTEN = """
select count(*) from contacts c where c.organisation_id = $1 and c.list_id = $2
  and not exists (select from drafts d where d.organisation_id = $1
    and d.contact_id = c.id and d.list_id = $2 and d.status <> 'discarded')
"""
SELECT_LIST = """
select application_id, account_id, archived_at is not null as is_archived from contact_lists
where organisation_id = $1 and id = $2
"""
LOCK_LIST = "select id from contact_lists where organisation_id = $1 and id = $2 for update"
IS_MAILBOX = """
select exists (select from accounts
  where organisation_id = $1 and id = $2 and channel = 'email' and deleted_at is null)
"""
IS_APPLICATION = """
select exists (select from applications
  where organisation_id = $1 and id = $2 and kind = 'application' and archived_at is null)
"""
INSERT_DRAFTS = """
insert into drafts (organisation_id, id, application_id, contact_id, list_id, account_id, subject, subject_template,
  body_text, body_html, template, template_locals, ignores_suppression, created_at, updated_at)
select $1, t.id, $4, t.contact_id, $5, $6, t.subject, $8, $9, $10, $11, $12::text::json, $13,
  uuid_extract_timestamp(t.id), uuid_extract_timestamp(t.id)
from unnest($2::uuid[], $3::uuid[], $7::text[]) t(id, contact_id, subject)
"""
UPDATE_DRAFT = """
update drafts set subject = $3, subject_template = $4, body_text = $5, body_html = $6, template = $7,
  template_locals = $8::text::json, account_id = $9, ignores_suppression = $10,
  status = case when status = 'needs_review' then status else 'draft' end,
  scheduled_at = null, due_at = null, claim = null, failures = 0, failure = null, updated_at = clock_timestamp()
where organisation_id = $1 and id = $2 and message_id is null and updated_at = $11
  and status in ('draft', 'needs_review', 'approved', 'scheduled', 'failed')
returning id
"""
# What was approved is due at once, what was scheduled when its time comes; nothing else is due.
MOVE_DRAFTS = """
update drafts set status = $4, scheduled_at = $5, failures = 0, claim = null, failure = null,
  due_at = case $4 when 'approved' then clock_timestamp() when 'scheduled' then $5 end,
  updated_at = clock_timestamp()
where organisation_id = $1 and id = any($2) and status = any($3) and message_id is null
returning id
"""
# From here on nobody can take it back.
BEGIN_SENDING = """
update drafts d set status = 'sending', updated_at = clock_timestamp()
where d.organisation_id = $1 and d.id = any($2) and d.claim = $3
  and d.status in ('approved', 'scheduled', 'sending')
returning d.id, old.status <> 'sending' as is_new
"""
FAIL_DRAFT = """
update drafts set status = 'failed', failure = $4::text::json, due_at = null, claim = null,
  updated_at = clock_timestamp()
where organisation_id = $1 and id = $2 and claim = $3 and message_id is null
  and status in ('approved', 'scheduled', 'sending')
returning id
"""
END_CLAIM = """
update drafts set claim = null, due_at = clock_timestamp() + make_interval(secs => $4),
  failures = failures + $5
where organisation_id = $1 and id = $2 and claim = $3
"""
APPEND_EVENTS = "select append_draft_events($1, $2, $3, $4, $5)"
SELECT_EVENTS = """
select e.id, e.event_type, e.payload::text as payload
from draft_events t
join applications a on a.organisation_id = t.organisation_id and a.kind = 'organisation'
join events e on e.application_id = a.id and e.id = t.event_id
where t.organisation_id = $1 and t.draft_id = $2 order by t.event_id limit 1000
"""


@dataclass(frozen=True, slots=True)
class ListRow:
    """What a list says of its drafts."""

    application_id: UUID | None
    account_id: UUID | None
    is_archived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRows:
    """Drafts to write: what they have in common, and what each has."""

    application_id: UUID
    list_id: UUID | None
    account_id: UUID | None
    subject_template: str | None
    body_text: str | None
    body_html: str | None
    template: str | None
    template_locals: str | None
    ignores_suppression: bool
    ids: Sequence[UUID]
    contact_ids: Sequence[UUID]
    subjects: Sequence[str]


async def select_draft(connection: Connection | Pool, organisation_id: UUID, draft_id: UUID) -> Draft | None:
    """A draft, None if there is none."""
    found = await select_drafts(connection, organisation_id, [draft_id])
    return found[0] if found else None


async def select_drafts(
    connection: Connection | Pool, organisation_id: UUID, draft_ids: Sequence[UUID]
) -> list[Draft]:
    """Those of the drafts that there are, by their ids."""
    return [draft_of(row) for row in await connection.fetch(SELECT_DRAFTS, organisation_id, draft_ids)]


async def lock_drafts(connection: Connection, organisation_id: UUID, draft_ids: Sequence[UUID]) -> None:
    """Hold drafts until this transaction ends."""
    await connection.execute(LOCK_DRAFTS, organisation_id, draft_ids)


async def list_drafts(
    pool: Pool, organisation_id: UUID, *, before: UUID, limit: int, filters: DraftFilters
) -> list[Draft]:
    """The newest drafts below an id."""
    statement = _LISTS[
        filters.statuses is not None, filters.contact_id is not None, filters.list_id is not None
    ]
    given = [one for one in (filters.statuses, filters.contact_id, filters.list_id) if one is not None]
    return [draft_of(row) for row in await pool.fetch(statement, organisation_id, before, limit, *given)]


_LISTS: Mapping[tuple[bool, bool, bool], str] = {
    (False, False, False): LIST_DRAFTS,
    (True, False, False): LIST_BY_STATUS,
    (False, True, False): LIST_BY_CONTACT,
    (False, False, True): LIST_BY_LIST,
    (True, True, False): LIST_BY_STATUS_AND_CONTACT,
    (True, False, True): LIST_BY_STATUS_AND_LIST,
    (False, True, True): LIST_BY_CONTACT_AND_LIST,
    (True, True, True): LIST_BY_ALL,
}


async def select_recipient(
    connection: Connection, organisation_id: UUID, contact_id: UUID, list_id: UUID | None
) -> Recipient | None:
    """A contact with its company and this list, or the one that it is on."""
    row = await connection.fetchrow(SELECT_RECIPIENT, organisation_id, contact_id, list_id)
    return Recipient(**row) if row else None


async def select_unwritten(
    connection: Connection, organisation_id: UUID, list_id: UUID, limit: int
) -> list[Recipient]:
    """The first contacts of a list that have no draft of it."""
    rows = await connection.fetch(SELECT_UNWRITTEN, organisation_id, list_id, limit)
    return [Recipient(**row) for row in rows]


async def count_unwritten(connection: Connection, organisation_id: UUID, list_id: UUID) -> int:
    """How many contacts of a list have no draft of it."""
    return int(await connection.fetchval(COUNT_UNWRITTEN, organisation_id, list_id))


async def select_list(connection: Connection, organisation_id: UUID, list_id: UUID) -> ListRow | None:
    row = await connection.fetchrow(SELECT_LIST, organisation_id, list_id)
    return ListRow(**row) if row else None


async def lock_list(connection: Connection, organisation_id: UUID, list_id: UUID) -> None:
    """Let nobody else write drafts for the whole list until this transaction ends."""
    await connection.execute(LOCK_LIST, organisation_id, list_id)


async def is_mailbox(connection: Connection, organisation_id: UUID, account_id: UUID) -> bool:
    """Whether an account can send mail."""
    return bool(await connection.fetchval(IS_MAILBOX, organisation_id, account_id))


async def is_application(connection: Connection, organisation_id: UUID, application_id: UUID) -> bool:
    return bool(await connection.fetchval(IS_APPLICATION, organisation_id, application_id))


async def insert_drafts(connection: Connection, organisation_id: UUID, new: DraftRows) -> None:
    await connection.execute(
        INSERT_DRAFTS,
        organisation_id,
        new.ids,
        new.contact_ids,
        new.application_id,
        new.list_id,
        new.account_id,
        new.subjects,
        new.subject_template,
        new.body_text,
        new.body_html,
        new.template,
        new.template_locals,
        new.ignores_suppression,
    )


async def update_draft(connection: Connection, organisation_id: UUID, changed: Draft) -> bool:
    """Write what a draft says, unless it was changed since it was read, or is being sent."""
    locals_text = None if changed.template_locals is None else orjson.dumps(changed.template_locals).decode()
    found = await connection.fetchval(
        UPDATE_DRAFT,
        organisation_id,
        changed.id,
        changed.subject,
        changed.subject_template,
        changed.body_text,
        changed.body_html,
        changed.template,
        locals_text,
        changed.account_id,
        changed.ignores_suppression,
        changed.updated_at,
    )
    return found is not None


async def move_drafts(
    connection: Connection,
    organisation_id: UUID,
    draft_ids: Sequence[UUID],
    *,
    sources: Sequence[DraftStatus],
    target: DraftStatus,
    scheduled_at: datetime | None = None,
) -> set[UUID]:
    """Move those of the drafts that are in one of these states and were never sent; gives which they were."""
    rows = await connection.fetch(MOVE_DRAFTS, organisation_id, draft_ids, sources, target, scheduled_at)
    return {row["id"] for row in rows}


async def begin_sending(
    connection: Connection, organisation_id: UUID, draft_ids: Sequence[UUID], claim: UUID
) -> dict[UUID, bool]:
    """Say that claimed drafts are being sent; gives which may be, and whether that is new of them."""
    rows = await connection.fetch(BEGIN_SENDING, organisation_id, draft_ids, claim)
    return {row["id"]: row["is_new"] for row in rows}


async def fail_draft(
    connection: Connection, organisation_id: UUID, draft_id: UUID, claim: UUID, failure: str
) -> bool:
    """Say that a claimed draft cannot be sent; `failure` is JSON text. False: the claim was lost."""
    found = await connection.fetchval(FAIL_DRAFT, organisation_id, draft_id, claim, failure)
    return found is not None


async def end_claim(
    pool: Pool, organisation_id: UUID, draft_id: UUID, claim: UUID, *, seconds: float, failures: int
) -> None:
    """Give a claimed draft back, due again in so many seconds."""
    await pool.execute(END_CLAIM, organisation_id, draft_id, claim, seconds, failures)


async def append_events(
    connection: Connection,
    organisation_id: UUID,
    event_type: str,
    told: Sequence[tuple[UUID, UUID, str]],
) -> None:
    """Append what was done with drafts: (draft, event, payload as JSON text) each; the last statement of a commit."""
    draft_ids, event_ids, payloads = zip(*told, strict=True)
    await connection.execute(APPEND_EVENTS, organisation_id, event_type, draft_ids, event_ids, payloads)


async def select_events(pool: Pool, organisation_id: UUID, draft_id: UUID) -> Sequence[tuple[UUID, str, str]]:
    """What was done with a draft, the oldest first: id, type and payload of each event."""
    rows = await pool.fetch(SELECT_EVENTS, organisation_id, draft_id)
    return [(row["id"], row["event_type"], row["payload"]) for row in rows]


def draft_of(row: asyncpg.Record) -> Draft:
    """A draft as it is stored."""
    found = dict(row)
    for name in ("template_locals", "failure"):
        text = found[name]
        found[name] = None if text is None else orjson.loads(text)
    found["status"] = DraftStatus(found["status"])
    return Draft(**found)
