"""A process on a database of its own that sends no draft by itself: tests say when."""

from collections.abc import AsyncGenerator

import pytest

from outrider.outreach.drafts.due import DueDrafts, DueTimes
from outrider.runtime.parts import Runtime
from tests.outreach.written import Desk, new_desk
from tests.running import Sink, listening, new_database, running


@pytest.fixture(scope="module")
async def own_dsn(dsn: str, request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    async with new_database(dsn, request.module.__name__.rpartition(".")[2]) as own:
        yield own


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        assert found.due_drafts is not None
        await found.due_drafts.close()
        yield found


@pytest.fixture
async def sink() -> AsyncGenerator[Sink]:
    """Where the mails arrive."""
    async with listening() as found:
        yield found


@pytest.fixture
async def desk(process: Runtime, sink: Sink) -> Desk:
    return await new_desk(process, sink.url)


@pytest.fixture
def due(process: Runtime) -> DueDrafts:
    """A sender that is asked to look by the tests; its claims run out at once, as those of a process that died."""
    return DueDrafts(process.drafts, DueTimes(claim_seconds=0.0))
