"""The server of these tests has a database to itself, and leaves it as `outrider verify` wants it."""

import socket
from collections.abc import AsyncGenerator, Generator

import aiohttp
import pytest

from outrider.runtime.running import running_server
from outrider.runtime.verifying import verify
from tests.acceptance.texting import SEED
from tests.clients import Server
from tests.conftest import settings_for
from tests.peers import MailPeer, PeerMissing, emulate_peer, mail_peer
from tests.running import new_database


@pytest.fixture(scope="session")
async def server(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A whole server that answers over HTTP."""
    async with new_database(dsn, "acceptance") as own:
        settings = settings_for(tmp_path_factory.mktemp("server"), own, PORT="0")
        async with running_server(settings, own) as running, aiohttp.ClientSession() as session:
            yield Server(running.runtime, f"http://127.0.0.1:{running.port}", session)
        assert await verify(own) == {}


@pytest.fixture(scope="module")
async def reachable(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A server whose public URL leads to it, so that what is signed is what is called."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with new_database(dsn, "reachable") as own:
        url = f"http://127.0.0.1:{port}"
        settings = settings_for(tmp_path_factory.mktemp("server"), own, PORT=str(port), PUBLIC_URL=url)
        async with running_server(settings, own) as running, aiohttp.ClientSession() as session:
            yield Server(running.runtime, url, session)
        assert await verify(own) == {}


@pytest.fixture(scope="module")
def postfix() -> Generator[MailPeer]:
    """A Postfix that delivers to a Dovecot."""
    try:
        with mail_peer() as peer:
            yield peer
    except PeerMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def twilio() -> Generator[str]:
    """A Twilio by emulate."""
    try:
        with emulate_peer("twilio", SEED) as url:
            yield url
    except PeerMissing as reason:
        pytest.skip(str(reason))
