"""`outrider verify`: refolds the log, compares, and lists what does not agree."""

from outrider.cli.arguments import Arguments
from outrider.cli.opening import load_settings
from outrider.core.database import migrating
from outrider.files.storage import ContentStorage
from outrider.runtime.database import opened_server
from outrider.runtime.verifying import verify


async def run(_arguments: Arguments) -> int:
    """Print everything that is wrong; the exit status is 1 if anything is."""
    settings = load_settings()
    async with opened_server(settings) as dsn:
        await migrating.check_schema(dsn)
        found = await verify(dsn, ContentStorage(settings.files_dir))
    for kind, places in found.items():
        print(f"{kind}: {len(places)}")
        for place in places:
            print(f"  {place}")
    if not found:
        print("Everything agrees.")
    return 1 if found else 0
