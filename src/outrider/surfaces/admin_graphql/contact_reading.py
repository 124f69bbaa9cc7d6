"""How contacts, companies, lists and imports are read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from outrider.outreach import companies, contacts, imports, lists
from outrider.outreach.contacts import ContactFilters, GivenAddress
from outrider.outreach.importing.values import Import
from outrider.outreach.values import Company, Contact, ContactList, Page, QualificationStatus
from outrider.platforms.base import Channel
from outrider.surfaces.admin_graphql.calling import Call
from outrider.surfaces.admin_graphql.cursors import read_cursor, written_cursor

Arguments = Mapping[str, Any]
Resolve = Callable[[Any, Call, Arguments], Any]

_CURSORS: Final[Mapping[type, bytes]] = {Contact: b"C1", Company: b"O1", ContactList: b"L1", Import: b"I1"}


def _paged(kind: type, arguments: Arguments) -> dict[str, Any]:
    """Which page is asked for."""
    first, after = arguments.get("first"), arguments.get("after")
    return {
        "first": 20 if first is None else first,
        "after": None if after is None else read_cursor(_CURSORS[kind], after),
    }


async def _contacts(_source: object, call: Call, arguments: Arguments) -> Page[Contact]:
    member = call.member
    given: Arguments = arguments.get("filters") or {}
    status, address = given.get("qualificationStatus"), given.get("address")
    filters = ContactFilters(
        q=given.get("q"),
        list_id=given.get("listId"),
        company_id=given.get("companyId"),
        qualification_status=QualificationStatus[status] if status else None,
        address=given_address(address) if address else None,
    )
    return await contacts.list_contacts(
        call.tenancy, member.organisation_id, filters, **_paged(Contact, arguments), by=member
    )


async def _contact(_source: object, call: Call, arguments: Arguments) -> Contact | None:
    member = call.member
    return await contacts.get_contact(call.tenancy, member.organisation_id, arguments["id"], by=member)


async def _companies(_source: object, call: Call, arguments: Arguments) -> Page[Company]:
    member = call.member
    return await companies.list_companies(
        call.tenancy, member.organisation_id, **_paged(Company, arguments), by=member
    )


async def _company(_source: object, call: Call, arguments: Arguments) -> Company | None:
    member = call.member
    return await companies.get_company(call.tenancy, member.organisation_id, arguments["id"], by=member)


async def _lists(_source: object, call: Call, arguments: Arguments) -> Page[ContactList]:
    member = call.member
    return await lists.list_lists(
        call.tenancy,
        member.organisation_id,
        **_paged(ContactList, arguments),
        is_archived_wanted=arguments.get("includeArchived") is True,
        by=member,
    )


async def _list(_source: object, call: Call, arguments: Arguments) -> ContactList | None:
    member = call.member
    return await lists.get_list(call.tenancy, member.organisation_id, arguments["id"], by=member)


async def _contact_count(source: ContactList, call: Call, _arguments: Arguments) -> int:
    return await lists.count_contacts(call.tenancy, call.member.organisation_id, source.id)


async def _imports(_source: object, call: Call, arguments: Arguments) -> Page[Import]:
    member = call.member
    return await imports.list_imports(
        call.tenancy, member.organisation_id, **_paged(Import, arguments), by=member
    )


async def _import(_source: object, call: Call, arguments: Arguments) -> Import | None:
    member = call.member
    return await imports.get_import(call.tenancy, member.organisation_id, arguments["id"], by=member)


async def _errors(source: Import, call: Call, arguments: Arguments) -> object:
    member, first, after = call.member, arguments.get("first"), arguments.get("afterRow")
    return await imports.list_errors(
        call.tenancy,
        member.organisation_id,
        source.id,
        first=100 if first is None else first,
        after=after or 0,
        by=member,
    )


def given_address(given: Arguments) -> GivenAddress:
    """An address as an input has it."""
    return GivenAddress(Channel[given["platformName"]], given["address"])


def _share(source: Import, _call: Call, _arguments: Arguments) -> float:
    """How much of the file is done; an empty one is done at once."""
    return min(source.progress.position / source.size, 1.0) if source.size else 1.0


def _of_progress(attribute: str) -> Resolve:
    return lambda source, _call, _arguments: getattr(source.progress, attribute)


def _page_info(source: Page[Any], _call: Call, _arguments: Arguments) -> Mapping[str, object]:
    items = source.items
    return {
        "hasNextPage": source.has_next,
        "hasPreviousPage": source.has_previous,
        "startCursor": _cursor(items[0]) if items else None,
        "endCursor": _cursor(items[-1]) if items else None,
    }


def _items(source: Page[Any], _call: Call, _arguments: Arguments) -> Sequence[Any]:
    return source.items


def _itself(source: object, _call: Call, _arguments: Arguments) -> object:
    return source


def _own_cursor(source: Any, _call: Call, _arguments: Arguments) -> str:
    return _cursor(source)


def _cursor(item: Contact | Company | ContactList | Import) -> str:
    return written_cursor(_CURSORS[type(item)], item.id)


CONTACT_RESOLVERS: Final[Mapping[str, Resolve]] = {
    "Query.contacts": _contacts,
    "Query.contact": _contact,
    "Query.companies": _companies,
    "Query.company": _company,
    "Query.contactLists": _lists,
    "Query.contactList": _list,
    "Query.contactImports": _imports,
    "Query.contactImport": _import,
    "ContactList.contactCount": _contact_count,
    "ContactImport.progress": _share,
    "ContactImport.rows": _of_progress("rows"),
    "ContactImport.created": _of_progress("created"),
    "ContactImport.updated": _of_progress("updated"),
    "ContactImport.skipped": _of_progress("skipped"),
    "ContactImport.failed": _of_progress("failed"),
    "ContactImport.dryRun": lambda source, _call, _arguments: source.is_dry_run,
    "ContactImport.errors": _errors,
    "ContactImportError.row": lambda source, _call, _arguments: source.number,
    **{
        f"{kind}{field}": resolve
        for kind in ("Contact", "Company", "ContactList", "ContactImport")
        for field, resolve in (
            ("Connection.edges", _items),
            ("Connection.pageInfo", _page_info),
            ("Edge.node", _itself),
            ("Edge.cursor", _own_cursor),
        )
    },
}
"""The fields that are more than an attribute."""
