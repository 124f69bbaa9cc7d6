"""Organisations that are read through `/api/v1`."""

import pytest

from tests.clients import Client
from tests.surfaces.outbound_rest.shelf import Reads, new_reads


@pytest.fixture
async def reads(client: Client) -> Reads:
    """A new organisation, with a key that may read everything."""
    return await new_reads(client)


@pytest.fixture
async def others(stranger: Client) -> Reads:
    """Another organisation on the same server."""
    return await new_reads(stranger)
