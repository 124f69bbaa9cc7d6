"""The statements of the read API on contacts, lists, drafts and dossiers, which take the organisation first."""

from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.pools import Pool
from outrider.outreach.queries_words import by_words
from outrider.outreach.reading.values import (
    CompanyView,
    ContactView,
    DossierView,
    DraftView,
    ListName,
    ListView,
)

SELECT_CONTACTS = """
select c.id, c.name, c.email, c.company_id, m.name as company_name, m.domain as company_domain,
  c.qualification_status, c.fit_score, c.urgency_score, c.list_id, l.name as list_name, c.created_at, c.updated_at
from contacts c
left join companies m on m.organisation_id = c.organisation_id and m.id = c.company_id
left join contact_lists l on l.organisation_id = c.organisation_id and l.id = c.list_id
where c.organisation_id = $1"""
SELECT_LISTS = """
select c.id, c.name, c.source_type, c.description, c.connection_point, c.goal, c.member_id, c.archived_at,
  c.created_at, c.updated_at
from contact_lists c where c.organisation_id = $1"""
SELECT_DRAFTS = """
select c.id, c.contact_id, p.name as contact_name, c.subject, c.status, c.list_id, c.scheduled_at, c.sent_at,
  c.created_at, c.updated_at
from drafts c join contacts p on p.organisation_id = c.organisation_id and p.id = c.contact_id
where c.organisation_id = $1"""
SELECT_DRAFT = """
select c.id, c.contact_id, p.name as contact_name, c.subject, c.status, c.list_id, c.scheduled_at, c.sent_at,
  c.created_at, c.updated_at, c.body_text, c.body_html
from drafts c join contacts p on p.organisation_id = c.organisation_id and p.id = c.contact_id
where c.organisation_id = $1 and c.id = $2
"""
SELECT_DOSSIER = """
select d.contact_id, d.level, d.summary, d.facts::text as facts, d.researched_at, d.expires_at,
  d.expires_at <= now() as is_expired
from dossiers d where d.organisation_id = $1 and d.contact_id = $2
"""
HAS_CONTACT = "select exists (select from contacts c where c.organisation_id = $1 and c.id = $2)"
_CONDITIONS: Final = {
    "id": "c.id = {0}::uuid",
    "below": "c.id < {0}::uuid",
    "list_id": "c.list_id = {0}::uuid",
    "contact_id": "c.contact_id = {0}::uuid",
    "qualification_status": "c.qualification_status = {0}::text",
    "status": "c.status = {0}::text",
    "is_archived": "c.archived_at is not null = {0}::boolean",
}

Conditions = dict[str, object]
"""What rows must have, by the names of `_CONDITIONS`; None asks for nothing."""


async def select_contacts(
    pool: Pool, organisation_id: UUID, limit: int, conditions: Conditions, words: str | None = None
) -> list[ContactView]:
    """The newest contacts that fit; `words` is what `search_query` gives."""
    given = {name: value for name, value in conditions.items() if value is not None}
    if words is None:
        statement = _finding(SELECT_CONTACTS, tuple(given))
        rows = await pool.fetch(statement, organisation_id, limit, *given.values())
    else:
        statement = matching(tuple(given))
        rows = await pool.fetch(statement, organisation_id, limit, words, *given.values())
    return [_contact(row) for row in rows]


async def select_lists(
    pool: Pool, organisation_id: UUID, limit: int, conditions: Conditions
) -> list[ListView]:
    """The newest lists that fit."""
    given = {name: value for name, value in conditions.items() if value is not None}
    statement = _finding(SELECT_LISTS, tuple(given))
    return [ListView(**row) for row in await pool.fetch(statement, organisation_id, limit, *given.values())]


async def select_drafts(
    pool: Pool, organisation_id: UUID, limit: int, conditions: Conditions
) -> list[DraftView]:
    """The newest drafts that fit."""
    given = {name: value for name, value in conditions.items() if value is not None}
    statement = _finding(SELECT_DRAFTS, tuple(given))
    return [DraftView(**row) for row in await pool.fetch(statement, organisation_id, limit, *given.values())]


async def select_draft(
    pool: Pool, organisation_id: UUID, draft_id: UUID
) -> tuple[DraftView, str | None, str | None] | None:
    """A draft with the text and the HTML of its body."""
    row = await pool.fetchrow(SELECT_DRAFT, organisation_id, draft_id)
    if row is None:
        return None
    draft = DraftView(**{name: row[name] for name in DraftView.__slots__})
    return draft, row["body_text"], row["body_html"]


async def select_dossier(
    pool: Pool, organisation_id: UUID, contact_id: UUID
) -> tuple[DossierView, bool] | None:
    """A contact's dossier, and whether it has expired."""
    row = await pool.fetchrow(SELECT_DOSSIER, organisation_id, contact_id)
    if row is None:
        return None
    dossier = DossierView(
        contact_id=row["contact_id"],
        level=row["level"],
        summary=row["summary"],
        facts=orjson.loads(row["facts"]),
        researched_at=row["researched_at"],
        expires_at=row["expires_at"],
    )
    return dossier, row["is_expired"]


async def has_contact(pool: Pool, organisation_id: UUID, contact_id: UUID) -> bool:
    """Whether there is such a contact."""
    return await pool.fetchval(HAS_CONTACT, organisation_id, contact_id)


@lru_cache(maxsize=128)
def _finding(select: str, given: tuple[str, ...]) -> str:
    """The statement for conditions that are given; the others do not stand in it."""
    return f"{select}{_wheres(given, 3)} order by c.id desc limit $2"


@lru_cache(maxsize=128)
def matching(given: tuple[str, ...]) -> str:
    """The statement that finds contacts by their words, and by conditions that are given."""
    return by_words(SELECT_CONTACTS, _wheres(given, 4), "$3")


def _wheres(given: tuple[str, ...], first: int) -> str:
    return "".join(f" and {_CONDITIONS[name].format(f'${at}')}" for at, name in enumerate(given, first))


def _contact(row: asyncpg.Record) -> ContactView:
    company_id, list_id = row["company_id"], row["list_id"]
    created_at: datetime = row["created_at"]
    return ContactView(
        id=row["id"],
        name=row["name"],
        email=row["email"],
        company=None
        if company_id is None
        else CompanyView(company_id, row["company_name"], row["company_domain"]),
        qualification_status=row["qualification_status"],
        fit_score=row["fit_score"],
        urgency_score=row["urgency_score"],
        list=None if list_id is None else ListName(list_id, row["list_name"]),
        created_at=created_at,
        updated_at=row["updated_at"],
    )
