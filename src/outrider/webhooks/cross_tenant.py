"""Statements on many tenants at once: the dispatcher loads what its shards hold, the poller asks for whoever is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import Pool

LOAD_FROZEN = """
select w.n, f.fragment, e.origin_event_id
from unnest($1::uuid[], $2::uuid[]) with ordinality w(application_id, event_id, n)
join frozen_bodies f on f.application_id = w.application_id and f.event_id = w.event_id
  and octet_length(f.fragment) <= $3
left join events e on e.application_id = w.application_id and e.id = w.event_id
"""

# The dispatcher tells of events of whatever tenant its shards hold. Whom an event is about is decided once, so that a
# body is the same on every attempt.
SELECT_TOLD_CONTACT = "select contact_id from told_contacts where application_id = $1 and event_id = $2"
# What happens to another process's at the same time is answered, too.
KEEP_TOLD_CONTACT = """
insert into told_contacts as t (application_id, event_id, contact_id)
select e.application_id, e.id, contact_of_event($3, e.application_id, e.id, e.origin_event_id, e.payload)
from events e where e.application_id = $1 and e.id = $2
on conflict (application_id, event_id) do update set contact_id = t.contact_id
returning contact_id
"""

# Which connections there are to be polled is known by the accounts' configs, of all tenants.
INSERT_POLLS = """
insert into polls (application_id, connection_id)
select c.application_id, c.id
from unnest($1::text[], $2::text[]) p(provider, field)
join accounts a on a.config ->> p.field is not null and a.deleted_at is null
join connections c on c.organisation_id = a.organisation_id and c.account_id = a.id and c.provider = p.provider
where c.status = 'active' and not exists (select from polls q where q.connection_id = c.id)
on conflict do nothing
"""
# Whatever tenant's is due: a claim holds the others off for longer than a poll may take.
CLAIM_POLLS = """
with due as (
  select p.connection_id from polls p where p.due_at <= clock_timestamp()
  order by p.due_at limit $2 for update skip locked
)
update polls p set claim = $1, due_at = clock_timestamp() + make_interval(secs => $3)
from due where p.connection_id = due.connection_id
returning p.application_id, p.connection_id, p.claim, p.cursor::text as cursor, p.failures
"""
# A claim that was lost changes nothing.
END_POLL = """
update polls set claim = null, due_at = clock_timestamp() + make_interval(secs => $4),
  cursor = coalesce($5::json, cursor), last_failure = $6,
  failures = case when $6::text is null then 0 else failures + 1 end
where application_id = $1 and connection_id = $2 and claim = $3
"""
# Of connections that are gone nothing is asked any more.
DELETE_POLLS = """
delete from polls p where p.claim is null and not exists (
  select from connections c where c.application_id = p.application_id and c.id = p.connection_id
    and c.status <> 'deleted')
"""


@dataclass(frozen=True, slots=True)
class ClaimedPoll:
    """A poll that is this process's for a while; `cursor` is JSON text."""

    application_id: UUID
    connection_id: UUID
    claim: UUID
    cursor: str | None
    failures: int


async def told_contact(
    pool: Pool, organisation_id: UUID, application_id: UUID, event_id: UUID
) -> UUID | None:
    """Find the contact whom webhooks say that an event is about; the first to ask decides."""
    row = await pool.fetchrow(SELECT_TOLD_CONTACT, application_id, event_id)
    if row is None:
        row = await pool.fetchrow(KEEP_TOLD_CONTACT, application_id, event_id, organisation_id)
    contact_id: UUID | None = row["contact_id"] if row is not None else None
    return contact_id


async def insert_polls(pool: Pool, providers: Sequence[tuple[str, str]]) -> None:
    """Find connections that are to be polled from now on, by (provider, config field); forget those that are gone."""
    names, fields = [name for name, _ in providers], [field for _, field in providers]
    await pool.execute(INSERT_POLLS, names, fields)
    await pool.execute(DELETE_POLLS)


async def claim_polls(pool: Pool, claim: UUID, limit: int, seconds: float) -> list[ClaimedPoll]:
    """Take what is due, for so many seconds."""
    return [ClaimedPoll(*row) for row in await pool.fetch(CLAIM_POLLS, claim, limit, seconds)]


async def end_poll(
    pool: Pool, claimed: ClaimedPoll, *, seconds: float, cursor: str | None, failure: str | None
) -> None:
    """Give a poll back, due in so many seconds."""
    await pool.execute(
        END_POLL, claimed.application_id, claimed.connection_id, claimed.claim, seconds, cursor, failure
    )


async def load_frozen(
    pool: Pool, keys: Sequence[tuple[UUID, UUID]], longest: int
) -> list[tuple[str, UUID | None] | None]:
    """Frozen fragment and origin of (application, event) pairs, None for what is gone or longer than that."""
    rows = await pool.fetch(LOAD_FROZEN, [key[0] for key in keys], [key[1] for key in keys], longest)
    found = {row["n"] - 1: (row["fragment"], row["origin_event_id"]) for row in rows}
    return [found.get(number) for number in range(len(keys))]
