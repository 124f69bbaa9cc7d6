"""`outrider tier`: how many requests the keys of an organisation may make."""

import sys

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.tenancy.organisations import change_tier


async def run(arguments: Arguments) -> int:
    """Change the tier of the organisation that was named, or of the only one there is."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        await change_tier(context, organisation_id, arguments.tier)
    print(f"The tier is {arguments.tier}.", file=sys.stderr)
    return 0
