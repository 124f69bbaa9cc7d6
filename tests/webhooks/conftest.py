"""A tenancy context on a database of this worker's own."""

from collections.abc import AsyncGenerator

import pytest

from outrider.core.database.migrating import migrate
from outrider.tenancy.context import TenancyContext
from tests.postgres import test_database
from tests.tenants import Tenant, new_tenant, open_tenancy


@pytest.fixture(scope="session")
async def tenancy(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[TenancyContext]:
    root = tmp_path_factory.getbasetemp()
    async with test_database("webhooks", root) as dsn:
        await migrate(dsn)
        async with open_tenancy(dsn) as context:
            yield context


@pytest.fixture
async def tenant(tenancy: TenancyContext) -> Tenant:
    return await new_tenant(tenancy)
