"""A server with another master key does not start on a database that began with its own."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from outrider.core.config import Settings
from outrider.core.database.pools import open_database
from outrider.core.sealing import Sealer
from outrider.runtime.master_key import WrongMasterKey, check_master_key
from outrider.runtime.wiring import open_runtime
from tests.conftest import settings_for
from tests.running import new_database

FIRST, SECOND, OTHER = (letter * 32 for letter in (b"a", b"b", b"c"))


@pytest.fixture
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "master_key") as own:
        yield own


def settings_with(folder: Path, dsn: str, key: bytes, *old: bytes) -> Settings:
    more = {"OLD_MASTER_KEYS": ",".join(base64.b64encode(one).decode() for one in old)} if old else {}
    return settings_for(folder, dsn, MASTER_KEY=base64.b64encode(key).decode(), **more)


async def starts(settings: Settings, dsn: str) -> bool:
    try:
        runtime = await open_runtime(settings, dsn, role="api")
    except WrongMasterKey:
        return False
    await runtime.close()
    return True


async def test_the_key_of_the_first_start_is_the_databases(own_dsn: str, tmp_path: Path) -> None:
    assert await starts(settings_with(tmp_path, own_dsn, FIRST), own_dsn)
    assert await starts(settings_with(tmp_path, own_dsn, FIRST), own_dsn)
    assert not await starts(settings_with(tmp_path, own_dsn, OTHER), own_dsn)
    # after a change of keys the first one stays among the old ones
    assert await starts(settings_with(tmp_path, own_dsn, SECOND, FIRST), own_dsn)
    assert not await starts(settings_with(tmp_path, own_dsn, SECOND), own_dsn)
    assert await starts(settings_with(tmp_path, own_dsn, FIRST), own_dsn)


async def test_of_many_first_servers_one_gives_its_key(own_dsn: str) -> None:
    database = await open_database(own_dsn)

    async def check(sealer: Sealer) -> bool:
        try:
            await check_master_key(database, sealer)
        except WrongMasterKey:
            return False
        return True

    sealers = [Sealer(bytes([number // 2]) * 32) for number in range(12)]
    found = await asyncio.gather(*(check(sealer) for sealer in sealers))
    await database.close()

    assert sum(found) == 2
    assert found[::2] == found[1::2]
