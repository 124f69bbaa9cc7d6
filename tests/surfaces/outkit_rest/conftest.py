"""A submitter of a new organisation, for each test."""

import pytest

from tests.clients import Client
from tests.surfaces.outkit_rest.submitting import Submitter, new_submitter


@pytest.fixture
async def submitter(client: Client) -> Submitter:
    """Somebody who may submit messages of every application of an organisation of its own."""
    return await new_submitter(client)
