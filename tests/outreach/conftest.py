"""Owners of new organisations, for each test."""

import pytest

from tests.administrators import Administrator, new_administrator
from tests.clients import Server


@pytest.fixture
async def owner(server: Server) -> Administrator:
    """Somebody who may do everything in an organisation of its own."""
    return await new_administrator(server)


@pytest.fixture
async def foreigner(server: Server) -> Administrator:
    """The same of another organisation."""
    return await new_administrator(server)
