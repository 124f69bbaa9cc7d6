"""Contacts: created, changed, deleted, found. An address is one contact's, in the form in which it is compared."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

import asyncpg
from msgspec import UNSET, UnsetType

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, QueryTooExpensive, ResourceExists, ValidationError
from outrider.core.ids import time_of
from outrider.outreach import queries, queries_companies
from outrider.outreach.acting import checked_first, require
from outrider.outreach.checking import checked_address, checked_mail, checked_score
from outrider.outreach.companies import GivenCompany, checked_company, found_or_made, missing_company
from outrider.outreach.lists import check_joinable
from outrider.outreach.queries import ContactConditions, ContactRow
from outrider.outreach.searching import search_query
from outrider.outreach.values import Address, Contact, Page, QualificationStatus
from outrider.platforms.base import Channel
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission
from outrider.tenancy.naming import checked_name

T = TypeVar("T")

MOST_ADDRESSES: Final = 20
"""Of one contact, beside the one of mail that it is shown with."""


@dataclass(frozen=True, slots=True)
class GivenAddress:
    """An address as somebody typed it."""

    channel: Channel
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    """A contact to create. Its company is an existing one, or found or made by domain or name."""

    email: str
    name: str | None = None
    """Without one it is called by its address, up to the @."""
    addresses: Sequence[GivenAddress] = ()
    company_id: UUID | None = None
    company_name: str | None = None
    company_domain: str | None = None
    list_id: UUID | None = None
    qualification_status: QualificationStatus = QualificationStatus.UNQUALIFIED
    fit_score: int | None = None
    urgency_score: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChanges:
    """What to change; unset leaves it, None removes it. A company by domain or name wins over `company_id`."""

    email: str | None = None
    name: str | None = None
    addresses: Sequence[GivenAddress] | None = None
    """All of them, beside the one of mail that it is shown with."""
    company_id: UUID | UnsetType | None = UNSET
    company_name: str | None = None
    company_domain: str | None = None
    list_id: UUID | UnsetType | None = UNSET
    qualification_status: QualificationStatus | None = None
    fit_score: int | UnsetType | None = UNSET
    urgency_score: int | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFilters:
    """Which contacts; all that is given must hold."""

    q: str | None = None
    """Words, or how they begin, of the name, the mail address, the company's name and domain."""
    list_id: UUID | None = None
    company_id: UUID | None = None
    qualification_status: QualificationStatus | None = None
    address: GivenAddress | None = None


async def create_contact(
    context: TenancyContext, organisation_id: UUID, new: NewContact, *, by: ActingMember | None
) -> Contact:
    """Create a contact; `ResourceExists` tells whose an address is already."""
    require(by)
    shown, mail = checked_mail(new.email)
    contact_id = context.ids.new()
    addresses = {mail, *_checked_addresses(new.addresses)}
    name = checked_name(new.name) if new.name is not None else checked_name(shown.partition("@")[0])
    fit_score = checked_score(new.fit_score, "fitScore")
    urgency_score = checked_score(new.urgency_score, "urgencyScore")
    company = _checked_company(new.company_name, new.company_domain)
    async with settings_transaction(context, organisation_id) as connection:
        await queries.lock_contacts(connection, organisation_id)
        await _check_free(connection, organisation_id, contact_id, addresses)
        await check_joinable(connection, organisation_id, new.list_id)
        row = ContactRow(
            id=contact_id,
            name=name,
            email=shown,
            company_id=await _company_id(context, connection, organisation_id, new.company_id, company),
            list_id=new.list_id,
            status=new.qualification_status.value,
            fit_score=fit_score,
            urgency_score=urgency_score,
            created_at=time_of(contact_id),
        )
        await queries.insert_contacts(connection, organisation_id, [row])
        await queries.insert_addresses(
            connection, organisation_id, [(one, contact_id) for one in sorted(addresses)]
        )
        return await _audited(context, connection, organisation_id, contact_id, "created", by)


async def update_contact(
    context: TenancyContext,
    organisation_id: UUID,
    contact_id: UUID,
    changes: ContactChanges,
    *,
    by: ActingMember | None,
) -> Contact:
    """Change a contact; `ResourceExists` tells whose a new address is already."""
    require(by)
    company = _checked_company(changes.company_name, changes.company_domain)
    async with settings_transaction(context, organisation_id) as connection:
        await queries.lock_contacts(connection, organisation_id)
        before = await queries.select_contact(connection, organisation_id, contact_id, is_locked=True)
        if before is None:
            raise missing_contact(contact_id)
        email = await _change_addresses(connection, organisation_id, before, changes)
        old_company = before.company.id if before.company else None
        old_list = before.list.id if before.list else None
        list_id = _after(old_list, changes.list_id)
        if list_id != old_list:
            await check_joinable(connection, organisation_id, list_id)
        company_id = _after(old_company, changes.company_id)
        if company_id != old_company or company is not None:
            company_id = await _company_id(context, connection, organisation_id, company_id, company)
        status = changes.qualification_status or before.qualification_status
        row = ContactRow(
            id=contact_id,
            name=before.name if changes.name is None else checked_name(changes.name),
            email=email,
            company_id=company_id,
            list_id=list_id,
            status=status.value,
            fit_score=checked_score(_after(before.fit_score, changes.fit_score), "fitScore"),
            urgency_score=checked_score(_after(before.urgency_score, changes.urgency_score), "urgencyScore"),
            created_at=before.created_at,
        )
        await queries.update_contact(connection, organisation_id, row)
        return await _audited(context, connection, organisation_id, contact_id, "updated", by)


async def get_contact(
    context: TenancyContext, organisation_id: UUID, contact_id: UUID, *, by: ActingMember | None
) -> Contact | None:
    """A contact, None if there is none of this id."""
    require(by, Permission.READ)
    async with settings_transaction(context, organisation_id) as connection:
        return await queries.select_contact(connection, organisation_id, contact_id)


async def list_contacts(
    context: TenancyContext,
    organisation_id: UUID,
    filters: ContactFilters,
    *,
    first: int,
    after: UUID | None = None,
    by: ActingMember | None,
) -> Page[Contact]:
    """List contacts, the newest first."""
    require(by, Permission.READ)
    checked_first(first)
    given = filters.address
    status = filters.qualification_status
    conditions = ContactConditions(
        words=None if filters.q is None else search_query(filters.q),
        list_id=filters.list_id,
        company_id=filters.company_id,
        status=None if status is None else status.value,
        address=None if given is None else checked_address(given.channel, given.address, "filters.address"),
        below=after,
    )
    with faults_as_unavailable():
        try:
            rows = await queries.select_contacts(
                context.database.reads, organisation_id, conditions, first + 1
            )
        except asyncpg.QueryCanceledError:
            raise QueryTooExpensive from None
    return Page(rows[:first], len(rows) > first, after is not None)


def missing_contact(contact_id: UUID) -> NotFound:
    """The refusal for a contact that is missing, or another organisation's."""
    return NotFound("Contact not found.", resource_type="Contact", resource_id=str(contact_id))


def _after(before: T, change: T | UnsetType) -> T:
    return before if isinstance(change, UnsetType) else change


def _checked_addresses(given: Sequence[GivenAddress]) -> set[Address]:
    if len(given) > MOST_ADDRESSES:
        raise ValidationError(f"A contact has at most {MOST_ADDRESSES} other addresses.", path="addresses")
    return {checked_address(one.channel, one.address, f"addresses[{at}]") for at, one in enumerate(given)}


def _checked_company(name: str | None, domain: str | None) -> GivenCompany | None:
    return None if name is None and domain is None else checked_company(name, domain, path="company")


async def _company_id(
    context: TenancyContext,
    connection: Connection,
    organisation_id: UUID,
    company_id: UUID | None,
    company: GivenCompany | None,
) -> UUID | None:
    """The company of a contact: found or made as it was named, else the one with this id."""
    if company is not None:
        return (await found_or_made(context.ids, connection, organisation_id, [company]))[company]
    if company_id is not None:
        found = await queries_companies.select_company(connection, organisation_id, company_id)
        if found is None:
            raise missing_company(company_id)
    return company_id


async def _change_addresses(
    connection: Connection, organisation_id: UUID, before: Contact, changes: ContactChanges
) -> str:
    """Write what changes of a contact's addresses; gives the one of mail that it is shown with."""
    old = set(before.addresses)
    shown, mail = checked_mail(before.email)
    others = old - {mail}
    if changes.addresses is not None:
        others = _checked_addresses(changes.addresses)
    if changes.email is not None:
        shown, mail = checked_mail(changes.email)
    new = others | {mail}
    await _check_free(connection, organisation_id, before.id, new - old)
    if gone := sorted(old - new):
        await queries.delete_addresses(connection, organisation_id, before.id, gone)
    if come := sorted(new - old):
        await queries.insert_addresses(connection, organisation_id, [(one, before.id) for one in come])
    return shown


async def _check_free(
    connection: Connection, organisation_id: UUID, contact_id: UUID, addresses: Collection[Address]
) -> None:
    """Refuse addresses that are another contact's, whom the details tell."""
    owners = await queries.select_owners(connection, organisation_id, addresses)
    for address, owner_id in sorted(owners.items()):
        if owner_id == contact_id:
            continue
        owner = await queries.select_contact(connection, organisation_id, owner_id)
        raise ResourceExists(
            f"The address {address.address} is another contact's already.",
            contact_id=str(owner_id),
            name=owner.name if owner else None,
            channel_class=address.channel_class,
            address=address.address,
        )


async def _audited(
    context: TenancyContext,
    connection: Connection,
    organisation_id: UUID,
    contact_id: UUID,
    done: str,
    by: ActingMember | None,
) -> Contact:
    """The contact as it is now, after the event that says what was done to it."""
    contact = await queries.select_contact(connection, organisation_id, contact_id)
    assert contact is not None, "it is locked"
    await append_audit(
        context, connection, organisation_id, f"system.contact.{done}", told_of(contact), by=by
    )
    return contact


def told_of(contact: Contact) -> dict[str, object]:
    """What an event says of a contact: nothing personal, since events outlive whom they are about."""
    return {
        "contact_id": contact.id,
        "company_id": contact.company.id if contact.company else None,
        "list_id": contact.list.id if contact.list else None,
        "qualification_status": contact.qualification_status.value,
        "fit_score": contact.fit_score,
        "urgency_score": contact.urgency_score,
    }
