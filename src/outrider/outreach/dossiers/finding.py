"""Contacts and lists as operators name them at the command line."""

from uuid import UUID

from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import parse_id
from outrider.outreach.dossiers import queries
from outrider.outreach.dossiers.researching import missing_list
from outrider.tenancy.context import TenancyContext, settings_transaction


async def find_contact(context: TenancyContext, organisation_id: UUID, who: str) -> UUID:
    """Find a contact by its id or by one of its addresses."""
    contact_id = _id_in(who)
    if contact_id is not None:
        return contact_id
    async with settings_transaction(context, organisation_id) as connection:
        found = await queries.find_by_address(connection, organisation_id, who.lower())
    if not found:
        raise NotFound(f"No contact has the address {who!r}.")
    if len(set(found)) > 1:
        raise ValidationError(f"Several contacts have the address {who!r}: name one by its id.")
    return found[0]


async def find_list(context: TenancyContext, organisation_id: UUID, named: str) -> UUID:
    """Find a list by its id or its name."""
    list_id = _id_in(named)
    async with settings_transaction(context, organisation_id) as connection:
        if list_id is not None:
            if not await queries.is_list(connection, organisation_id, list_id):
                raise missing_list(list_id)
            return list_id
        found = await queries.find_list(connection, organisation_id, named)
    if not found:
        raise NotFound(f"There is no list {named!r}.")
    if len(found) > 1:
        raise ValidationError(f"Several lists are called {named!r}: name one by its id.")
    return found[0]


def _id_in(text: str) -> UUID | None:
    try:
        return parse_id(text)
    except ValidationError:
        return None
