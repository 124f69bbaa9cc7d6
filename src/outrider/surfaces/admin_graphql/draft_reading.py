"""How drafts are read: their page, what was done with them, and what came of them."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from outrider.outreach.drafts.engagement import Engagement, engagement_of
from outrider.outreach.drafts.history import history_of
from outrider.outreach.drafts.listing import find_draft, list_drafts
from outrider.outreach.drafts.values import (
    Draft,
    DraftEvent,
    DraftFilters,
    DraftPage,
    DraftStatus,
)
from outrider.outreach.drafts.writing import preview_draft
from outrider.surfaces.admin_graphql.calling import Arguments, Call, Resolve
from outrider.surfaces.admin_graphql.cursors import DRAFTS, read_cursor, written_cursor
from outrider.templates.values import Rendering
from outrider.tenancy.members.roles import Permission


async def drafts_page(_source: object, call: Call, arguments: Arguments) -> DraftPage:
    """`drafts`."""
    call.member.require(Permission.READ)
    first = arguments.get("first")
    given: Arguments = arguments.get("filters") or {}
    statuses = given.get("status")
    return await list_drafts(
        call.tenancy,
        call.member.organisation_id,
        first=20 if first is None else first,
        after=read_cursor(DRAFTS, arguments.get("after")),
        filters=DraftFilters(
            statuses=None if statuses is None else [DraftStatus[one] for one in statuses],
            contact_id=given.get("contactId"),
            list_id=given.get("listId"),
        ),
    )


async def draft(_source: object, call: Call, arguments: Arguments) -> Draft | None:
    """`draft`."""
    call.member.require(Permission.READ)
    return await find_draft(call.tenancy, call.member.organisation_id, arguments["id"])


async def draft_preview(source: object, call: Call, arguments: Arguments) -> Rendering | None:
    """`previewDraft`."""
    found = await draft(source, call, arguments)
    if found is None:
        return None
    return await preview_draft(call.administration.drafts, call.member, found)


async def history(source: Draft, call: Call, _arguments: Arguments) -> Sequence[DraftEvent]:
    """What was done with a draft."""
    return await history_of(call.tenancy, call.member.organisation_id, source.id)


async def engagement(source: Draft, call: Call, _arguments: Arguments) -> Sequence[Engagement]:
    """What came of a draft."""
    return await engagement_of(call.tenancy.database.reads, call.member.organisation_id, source.id)


def page_info(source: DraftPage, _call: Call, _arguments: Arguments) -> Mapping[str, object]:
    """Where a page of drafts lies."""
    return {
        "hasNextPage": source.has_next,
        "hasPreviousPage": source.has_previous,
        "startCursor": cursor(source.drafts[0].id) if source.drafts else None,
        "endCursor": cursor(source.drafts[-1].id) if source.drafts else None,
    }


def cursor(draft_id: UUID) -> str:
    """The cursor of a draft."""
    return written_cursor(DRAFTS, draft_id)


DRAFT_RESOLVERS: Final[Mapping[str, Resolve]] = {
    "Query.drafts": drafts_page,
    "Query.draft": draft,
    "Query.previewDraft": draft_preview,
    "Draft.history": history,
    "Draft.engagement": engagement,
    "Draft.error": lambda source, _call, _arguments: source.failure,
    "Draft.locals": lambda source, _call, _arguments: source.template_locals,
    "Draft.ignoreSuppression": lambda source, _call, _arguments: source.ignores_suppression,
    "DraftConnection.edges": lambda source, _call, _arguments: source.drafts,
    "DraftConnection.pageInfo": page_info,
    "DraftEdge.node": lambda source, _call, _arguments: source,
    "DraftEdge.cursor": lambda source, _call, _arguments: cursor(source.id),
    "DraftError.code": lambda source, _call, _arguments: source["code"],
    "DraftError.message": lambda source, _call, _arguments: source["message"],
}
"""The fields of drafts that are more than an attribute."""
