"""The mutations of contacts, companies, lists and imports, from arguments to operations."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from msgspec import UNSET

from outrider.core.errors import ValidationError
from outrider.outreach import companies, contacts, deleting, imports, lists
from outrider.outreach.companies import CompanyChanges
from outrider.outreach.contacts import ContactChanges, GivenAddress, NewContact
from outrider.outreach.importing.planning import OnDuplicate
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.imports import ImportOptions, StoredSource
from outrider.outreach.lists import ListChanges, NewList
from outrider.outreach.values import QualificationStatus, SourceType
from outrider.surfaces.admin_graphql.calling import Call
from outrider.surfaces.admin_graphql.contact_reading import given_address
from outrider.surfaces.admin_graphql.reading import Arguments


async def create_contact(call: Call, given: Arguments) -> object:
    """`createContact`."""
    company: Arguments = given.get("company") or {}
    new = NewContact(
        email=given["email"],
        name=given.get("name"),
        addresses=_addresses(given.get("addresses")) or (),
        company_id=given.get("companyId"),
        company_name=company.get("name"),
        company_domain=company.get("domain"),
        list_id=given.get("listId"),
        qualification_status=_status(given) or QualificationStatus.UNQUALIFIED,
        fit_score=given.get("fitScore"),
        urgency_score=given.get("urgencyScore"),
    )
    _one_company(given)
    return await contacts.create_contact(call.tenancy, call.member.organisation_id, new, by=call.member)


async def update_contact(call: Call, given: Arguments) -> object:
    """`updateContact`."""
    company: Arguments = given.get("company") or {}
    _one_company(given)
    changes = ContactChanges(
        email=given.get("email"),
        name=given.get("name"),
        addresses=_addresses(given.get("addresses")),
        company_id=_or_unset(given, "companyId"),
        company_name=company.get("name"),
        company_domain=company.get("domain"),
        list_id=_or_unset(given, "listId"),
        qualification_status=_status(given),
        fit_score=_or_unset(given, "fitScore"),
        urgency_score=_or_unset(given, "urgencyScore"),
    )
    return await contacts.update_contact(
        call.tenancy, call.member.organisation_id, given["id"], changes, by=call.member
    )


async def delete_contact(call: Call, given: Arguments) -> object:
    """`deleteContact`."""
    return await deleting.delete_contact(
        call.tenancy, call.member.organisation_id, given["id"], by=call.member
    )


async def create_company(call: Call, given: Arguments) -> object:
    """`createCompany`."""
    return await companies.create_company(
        call.tenancy,
        call.member.organisation_id,
        name=given.get("name"),
        domain=given.get("domain"),
        by=call.member,
    )


async def update_company(call: Call, given: Arguments) -> object:
    """`updateCompany`."""
    changes = CompanyChanges(name=_or_unset(given, "name"), domain=_or_unset(given, "domain"))
    return await companies.update_company(
        call.tenancy, call.member.organisation_id, given["id"], changes, by=call.member
    )


async def delete_company(call: Call, given: Arguments) -> object:
    """`deleteCompany`."""
    return await companies.delete_company(
        call.tenancy, call.member.organisation_id, given["id"], by=call.member
    )


async def create_contact_list(call: Call, given: Arguments) -> object:
    """`createContactList`."""
    source = given.get("sourceType")
    new = NewList(
        name=given["name"],
        source_type=SourceType[source] if source else SourceType.MANUAL,
        description=given.get("description"),
        connection_point=given.get("connectionPoint"),
        goal=given.get("goal"),
        application_id=given.get("applicationId"),
        account_id=given.get("accountId"),
    )
    return await lists.create_list(call.tenancy, call.member.organisation_id, new, by=call.member)


async def update_contact_list(call: Call, given: Arguments) -> object:
    """`updateContactList`."""
    changes = ListChanges(
        name=given.get("name"),
        description=_or_unset(given, "description"),
        connection_point=_or_unset(given, "connectionPoint"),
        goal=_or_unset(given, "goal"),
        application_id=_or_unset(given, "applicationId"),
        account_id=_or_unset(given, "accountId"),
    )
    return await lists.update_list(
        call.tenancy, call.member.organisation_id, given["id"], changes, by=call.member
    )


async def archive_contact_list(call: Call, given: Arguments) -> object:
    """`archiveContactList`."""
    return await lists.archive_list(call.tenancy, call.member.organisation_id, given["id"], by=call.member)


async def unarchive_contact_list(call: Call, given: Arguments) -> object:
    """`unarchiveContactList`."""
    return await lists.unarchive_list(call.tenancy, call.member.organisation_id, given["id"], by=call.member)


async def move_contacts(call: Call, given: Arguments) -> object:
    """`moveContacts`."""
    return await lists.move_contacts(
        call.tenancy,
        call.member.organisation_id,
        given["contactIds"],
        given.get("listId"),
        by=call.member,
    )


async def import_contacts(call: Call, given: Arguments) -> object:
    """`importContacts`."""
    mapping: object = given.get("mapping") or {}
    if not isinstance(mapping, Mapping):
        raise ValidationError("mapping must be an object.", path="mapping")
    options = ImportOptions(
        format=FileFormat[given["format"]],
        list_id=given.get("listId"),
        mapping=cast("Mapping[str, object]", mapping),
        on_duplicate=OnDuplicate[given.get("onDuplicate") or OnDuplicate.SKIP.name],
        is_dry_run=given.get("dryRun") is True,
    )
    return await imports.start_import(
        call.administration.imports,
        call.member.organisation_id,
        options,
        _source(given.get("content"), given.get("applicationId"), given.get("fileId")),
        by=call.member,
    )


async def cancel_contact_import(call: Call, given: Arguments) -> object:
    """`cancelContactImport`."""
    return await imports.cancel_import(call.tenancy, call.member.organisation_id, given["id"], by=call.member)


def _source(content: str | None, application_id: UUID | None, file_id: UUID | None) -> str | StoredSource:
    if content is not None and application_id is None and file_id is None:
        return content
    if content is None and application_id is not None and file_id is not None:
        return StoredSource(application_id, file_id)
    raise ValidationError("Give content, or applicationId and fileId of a stored file.", path="content")


def _addresses(given: Sequence[Arguments] | None) -> list[GivenAddress] | None:
    return None if given is None else [given_address(one) for one in given]


def _status(given: Arguments) -> QualificationStatus | None:
    status = given.get("qualificationStatus")
    return QualificationStatus[status] if status else None


def _one_company(given: Arguments) -> None:
    if given.get("company") is not None and given.get("companyId") is not None:
        raise ValidationError("Give company or companyId, not both.", path="company")


def _or_unset(given: Arguments, key: str) -> Any:
    return given.get(key, UNSET)
