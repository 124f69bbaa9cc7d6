"""What the sessions of a process's pools promise to all others."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from outrider.core.database import pools
from outrider.core.database.faults import DATABASE_FAULTS


async def test_a_process_that_freezes_in_a_transaction_holds_no_lock_for_long(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pools._SESSION["idle_in_transaction_session_timeout"] == "10s"
    monkeypatch.setitem(pools._SESSION, "idle_in_transaction_session_timeout", "300ms")
    database = await pools.open_database(dsn)
    other = await asyncpg.connect(dsn)
    frozen = database.tenant(uuid4())
    connection = await frozen.__aenter__()
    await connection.execute("select pg_advisory_xact_lock(7305002)")
    async with asyncio.timeout(5):
        await other.execute("select pg_advisory_xact_lock(7305002)")
    with pytest.raises(DATABASE_FAULTS) as fault:
        await connection.execute("select 1")
    with pytest.raises(DATABASE_FAULTS):
        await frozen.__aexit__(type(fault.value), fault.value, None)
    await other.close()
    await database.close()


async def test_a_socket_that_nobody_listens_on_is_named_by_its_folder(tmp_path: Path) -> None:
    with pytest.raises(
        pools.UnreachableServer, match=rf"the socket in {tmp_path} \(database outrider\)"
    ) as told:
        await pools.check_server(f"postgresql://ada:secret@/outrider?host={tmp_path}")

    assert "secret" not in str(told.value)
