"""Companies: found or made for contacts, created, changed, deleted and listed by themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from msgspec import UNSET, UnsetType

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.core.ids import IdClock, time_of
from outrider.outreach import queries_companies as queries
from outrider.outreach.acting import checked_first, require
from outrider.outreach.checking import checked_domain
from outrider.outreach.errors import CompanyInUse
from outrider.outreach.queries import lock_contacts
from outrider.outreach.queries_companies import CompanyRow
from outrider.outreach.values import Company, Page
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission
from outrider.tenancy.naming import checked_name


@dataclass(frozen=True, slots=True)
class GivenCompany:
    """A company as contacts name it: by its domain, else by its name."""

    name: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyChanges:
    """What to change; unset leaves it, None removes it."""

    name: str | UnsetType | None = UNSET
    domain: str | UnsetType | None = UNSET


def checked_company(name: str | None, domain: str | None, *, path: str = "") -> GivenCompany:
    """Give a company as it is stored, or refuse it."""
    prefix = f"{path}." if path else ""
    given = GivenCompany(
        None if name is None or not name.strip() else checked_name(name, f"{prefix}name"),
        None if domain is None or not domain.strip() else checked_domain(domain, f"{prefix}domain"),
    )
    if given.name is None and given.domain is None:
        raise ValidationError("A company needs a name or a domain.", path=path or "name")
    return given


async def found_or_made(
    ids: IdClock, connection: Connection, organisation_id: UUID, wanted: Iterable[GivenCompany]
) -> Mapping[GivenCompany, UUID]:
    """Find companies by their domains, or by their names where they are given none; make those that are missing."""
    asked = list(dict.fromkeys(wanted))
    found = await _found(connection, organisation_id, asked)
    missing = [one for one in asked if one not in found]
    if missing:
        await queries.insert_companies(connection, organisation_id, [_row(ids, one) for one in missing])
        # made here, a moment ago by somebody else, or the same in another case
        found |= await _found(connection, organisation_id, missing)
    return found


async def create_company(
    context: TenancyContext,
    organisation_id: UUID,
    *,
    name: str | None,
    domain: str | None,
    by: ActingMember | None,
) -> Company:
    """Create a company; `ResourceExists` if its domain, or its name without a domain, is another's."""
    require(by)
    row = _row(context.ids, checked_company(name, domain))
    async with settings_transaction(context, organisation_id) as connection:
        if not await queries.insert_companies(connection, organisation_id, [row]):
            raise _taken(row.name, row.domain)
        company = await queries.select_company(connection, organisation_id, row.id)
        assert company is not None, "it was just inserted"
        await append_audit(
            context, connection, organisation_id, "system.company.created", _told(company), by=by
        )
    return company


async def update_company(
    context: TenancyContext,
    organisation_id: UUID,
    company_id: UUID,
    changes: CompanyChanges,
    *,
    by: ActingMember | None,
) -> Company:
    """Change a company; its contacts are found by its new name from then on."""
    require(by)
    try:
        async with settings_transaction(context, organisation_id) as connection:
            # its contacts' words change with it
            await lock_contacts(connection, organisation_id)
            before = await queries.select_company(connection, organisation_id, company_id, is_locked=True)
            if before is None:
                raise missing_company(company_id)
            given = checked_company(
                before.name if changes.name is UNSET else changes.name,
                before.domain if changes.domain is UNSET else changes.domain,
            )
            await queries.update_company(
                connection, organisation_id, company_id, name=given.name, domain=given.domain
            )
            company = await queries.select_company(connection, organisation_id, company_id)
            assert company is not None, "it is locked"
            await append_audit(
                context, connection, organisation_id, "system.company.updated", _told(company), by=by
            )
    except asyncpg.UniqueViolationError:
        told = {name: value for name, value in (("name", changes.name), ("domain", changes.domain)) if value}
        raise ResourceExists("There is another company of this name or domain.", **told) from None
    return company


async def delete_company(
    context: TenancyContext, organisation_id: UUID, company_id: UUID, *, by: ActingMember | None
) -> Company:
    """Delete a company that no contact belongs to."""
    require(by)
    try:
        async with settings_transaction(context, organisation_id) as connection:
            company = await queries.select_company(connection, organisation_id, company_id, is_locked=True)
            if company is None:
                raise missing_company(company_id)
            await queries.delete_company(connection, organisation_id, company_id)
            await append_audit(
                context, connection, organisation_id, "system.company.deleted", _told(company), by=by
            )
    except asyncpg.ForeignKeyViolationError:
        raise CompanyInUse(company_id=str(company_id)) from None
    return company


async def get_company(
    context: TenancyContext, organisation_id: UUID, company_id: UUID, *, by: ActingMember | None
) -> Company | None:
    """A company, None if there is none of this id."""
    require(by, Permission.READ)
    async with settings_transaction(context, organisation_id) as connection:
        return await queries.select_company(connection, organisation_id, company_id)


async def list_companies(
    context: TenancyContext,
    organisation_id: UUID,
    *,
    first: int,
    after: UUID | None = None,
    by: ActingMember | None,
) -> Page[Company]:
    """List companies, the newest first."""
    require(by, Permission.READ)
    checked_first(first)
    with faults_as_unavailable():
        rows = await queries.select_companies(context.database.reads, organisation_id, first + 1, after)
    return Page(rows[:first], len(rows) > first, after is not None)


def missing_company(company_id: UUID) -> NotFound:
    """The refusal for a company that is missing, or another organisation's."""
    return NotFound("Company not found.", resource_type="Company", resource_id=str(company_id))


async def _found(
    connection: Connection, organisation_id: UUID, asked: Iterable[GivenCompany]
) -> dict[GivenCompany, UUID]:
    domains = {one.domain for one in asked if one.domain is not None}
    names = {one.name for one in asked if one.domain is None and one.name is not None}
    by_domain = await queries.find_by_domain(connection, organisation_id, sorted(domains)) if domains else {}
    by_name = await queries.find_by_name(connection, organisation_id, sorted(names)) if names else {}
    found = {
        one: by_domain.get(one.domain) if one.domain is not None else by_name.get(one.name or "")
        for one in asked
    }
    return {one: company_id for one, company_id in found.items() if company_id is not None}


def _row(ids: IdClock, given: GivenCompany) -> CompanyRow:
    company_id = ids.new()
    return CompanyRow(company_id, given.name, given.domain, time_of(company_id))


def _told(company: Company) -> dict[str, object]:
    return {"company_id": company.id, "name": company.name, "domain": company.domain}


def _taken(name: str | None, domain: str | None) -> ResourceExists:
    if domain is not None:
        return ResourceExists(f"There is a company with the domain {domain!r} already.", domain=domain)
    return ResourceExists(f"There is a company {name!r} without a domain already.", name=name)
