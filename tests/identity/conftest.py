"""A tenant with two connections, for each test."""

from collections.abc import AsyncGenerator

import pytest

from outrider.runtime.parts import Runtime
from tests.identity.people import Town, town_of
from tests.tenants import Tenant


@pytest.fixture
async def town(runtime: Runtime, tenant: Tenant, dsn: str) -> AsyncGenerator[Town]:
    """Two sandbox connections and nobody there yet."""
    async with town_of(runtime, tenant, dsn) as made:
        yield made
