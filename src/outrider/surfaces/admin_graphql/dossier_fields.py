"""Fields about dossiers, read by the operations."""

from outrider.outreach.dossiers import keeping, researching
from outrider.outreach.dossiers.values import Dossier
from outrider.surfaces.admin_graphql.calling import Arguments, Call


async def dossier(_source: object, call: Call, arguments: Arguments) -> Dossier | None:
    """`Query.dossier`."""
    return await keeping.get_dossier(call.tenancy, call.member, arguments["contactId"])


async def dossier_lifetime(_source: object, call: Call, _arguments: Arguments) -> int:
    """`Query.dossierLifetime`."""
    return await keeping.get_lifetime(call.tenancy, call.member)


async def research_waiting(_source: object, call: Call, _arguments: Arguments) -> int:
    """`Query.researchWaiting`."""
    return await researching.count_waiting(call.tenancy, call.member)


def is_expired(source: Dossier, call: Call, _arguments: Arguments) -> bool:
    """`Dossier.expired`."""
    return source.expires_at <= call.tenancy.ids.now()
