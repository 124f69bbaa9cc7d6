"""Contacts, companies and lists made by SQL: what tests of dossiers and webhooks need to be there."""

from uuid import UUID

from outrider.tenancy.context import TenancyContext

_COMPANY = """
insert into companies (organisation_id, id, name, domain, created_at, updated_at)
values ($1, $2, $3, $4, '2026-03-01', '2026-03-01')
"""
_LIST = """
insert into contact_lists (organisation_id, id, name, source_type, goal, created_at, updated_at)
values ($1, $2, $3, 'csv', $4, '2026-03-02', '2026-03-02')
"""
_CONTACT = """
insert into contacts (organisation_id, id, name, email, company_id, list_id, qualification_status, fit_score,
  urgency_score, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, 'qualified', $7, $8, '2026-03-03', '2026-03-03')
"""
_ADDRESS = """
insert into contact_addresses (organisation_id, channel_class, address, contact_id) values ($1, $2, $3, $4)
"""


async def new_company(tenancy: TenancyContext, organisation_id: UUID, name: str, domain: str) -> UUID:
    """A company."""
    company_id = tenancy.ids.new()
    await tenancy.database.system.execute(_COMPANY, organisation_id, company_id, name, domain)
    return company_id


async def new_list(
    tenancy: TenancyContext, organisation_id: UUID, name: str, goal: str | None = None
) -> UUID:
    """A list."""
    list_id = tenancy.ids.new()
    await tenancy.database.system.execute(_LIST, organisation_id, list_id, name, goal)
    return list_id


async def new_contact(
    tenancy: TenancyContext,
    organisation_id: UUID,
    name: str,
    email: str,
    *,
    phone: str | None = None,
    company_id: UUID | None = None,
    list_id: UUID | None = None,
    scores: tuple[int | None, int | None] = (None, None),
) -> UUID:
    """A contact with its addresses."""
    contact_id, pool = tenancy.ids.new(), tenancy.database.system
    await pool.execute(_CONTACT, organisation_id, contact_id, name, email, company_id, list_id, *scores)
    await pool.execute(_ADDRESS, organisation_id, "email", email.lower(), contact_id)
    if phone is not None:
        await pool.execute(_ADDRESS, organisation_id, "phone", phone, contact_id)
    return contact_id
