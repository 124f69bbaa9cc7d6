"""What a read key finds: contacts, lists, drafts and dossiers of its organisation, each behind a scope."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import asyncpg

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import NotFound, QueryTooExpensive
from outrider.outreach.drafts.engagement import engagement_of
from outrider.outreach.reading import queries
from outrider.outreach.reading.values import (
    ContactFilters,
    ContactView,
    DossierView,
    DraftDetail,
    DraftFilters,
    DraftView,
    ListView,
    Page,
    Slice,
)
from outrider.outreach.searching import search_query
from outrider.tenancy.read_keys import Reader, ReadScope

T = TypeVar("T")


class ResearchNotFound(NotFound):
    """No research dossier is stored for this contact, or the one that was has expired."""


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """What reading needs of the process: the pool, and the link to a file of an application."""

    pool: Pool
    file_url: Callable[[UUID, UUID], str]


async def list_contacts(
    context: ReadingContext, reader: Reader, part: Slice, filters: ContactFilters
) -> Page[ContactView]:
    """List contacts; `q` without a word in it finds nobody."""
    reader.require(ReadScope.CONTACTS)
    words = None if filters.q is None else search_query(filters.q)
    if filters.q is not None and words is None:
        return Page([], has_more=False)
    conditions: queries.Conditions = {
        "below": part.below,
        "list_id": filters.list_id,
        "qualification_status": filters.status,
    }
    with reading_faults():
        rows = await queries.select_contacts(
            context.pool, reader.organisation_id, part.limit + 1, conditions, words
        )
    return page_of(rows, part)


async def find_contact(context: ReadingContext, reader: Reader, contact_id: UUID) -> ContactView:
    """Find a contact."""
    reader.require(ReadScope.CONTACTS)
    with reading_faults():
        found = await queries.select_contacts(context.pool, reader.organisation_id, 1, {"id": contact_id})
    return _only(found, "Contact", contact_id)


async def find_research(context: ReadingContext, reader: Reader, contact_id: UUID) -> DossierView:
    """Find the dossier of a contact, if there is one that has not expired. Nothing is researched for it."""
    reader.require(ReadScope.CONTACTS)
    organisation_id = reader.organisation_id
    with reading_faults():
        found = await queries.select_dossier(context.pool, organisation_id, contact_id)
        if found is None and not await queries.has_contact(context.pool, organisation_id, contact_id):
            raise _missing("Contact", contact_id)
    if found is None:
        raise ResearchNotFound("No research dossier is stored for this contact.")
    dossier, is_expired = found
    if is_expired:
        raise ResearchNotFound("The research dossier of this contact has expired.")
    return dossier


async def list_lists(
    context: ReadingContext, reader: Reader, part: Slice, *, includes_archived: bool
) -> Page[ListView]:
    """List contact lists, archived ones only if they are asked for."""
    reader.require(ReadScope.LISTS)
    conditions: queries.Conditions = {
        "below": part.below,
        "is_archived": None if includes_archived else False,
    }
    with reading_faults():
        rows = await queries.select_lists(context.pool, reader.organisation_id, part.limit + 1, conditions)
    return page_of(rows, part)


async def find_list(context: ReadingContext, reader: Reader, list_id: UUID) -> ListView:
    """Find a contact list, also one that was archived."""
    reader.require(ReadScope.LISTS)
    with reading_faults():
        found = await queries.select_lists(context.pool, reader.organisation_id, 1, {"id": list_id})
    return _only(found, "ContactList", list_id)


async def list_drafts(
    context: ReadingContext, reader: Reader, part: Slice, filters: DraftFilters
) -> Page[DraftView]:
    """List drafts, without their bodies."""
    reader.require(ReadScope.DRAFTS)
    conditions: queries.Conditions = {
        "below": part.below,
        "status": filters.status,
        "contact_id": filters.contact_id,
    }
    with reading_faults():
        rows = await queries.select_drafts(context.pool, reader.organisation_id, part.limit + 1, conditions)
    return page_of(rows, part)


async def find_draft(context: ReadingContext, reader: Reader, draft_id: UUID) -> DraftDetail:
    """Find a draft with its body and what came of it."""
    reader.require(ReadScope.DRAFTS)
    organisation_id = reader.organisation_id
    with reading_faults():
        found = await queries.select_draft(context.pool, organisation_id, draft_id)
        if found is None:
            raise _missing("Draft", draft_id)
        engagement = await engagement_of(context.pool, organisation_id, draft_id)
    return DraftDetail(*found, engagement)


@contextmanager
def reading_faults() -> Generator[None]:
    """Say what a database that is away, or a read that takes too long, means to callers."""
    with faults_as_unavailable():
        try:
            yield
        except asyncpg.QueryCanceledError:
            raise QueryTooExpensive from None


def page_of(rows: list[T], part: Slice) -> Page[T]:
    """A page of what was found when one more was asked for."""
    return Page(rows[: part.limit], len(rows) > part.limit)


def _only(found: list[T], resource_type: str, resource_id: UUID) -> T:
    if not found:
        raise _missing(resource_type, resource_id)
    return found[0]


def _missing(resource_type: str, resource_id: UUID) -> NotFound:
    return NotFound(resource_type=resource_type, resource_id=str(resource_id))
