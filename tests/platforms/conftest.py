"""What the tests of all providers share."""

from collections.abc import AsyncGenerator

import pytest

from outrider.core.outgoing import OutgoingHttp

pytest.register_assert_rewrite("outrider.platforms.conformance")


@pytest.fixture
async def outgoing() -> AsyncGenerator[OutgoingHttp]:
    """The real HTTP client, allowed to reach this machine."""
    http = OutgoingHttp(allow_private_targets=True)
    yield http
    await http.close()
