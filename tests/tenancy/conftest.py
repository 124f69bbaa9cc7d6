"""A tenancy context on this worker's database, without the rest of a process."""

from collections.abc import AsyncGenerator

import pytest

from outrider.tenancy.context import TenancyContext
from tests.tenants import Tenant, new_tenant, open_tenancy


@pytest.fixture(scope="session")
async def tenancy(dsn: str) -> AsyncGenerator[TenancyContext]:
    async with open_tenancy(dsn) as context:
        yield context


@pytest.fixture
async def tenant(tenancy: TenancyContext) -> Tenant:
    return await new_tenant(tenancy)
