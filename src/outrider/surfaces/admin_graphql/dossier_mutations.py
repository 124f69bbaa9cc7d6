"""The mutations of dossiers, from arguments to operations."""

from outrider.core.errors import ValidationError
from outrider.outreach.dossiers import keeping, researching
from outrider.outreach.dossiers.keeping import WrittenDossier
from outrider.outreach.dossiers.queries import Requested
from outrider.outreach.dossiers.values import Fact, Level
from outrider.surfaces.admin_graphql.calling import Arguments, Call


async def write_dossier(call: Call, given: Arguments) -> object:
    """`writeDossier`."""
    written = WrittenDossier(
        contact_id=given["contactId"],
        level=given["level"],
        summary=given["summary"],
        facts=[Fact(one["text"], one["source"], one.get("eventId")) for one in given["facts"]],
        researched_at=given.get("researchedAt"),
    )
    return await keeping.write_dossier(call.tenancy, call.member, written)


async def delete_dossier(call: Call, given: Arguments) -> object:
    """`deleteDossier`."""
    return await keeping.delete_dossier(call.tenancy, call.member, given["contactId"])


async def set_dossier_lifetime(call: Call, given: Arguments) -> object:
    """`setDossierLifetime`."""
    return await keeping.set_lifetime(call.tenancy, call.member, given["days"])


async def research_contact(call: Call, given: Arguments) -> object:
    """`researchContact`."""
    return await researching.research_contact(call.tenancy, call.member, given["contactId"], _level(given))


async def research_contacts(call: Call, given: Arguments) -> object:
    """`researchContacts`."""
    contact_ids, list_id = given.get("contactIds"), given.get("listId")
    is_stale = given.get("stale") is True
    if contact_ids is None and list_id is None and not is_stale and given.get("all") is not True:
        raise ValidationError("Say whom: contactIds, listId, stale: true, or all: true.", path="contactIds")
    wanted = Requested(contact_ids, list_id, is_stale=is_stale)
    return await researching.request_research(call.tenancy, call.member, wanted, _level(given))


def _level(given: Arguments) -> int:
    level = given.get("level")
    return Level.WHOLE if level is None else level
