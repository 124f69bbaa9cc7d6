"""Applications that are spoken to through REST."""

import pytest

from tests.clients import Client
from tests.surfaces.developer_rest.rest import Rest


@pytest.fixture
async def rest(client: Client) -> Rest:
    """A new application, with a key that may do everything."""
    return Rest(client)


@pytest.fixture
async def foreign(stranger: Client) -> Rest:
    """Another organisation's application on the same server."""
    return Rest(stranger)
