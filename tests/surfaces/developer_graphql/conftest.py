"""A database of its own for reads: nothing dispatches what stands in its queue."""

import os
from collections.abc import AsyncGenerator

import pytest

from outrider.core.database.migrating import migrate
from outrider.runtime.parts import Runtime
from outrider.runtime.surfaces import developer_endpoint
from outrider.surfaces.developer_graphql.documents import Documents
from outrider.surfaces.developer_graphql.reading import Reading
from tests.conftest import shared_folder
from tests.postgres import test_database
from tests.surfaces.developer_graphql.door import Door, key_of
from tests.surfaces.developer_graphql.seeding import load_world, seed
from tests.surfaces.developer_graphql.stage import PUBLIC_URL, Stage, file_url
from tests.tenants import new_tenant, open_tenancy


@pytest.fixture(scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    """Two tenants with the same kinds of rows."""
    name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_reads"
    async with test_database(name, shared_folder(tmp_path_factory)) as dsn:
        await migrate(dsn)
        async with open_tenancy(dsn) as context:
            tenant, stranger = await new_tenant(context), await new_tenant(context)
            async with context.database.system.acquire() as connection:
                await seed(connection, (tenant, stranger))
                world = await load_world(connection)
            yield Stage(Reading(context.database, PUBLIC_URL, file_url), Documents(), world, tenant, stranger)


@pytest.fixture(scope="session")
async def door(runtime: Runtime) -> Door:
    """The endpoint and a key that may do everything."""
    tenant = await new_tenant(runtime.tenancy)
    return Door(developer_endpoint(runtime), runtime, tenant, await key_of(runtime, tenant, "*"))
