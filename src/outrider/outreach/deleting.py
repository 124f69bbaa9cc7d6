"""Deleting contacts: with their addresses and dossier, as long as no draft is to them."""

from uuid import UUID

import asyncpg

from outrider.outreach import queries
from outrider.outreach.acting import require
from outrider.outreach.contacts import missing_contact, told_of
from outrider.outreach.errors import ContactInUse
from outrider.outreach.values import Contact
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember


async def delete_contact(
    context: TenancyContext, organisation_id: UUID, contact_id: UUID, *, by: ActingMember | None
) -> Contact:
    """Delete a contact; what was written to them and by them stays in the log."""
    require(by)
    try:
        async with settings_transaction(context, organisation_id) as connection:
            await queries.lock_contacts(connection, organisation_id)
            contact = await queries.select_contact(connection, organisation_id, contact_id, is_locked=True)
            if contact is None:
                raise missing_contact(contact_id)
            await queries.delete_contact(connection, organisation_id, contact_id)
            await append_audit(
                context, connection, organisation_id, "system.contact.deleted", told_of(contact), by=by
            )
    except asyncpg.ForeignKeyViolationError:
        raise ContactInUse(contact_id=str(contact_id)) from None
    return contact
