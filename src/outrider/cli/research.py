"""`outrider research`: makes dossiers of what is known here, one contact after the other, and says how far it is."""

import sys
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.core.errors import NotFound
from outrider.outreach.dossiers import finding
from outrider.outreach.dossiers.queries import Requested
from outrider.outreach.dossiers.researching import chosen_contacts, research
from outrider.outreach.dossiers.values import Dossier
from outrider.tenancy.context import TenancyContext


async def run(arguments: Arguments) -> int:
    """Research whom was asked for; of named contacts the dossiers are printed."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        wanted = await _wanted(context, organisation_id, arguments)
        count = 0
        async for page in chosen_contacts(context, organisation_id, wanted):
            for contact_id in page:
                try:
                    made = await research(context, organisation_id, contact_id, arguments.level, by=None)
                except NotFound:
                    if wanted.contact_ids is not None:
                        raise
                    # deleted since the page was read
                    continue
                count += 1
                if wanted.contact_ids is not None:
                    _print(made)
            if wanted.contact_ids is None:
                print(f"{count:,} researched", file=sys.stderr)
    print(f"Wrote {count:,} {'dossier' if count == 1 else 'dossiers'}.", file=sys.stderr)
    return 0


async def _wanted(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> Requested:
    if arguments.contact is not None:
        found = [await finding.find_contact(context, organisation_id, who) for who in arguments.contact]
        return Requested(list(dict.fromkeys(found)))
    if arguments.contact_list is not None:
        list_id = await finding.find_list(context, organisation_id, arguments.contact_list)
        return Requested(list_id=list_id)
    return Requested(is_stale=arguments.stale)


def _print(dossier: Dossier) -> None:
    print(_plain(dossier.summary))
    for fact in dossier.facts:
        event = f" {fact.event_id}" if fact.event_id is not None else ""
        print(f"- {_plain(fact.text)} ({fact.source}{event})")
    print()


def _plain(text: str) -> str:
    """What others wrote must not move the cursor or rename the window."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
