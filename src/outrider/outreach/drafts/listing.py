"""Drafts as they are read by those who administer."""

from typing import Final
from uuid import UUID

import asyncpg

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import QueryTooExpensive, ValidationError
from outrider.outreach.drafts import queries
from outrider.outreach.drafts.values import Draft, DraftFilters, DraftPage
from outrider.tenancy.context import TenancyContext

MOST_LISTED: Final = 200
_BEYOND: Final = UUID(int=(1 << 128) - 1)


async def list_drafts(
    context: TenancyContext,
    organisation_id: UUID,
    *,
    first: int,
    after: UUID | None = None,
    filters: DraftFilters | None = None,
) -> DraftPage:
    """List the newest drafts, or those before one of them."""
    if not 1 <= first <= MOST_LISTED:
        raise ValidationError(f"first must be a number from 1 to {MOST_LISTED}.", path="first")
    with faults_as_unavailable():
        try:
            drafts = await queries.list_drafts(
                context.database.reads,
                organisation_id,
                before=_BEYOND if after is None else after,
                limit=first + 1,
                filters=filters or DraftFilters(),
            )
        except asyncpg.QueryCanceledError:
            raise QueryTooExpensive from None
    return DraftPage(drafts[:first], len(drafts) > first, after is not None)


async def find_draft(context: TenancyContext, organisation_id: UUID, draft_id: UUID) -> Draft | None:
    """A draft, None if the organisation has no such draft."""
    with faults_as_unavailable():
        return await queries.select_draft(context.database.reads, organisation_id, draft_id)
