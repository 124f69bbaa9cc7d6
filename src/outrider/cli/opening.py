"""What commands share: the settings, and the tenants of the database that they name."""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from outrider.core.config import Settings, load
from outrider.core.database import migrating
from outrider.core.database.pools import open_database
from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import IdClock
from outrider.core.sealing import open_sealer
from outrider.platforms.registry import Registry
from outrider.runtime.database import opened_server
from outrider.runtime.master_key import check_master_key
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.organisations import Organisation, find_organisations


def load_settings(**typed: str | None) -> Settings:
    """Read the settings; an option that was typed wins over its variable (host="::1" over OUTRIDER_HOST)."""
    chosen = {f"OUTRIDER_{name.upper()}": text for name, text in typed.items() if text is not None}
    return load({**os.environ, **chosen})


@asynccontextmanager
async def opened_tenancy(
    settings: Settings, registry: Registry | None = None
) -> AsyncGenerator[TenancyContext]:
    """The tenants of the running database, or of the one that is started for the while; a new one is migrated.

    Without a registry no provider is known: few commands need one, and loading them takes time.
    """
    async with opened_server(settings) as dsn:
        if await migrating.is_new(dsn):
            await migrating.migrate(dsn)
        await migrating.check_schema(dsn)
        sealer = open_sealer(settings)
        database = await open_database(dsn, reads=1, settings=1, system=1)
        try:
            await check_master_key(database, sealer)
            yield TenancyContext(
                database=database,
                sealer=sealer,
                registry=registry or Registry.of([]),
                ids=IdClock(),
                public_url=settings.public_url,
                default_tier=settings.default_tier,
                allow_private_targets=settings.allow_private_targets,
            )
        finally:
            await database.close()


async def chosen_organisation(context: TenancyContext, name: str | None) -> UUID:
    """The organisation of this name, or the only one there is."""
    found = await find_organisations(context, name=name)
    if len(found) == 1:
        return found[0].id
    if found and name is not None:
        raise NotFound(f"Several are called {name!r}.")
    if name is not None:
        found = await find_organisations(context)
        there = f" There are: {_names(found)}." if found else ""
        raise NotFound(f"There is no organisation {name!r}.{there}")
    if not found:
        raise NotFound("There is no organisation yet: `outrider bootstrap` creates one.")
    raise ValidationError(f"There are several organisations; choose one with --organisation: {_names(found)}")


def _names(organisations: Sequence[Organisation]) -> str:
    return ", ".join(organisation.name for organisation in organisations)
