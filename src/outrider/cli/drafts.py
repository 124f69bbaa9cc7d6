"""`outrider drafts`: lists drafts, and moves them as their reviewers would."""

import sys
from collections.abc import Callable
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.cli.tables import print_table
from outrider.core.ids import parse_id
from outrider.outreach.drafts import moving
from outrider.outreach.drafts.listing import MOST_LISTED, list_drafts
from outrider.outreach.drafts.values import Draft, DraftFilters, DraftStatus
from outrider.tenancy.context import TenancyContext

_MOVES = {
    "approve": (moving.approve_drafts, "Approved: a running server sends it."),
    "cancel": (moving.cancel_drafts, "Taken back."),
    "discard": (moving.discard_drafts, "Discarded."),
}


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        if arguments.action == "list":
            await _print(context, organisation_id, arguments)
        else:
            move, said = _MOVES[arguments.action]
            await move(context, organisation_id, [parse_id(one) for one in arguments.draft_ids], by=None)
            print(said, file=sys.stderr)
    return 0


async def _print(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    statuses = None if arguments.status is None else [DraftStatus(arguments.status)]
    page = await list_drafts(
        context,
        organisation_id,
        first=min(arguments.limit, MOST_LISTED),
        filters=DraftFilters(statuses=statuses),
    )
    columns: tuple[tuple[str, Callable[[Draft], str]], ...] = (
        ("id", lambda draft: str(draft.id)),
        ("status", lambda draft: draft.status.value),
        ("contact", lambda draft: draft.contact_email),
        ("subject", lambda draft: draft.subject),
        ("created", lambda draft: f"{draft.created_at:%Y-%m-%d %H:%M}"),
    )
    print_table(page.drafts, columns)
