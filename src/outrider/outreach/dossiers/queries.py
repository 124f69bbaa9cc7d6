"""The statements on dossiers, and on what the researcher reads of one organisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.pools import Connection, Pool
from outrider.core.ids import time_of
from outrider.outreach.dossiers.values import (
    Colleague,
    Colleagues,
    Dossier,
    Fact,
    NewDossier,
    Outcome,
    Record,
    Said,
)

SELECT_DOSSIER = """
select contact_id, level, summary, facts::text as facts, researched_at, expires_at, is_researched
from dossiers where organisation_id = $1 and contact_id = $2
"""
DELETE_DOSSIER = "delete from dossiers where organisation_id = $1 and contact_id = $2 returning contact_id"
PUT_DOSSIER = """
insert into dossiers (organisation_id, contact_id, level, summary, facts, researched_at, expires_at, is_researched)
values ($1, $2, $3, $4, $5::text::json, $6::timestamptz,
  $6::timestamptz + make_interval(days => $8), $7)
on conflict (organisation_id, contact_id) do update set level = excluded.level, summary = excluded.summary,
  facts = excluded.facts, researched_at = excluded.researched_at, expires_at = excluded.expires_at,
  is_researched = excluded.is_researched
returning contact_id, level, summary, facts::text as facts, researched_at, expires_at, is_researched
"""
SELECT_DAYS = "select dossier_days from outreach_settings where organisation_id = $1"
SHARE_DAYS = f"{SELECT_DAYS} for share"
PUT_DAYS = """
insert into outreach_settings (organisation_id, dossier_days) values ($1, $2)
on conflict (organisation_id) do update set dossier_days = excluded.dossier_days
"""
MOVE_EXPIRIES = """
update dossiers set expires_at = researched_at + make_interval(days => $2) where organisation_id = $1
"""
SELECT_CONTACT = "select name from contacts where organisation_id = $1 and id = $2"
SELECT_MISSING_EVENTS = """
select w.id from unnest($2::uuid[]) w(id)
where not exists (
  select from applications a join events e on e.application_id = a.id
  where a.organisation_id = $1 and e.id = w.id)
"""

SELECT_RECORD = """
select c.id, c.name, c.email, c.qualification_status, c.fit_score, c.urgency_score, c.created_at, c.company_id,
  k.name as company_name, k.domain as company_domain, l.name as list_name, l.source_type as list_source,
  l.goal as list_goal, array(
    select array[a.channel_class, a.address] from contact_addresses a
    where a.organisation_id = $1 and a.contact_id = c.id order by a.channel_class, a.address limit 20) as addresses
from contacts c
left join companies k on k.organisation_id = c.organisation_id and k.id = c.company_id
left join contact_lists l on l.organisation_id = c.organisation_id and l.id = c.list_id
where c.organisation_id = $1 and c.id = $2
"""
SELECT_COLLEAGUES = """
select c.name, c.email, c.qualification_status from contacts c
where c.organisation_id = $1 and c.company_id = $2 and c.id <> $3 order by c.id limit $4
"""
COUNT_COLLEAGUES = """
select count(*) from contacts c where c.organisation_id = $1 and c.company_id = $2 and c.id <> $3
"""

# The newest messages with the contact, on whichever of the organisation's connections, by the addresses of the contact.
# A platform may write an address in other letters than it is compared in: each way that occurs is looked up by its key.
# What a message weighs does not matter: of a long one no words are read.
SELECT_SAID = """
with faces as materialized (
  select distinct c.application_id, c.channel, p.id
  from contact_addresses a
  join connections c on c.organisation_id = a.organisation_id and channel_class(c.channel) = a.channel_class
  cross join lateral (values (a.address), (upper(a.address)), (ltrim(a.address, '+')), ($3)) x(external_id)
  join platform_users p on p.application_id = c.application_id and p.connection_id = c.id
    and p.external_id = x.external_id
  where a.organisation_id = $1 and a.contact_id = $2 limit 50
), newest as materialized (
  select distinct f.application_id, f.channel, g.event_id
  from faces f cross join lateral (
    select g.event_id from edges g
    where g.application_id = f.application_id and g.target_id = f.id and g.edge_type in ('sent_to', 'sent_by')
    order by g.event_id desc limit $4) g
  order by g.event_id desc limit $4
)
select e.id, e.event_type, n.channel,
  case when pg_column_size(e.payload) <= 100000 then left(coalesce(e.payload #>> '{message,text}',
    e.payload #>> '{message,caption}', e.payload #>> '{message,subject}', e.payload #>> '{metadata,subject}'), 400)
  end as words,
  exists (select from edges r where r.application_id = e.application_id and r.event_id = e.id
    and r.edge_type = 'reply_to') as is_reply,
  (select json_agg(json_build_array(k.id, k.event_type, k.detail) order by k.id)::text from (
    select k.id, k.event_type, left(coalesce(k.payload ->> 'url', k.payload #>> '{error,message}'), 400) as detail
    from events k where k.application_id = e.application_id and k.origin_event_id = e.id and k.id > e.id
    order by k.id limit 20) k) as outcomes
from newest n join events e on e.application_id = n.application_id and e.id = n.event_id
where e.event_type in ('message.outbound', 'message.inbound')
order by e.id desc
"""

_REQUEST = """
insert into research_requests (organisation_id, contact_id, level, member_id)
select c.organisation_id, c.id, $2::smallint, $3::uuid from contacts c where c.organisation_id = $1
"""
_ANEW = """
on conflict (organisation_id, contact_id) do update set level = excluded.level, member_id = excluded.member_id,
  claim = null, due_at = clock_timestamp(), failures = 0
"""
_IS_STALE = """exists (select from dossiers d
  where d.organisation_id = $1 and d.contact_id = c.id and d.expires_at <= clock_timestamp())"""
SELECT_MISSING_CONTACTS = """
select w.id from unnest($2::uuid[]) w(id)
where not exists (select from contacts c where c.organisation_id = $1 and c.id = w.id)
"""
SELECT_LIST = "select id from contact_lists where organisation_id = $1 and id = $2"
COUNT_WAITING = "select count(*) from research_requests where organisation_id = $1"

_CHOOSE = "select c.id from contacts c where c.organisation_id = $1 and c.id > $2"
FIND_BY_ADDRESS = (
    "select contact_id from contact_addresses where organisation_id = $1 and address = $2 limit 2"
)
FIND_LIST = "select id from contact_lists where organisation_id = $1 and name = $2 order by id limit 2"


@dataclass(frozen=True, slots=True)
class Requested:
    """Whom to research: contacts that fit everything which is given."""

    contact_ids: Sequence[UUID] | None = None
    list_id: UUID | None = None
    is_stale: bool = False


async def select_dossier(connection: Connection, organisation_id: UUID, contact_id: UUID) -> Dossier | None:
    row = await connection.fetchrow(SELECT_DOSSIER, organisation_id, contact_id)
    return _dossier(row) if row else None


async def put_dossier(connection: Connection, organisation_id: UUID, new: NewDossier, days: int) -> Dossier:
    """Keep a dossier; a contact that is missing is a `ForeignKeyViolationError`."""
    row = await connection.fetchrow(
        PUT_DOSSIER,
        organisation_id,
        new.contact_id,
        new.level,
        new.summary,
        orjson.dumps([fact.told_as for fact in new.facts]).decode(),
        new.researched_at,
        new.is_researched,
        days,
    )
    assert row is not None
    return _dossier(row)


async def delete_dossier(connection: Connection, organisation_id: UUID, contact_id: UUID) -> bool:
    return await connection.fetchval(DELETE_DOSSIER, organisation_id, contact_id) is not None


async def select_days(
    connection: Connection, organisation_id: UUID, *, is_shared: bool = False
) -> int | None:
    """How long a dossier is good; `is_shared`: nobody changes it until this transaction ends."""
    return await connection.fetchval(SHARE_DAYS if is_shared else SELECT_DAYS, organisation_id)


async def put_days(connection: Connection, organisation_id: UUID, days: int) -> None:
    """Change how long dossiers are good, also those that there are."""
    await connection.execute(PUT_DAYS, organisation_id, days)
    await connection.execute(MOVE_EXPIRIES, organisation_id, days)


async def is_contact(connection: Connection, organisation_id: UUID, contact_id: UUID) -> bool:
    return await connection.fetchval(SELECT_CONTACT, organisation_id, contact_id) is not None


async def select_missing_events(
    connection: Pool, organisation_id: UUID, event_ids: Sequence[UUID]
) -> list[UUID]:
    """Which of these are no events of the organisation."""
    rows = await connection.fetch(SELECT_MISSING_EVENTS, organisation_id, event_ids)
    return [row["id"] for row in rows]


async def select_record(connection: Connection, organisation_id: UUID, contact_id: UUID) -> Record | None:
    row = await connection.fetchrow(SELECT_RECORD, organisation_id, contact_id)
    if row is None:
        return None
    values = dict(row)
    addresses = [(channel_class, address) for channel_class, address in values.pop("addresses")]
    return Record(**values, addresses=addresses)


async def select_colleagues(
    connection: Connection, organisation_id: UUID, record: Record, *, limit: int
) -> Colleagues:
    """Whoever else is of the contact's company: the first of them, and how many."""
    if record.company_id is None:
        return Colleagues((), 0)
    rows = await connection.fetch(SELECT_COLLEAGUES, organisation_id, record.company_id, record.id, limit)
    count = len(rows)
    if count == limit:
        count = await connection.fetchval(COUNT_COLLEAGUES, organisation_id, record.company_id, record.id)
    return Colleagues([Colleague(**row) for row in rows], count)


async def select_said(pool: Pool, organisation_id: UUID, record: Record, *, limit: int) -> list[Said]:
    """The newest messages with a contact and what became of ours, the newest first."""
    rows = await pool.fetch(SELECT_SAID, organisation_id, record.id, record.email, limit)
    return [_said(row) for row in rows]


async def request_research(
    connection: Connection, organisation_id: UUID, wanted: Requested, level: int, member_id: UUID | None
) -> int:
    """Note whom to research; returns how many."""
    conditions, values = _conditions(wanted, first=4)
    done = await connection.execute(
        f"{_REQUEST} {conditions} {_ANEW}", organisation_id, level, member_id, *values
    )
    return int(done.rpartition(" ")[2])


async def select_missing_contacts(
    connection: Connection, organisation_id: UUID, contact_ids: Sequence[UUID]
) -> list[UUID]:
    """Which of these are no contacts of the organisation."""
    rows = await connection.fetch(SELECT_MISSING_CONTACTS, organisation_id, contact_ids)
    return [row["id"] for row in rows]


async def is_list(connection: Connection, organisation_id: UUID, list_id: UUID) -> bool:
    return await connection.fetchval(SELECT_LIST, organisation_id, list_id) is not None


async def count_waiting(connection: Connection, organisation_id: UUID) -> int:
    """How many contacts are yet to be researched."""
    return await connection.fetchval(COUNT_WAITING, organisation_id)


async def choose_contacts(
    connection: Connection, organisation_id: UUID, wanted: Requested, *, after: UUID, limit: int
) -> list[UUID]:
    """The next contacts that a request is about."""
    conditions, values = _conditions(wanted, first=4)
    rows = await connection.fetch(
        f"{_CHOOSE} {conditions} order by c.id limit $3", organisation_id, after, limit, *values
    )
    return [row["id"] for row in rows]


async def find_by_address(connection: Connection, organisation_id: UUID, address: str) -> list[UUID]:
    """Contacts that have an address; two are as many as are told of."""
    rows = await connection.fetch(FIND_BY_ADDRESS, organisation_id, address)
    return [row["contact_id"] for row in rows]


async def find_list(connection: Connection, organisation_id: UUID, name: str) -> list[UUID]:
    """Lists of a name; two are as many as are told of."""
    return [row["id"] for row in await connection.fetch(FIND_LIST, organisation_id, name)]


def _conditions(wanted: Requested, *, first: int) -> tuple[str, list[object]]:
    """What a request says, and its values, which are numbered from `first` on."""
    values: list[object] = []
    text = f"and {_IS_STALE}" if wanted.is_stale else ""
    for condition, value in (
        ("c.id = any (${}::uuid[])", wanted.contact_ids),
        ("c.list_id = ${}", wanted.list_id),
    ):
        if value is not None:
            text += f" and {condition.format(first + len(values))}"
            values.append(value)
    return text, values


def _dossier(row: asyncpg.Record) -> Dossier:
    values = dict(row)
    facts = cast("list[Mapping[str, Any]]", orjson.loads(values.pop("facts")))
    return Dossier(**values, facts=tuple(_fact(one) for one in facts))


def _fact(stored: Mapping[str, Any]) -> Fact:
    event_id = stored.get("eventId")
    return Fact(stored["text"], stored["source"], UUID(event_id) if event_id else None)


def _said(row: asyncpg.Record) -> Said:
    told: Sequence[tuple[str, str, str | None]] = orjson.loads(row["outcomes"] or "[]")
    outcomes = [(UUID(event_id), event_type, detail) for event_id, event_type, detail in told]
    at: datetime = time_of(row["id"])
    return Said(
        event_id=row["id"],
        is_ours=row["event_type"] == "message.outbound",
        channel=row["channel"],
        at=at,
        words=row["words"],
        is_reply=row["is_reply"],
        outcomes=[
            Outcome(event_id, event_type, time_of(event_id), detail)
            for event_id, event_type, detail in outcomes
        ],
    )
