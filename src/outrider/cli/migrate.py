"""`outrider migrate`: brings the database's schema up to date."""

from outrider.cli.arguments import Arguments
from outrider.cli.opening import load_settings
from outrider.core.database import migrating
from outrider.runtime.database import opened_server


async def run(_arguments: Arguments) -> int:
    """Apply what is missing."""
    async with opened_server(load_settings()) as dsn:
        count = await migrating.migrate(dsn)
        await migrating.check_schema(dsn)
    print(f"Applied {count} migrations." if count else "The schema is up to date.")
    return 0
