"""Statements of the researcher on many tenants at once: it asks for whatever contact is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import Pool

# Whatever tenant's is due: a claim holds the others off for longer than the work takes.
CLAIM_RESEARCH = """
with due as (
  select r.organisation_id, r.contact_id from research_requests r where r.due_at <= clock_timestamp()
  order by r.due_at limit $2 for update skip locked
)
update research_requests r set claim = $1, due_at = clock_timestamp() + make_interval(secs => $3)
from due where r.organisation_id = due.organisation_id and r.contact_id = due.contact_id
returning r.organisation_id, r.contact_id, r.level, r.member_id, r.failures
"""
# What was asked for anew in the meantime stays: its claim is gone.
END_RESEARCH = """
delete from research_requests r using unnest($2::uuid[], $3::uuid[]) done(organisation_id, contact_id)
where r.organisation_id = done.organisation_id and r.contact_id = done.contact_id and r.claim = $1
"""
PUT_OFF_RESEARCH = """
update research_requests set claim = null, failures = failures + 1,
  due_at = clock_timestamp() + make_interval(secs => $4)
where organisation_id = $1 and contact_id = $2 and claim = $3
"""
# Dossiers of all tenants grow old; a few at a time.
REQUEST_OLD = """
insert into research_requests (organisation_id, contact_id, level)
select d.organisation_id, d.contact_id, d.level from dossiers d
where d.is_researched and d.expires_at <= clock_timestamp()
order by d.expires_at limit $1
on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class ClaimedResearch:
    """A contact that this process researches for now."""

    organisation_id: UUID
    contact_id: UUID
    level: int
    member_id: UUID | None
    failures: int


async def claim_research(pool: Pool, claim: UUID, limit: int, seconds: float) -> list[ClaimedResearch]:
    """Take what is due, for so many seconds."""
    return [ClaimedResearch(*row) for row in await pool.fetch(CLAIM_RESEARCH, claim, limit, seconds)]


async def end_research(pool: Pool, claim: UUID, done: Sequence[ClaimedResearch]) -> None:
    """Forget what is done."""
    organisations, contacts = [one.organisation_id for one in done], [one.contact_id for one in done]
    await pool.execute(END_RESEARCH, claim, organisations, contacts)


async def put_off_research(pool: Pool, claim: UUID, one: ClaimedResearch, seconds: float) -> None:
    """Give a contact back, due in so many seconds."""
    await pool.execute(PUT_OFF_RESEARCH, one.organisation_id, one.contact_id, claim, seconds)


async def request_old(pool: Pool, limit: int) -> None:
    """Have dossiers of the researcher that have grown old researched again."""
    await pool.execute(REQUEST_OLD, limit)
