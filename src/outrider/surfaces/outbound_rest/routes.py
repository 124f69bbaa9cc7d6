"""The nine endpoints: where each lies, what may stand in its query string, and the operation that it calls."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from outrider.core.errors import AppError, NotFound
from outrider.core.ids import parse_id
from outrider.outreach.reading import events, finding
from outrider.outreach.reading.finding import ReadingContext
from outrider.outreach.reading.values import ContactFilters, DraftFilters
from outrider.surfaces.outbound_rest import showing
from outrider.surfaces.outbound_rest.parameters import Given, slice_of
from outrider.surfaces.outbound_rest.showing import Shown, shown_page
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.read_keys import Reader, ReadScope, show_myself

BASE: Final = "/api/v1"
_PAGES: Final = ("cursor", "limit")
_BY_ID: Final[Callable[[Any], UUID]] = attrgetter("id")


@dataclass(frozen=True, slots=True)
class Library:
    """What can be read, and about whom."""

    reading: ReadingContext
    tenancy: TenancyContext


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read: `id` is that of the path, where there is one."""

    reader: Reader
    given: Given
    id: UUID

    @property
    def organisation_id(self) -> UUID:
        """Whose data is read."""
        return self.reader.organisation_id


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. `path` is below `BASE`; `scope` None: any key may."""

    path: str
    name: str
    scope: ReadScope | None
    parameters: Sequence[str]
    answer: Callable[[Library, Asked], Awaitable[Shown]]


async def _me(library: Library, asked: Asked) -> Shown:
    return showing.shown_myself(await show_myself(library.tenancy, asked.reader))


async def _contacts(library: Library, asked: Asked) -> Shown:
    given = asked.given
    filters = ContactFilters(given.get("listId"), given.get("qualificationStatus"), given.get("q"))
    page = await finding.list_contacts(library.reading, asked.reader, slice_of(given), filters)
    return shown_page(asked.organisation_id, page, showing.shown_contact, _BY_ID)


async def _contact(library: Library, asked: Asked) -> Shown:
    found = await finding.find_contact(library.reading, asked.reader, asked.id)
    return showing.shown_contact(asked.organisation_id, found)


async def _research(library: Library, asked: Asked) -> Shown:
    found = await finding.find_research(library.reading, asked.reader, asked.id)
    return showing.shown_dossier(asked.organisation_id, found)


async def _lists(library: Library, asked: Asked) -> Shown:
    page = await finding.list_lists(
        library.reading,
        asked.reader,
        slice_of(asked.given),
        includes_archived=asked.given.get("includeArchived", False),
    )
    return shown_page(asked.organisation_id, page, showing.shown_list, _BY_ID)


async def _list(library: Library, asked: Asked) -> Shown:
    found = await finding.find_list(library.reading, asked.reader, asked.id)
    return showing.shown_list(asked.organisation_id, found)


async def _drafts(library: Library, asked: Asked) -> Shown:
    filters = DraftFilters(asked.given.get("status"), asked.given.get("contactId"))
    page = await finding.list_drafts(library.reading, asked.reader, slice_of(asked.given), filters)
    return shown_page(asked.organisation_id, page, showing.shown_draft, _BY_ID)


async def _draft(library: Library, asked: Asked) -> Shown:
    found = await finding.find_draft(library.reading, asked.reader, asked.id)
    return showing.shown_detail(asked.organisation_id, found)


async def _events(library: Library, asked: Asked) -> Shown:
    page = await events.list_events(
        library.reading, asked.reader, slice_of(asked.given), asked.given.get("eventType")
    )
    return shown_page(asked.organisation_id, page, showing.shown_event, _BY_ID)


ROUTES: Final = (
    Route("/me", "getMe", None, (), _me),
    Route(
        "/contacts",
        "listContacts",
        ReadScope.CONTACTS,
        (*_PAGES, "listId", "qualificationStatus", "q"),
        _contacts,
    ),
    Route("/contacts/{id}", "getContact", ReadScope.CONTACTS, (), _contact),
    Route("/contacts/{id}/research", "getContactResearch", ReadScope.CONTACTS, (), _research),
    Route("/lists", "listLists", ReadScope.LISTS, (*_PAGES, "includeArchived"), _lists),
    Route("/lists/{id}", "getList", ReadScope.LISTS, (), _list),
    Route("/drafts", "listDrafts", ReadScope.DRAFTS, (*_PAGES, "status", "contactId"), _drafts),
    Route("/drafts/{id}", "getDraft", ReadScope.DRAFTS, (), _draft),
    Route("/events", "listEvents", ReadScope.EVENTS, (*_PAGES, "eventType"), _events),
)
_BY_STEPS: Final = {tuple(route.path.split("/")[1:]): route for route in ROUTES}


def find_route(path: str) -> tuple[Route, str] | None:
    """Find the endpoint at an address, and what stands in it in place of an id."""
    steps = path.removeprefix(BASE).split("/")[1:]
    if not path.startswith(f"{BASE}/"):
        return None
    named = tuple("{id}" if at == 1 else step for at, step in enumerate(steps))
    route = _BY_STEPS.get(named)
    return None if route is None else (route, steps[1] if len(steps) > 1 else "")


def id_in(text: str) -> UUID:
    """Read an id in a path; what is none is as good as missing."""
    try:
        return parse_id(text)
    except AppError:
        raise NotFound from None
