"""Who lives, who has ended, and how late the database's clock seems."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from outrider.core.database.pools import open_database
from outrider.dispatch import leases as leasing
from outrider.dispatch.leases import Beat, LeaseLimits, Leases, boot_id, has_ended, start_ticks
from tests.running import QUICK, until

Database = asyncpg.Connection


def test_a_process_lives_until_it_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ticks = start_ticks(child.pid)
    assert ticks
    assert not has_ended(child.pid, ticks)
    # a pid that is another process's by now
    assert has_ended(child.pid, ticks + 1)
    child.kill()
    # dead, and nobody took note of it yet
    while Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
        os.sched_yield()
    assert has_ended(child.pid, ticks)
    child.communicate()
    assert has_ended(child.pid, ticks)


def test_a_process_that_cannot_be_looked_at_is_not_declared_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "start_ticks", lambda _pid: None)
    assert not has_ended(os.getpid(), 1)
    assert has_ended(2**22 - 1, 1)


async def leases_of(
    own_dsn: str, role: str = "all", limits: LeaseLimits = QUICK
) -> tuple[Leases, list[Beat], UUID]:
    database = await open_database(own_dsn)
    beats: list[Beat] = []
    process = uuid4()
    return Leases(database.system, process, role=role, on_beat=beats.append, limits=limits), beats, process


def ended_child() -> tuple[int, int | None]:
    """The pid of a process that has ended, and when it was started."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    ticks = start_ticks(child.pid)
    child.wait()
    return child.pid, ticks


async def test_the_shards_of_a_dead_neighbour_are_free_at_once(own_dsn: str, database: Database) -> None:
    dead = uuid4()
    await database.execute(
        "insert into processes (id, host, boot_id, pid, start_ticks, role) values ($1, 'h', $2, $3, $4, 'all')",
        dead,
        boot_id(),
        *ended_child(),
    )
    await database.execute("update shards set owner_id = $1", dead)
    leases, beats, process = await leases_of(own_dsn, limits=LeaseLimits())
    await leases.start()
    await leases.close()

    assert len(beats[0].owned) == 64
    # nothing of an ended process can be in flight
    assert not any(beats[0].taken.values())
    assert await database.fetchval("select count(*) from shards where owner_id is not null") == 0
    assert process not in {row["id"] for row in await database.fetch("select id from processes")}


async def test_a_process_of_another_machine_is_waited_for(own_dsn: str, database: Database) -> None:
    elsewhere = uuid4()
    await database.execute(
        "insert into processes (id, host, boot_id, pid, start_ticks, role) values ($1, 'h', 'another', 1, 1, 'all')",
        elsewhere,
    )
    await database.execute("update shards set owner_id = $1", elsewhere)
    leases, beats, _ = await leases_of(own_dsn)
    await leases.start()
    assert beats[0].owned == {}
    await until(lambda: len(beats[-1].owned) == 64, seconds=5)
    (taking,) = [beat for beat in beats if beat.taken]
    # it vanished: an attempt of it may still be under way
    assert all(taking.taken.values())
    await leases.close()


async def test_shards_are_shared_among_workers_only(own_dsn: str, database: Database) -> None:
    api, heard, _ = await leases_of(own_dsn, role="api")
    worker, worked, _ = await leases_of(own_dsn, role="worker")
    await api.start()
    await worker.start()
    await until(lambda: worked[-1].live_processes == 2)
    assert len(worked[-1].owned) == 64
    assert heard[-1].owned == {}
    await until(lambda: (worked[-1].live_workers, heard[-1].live_workers) == (1, 1))
    await api.close()
    await worker.close()


async def test_who_cannot_reach_the_database_fences_itself(own_dsn: str, database: Database) -> None:
    leases, beats, _ = await leases_of(own_dsn, limits=LeaseLimits(0.05, 10.0, 0.3))
    assert leases.is_fenced
    await leases.start()
    assert not leases.is_fenced
    async with database.transaction():
        await database.execute("select pg_advisory_xact_lock(7305003)")
        await until(lambda: leases.is_fenced)
    await until(lambda: not leases.is_fenced)
    assert len(beats[-1].owned) == 64
    await leases.close()


async def test_a_late_answer_does_not_set_the_clock_back(
    own_dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = leasing.cross_tenant.keep_shards
    delays = [0.0, 0.4]

    async def keep_late(*arguments: object, **named: object) -> object:
        rows = await keep(*arguments, **named)  # type: ignore[arg-type]
        await asyncio.sleep(delays.pop(0) if delays else 0.0)
        return rows

    monkeypatch.setattr(leasing.cross_tenant, "keep_shards", keep_late)
    leases, beats, _ = await leases_of(own_dsn)
    await leases.start()
    await until(lambda: len(beats) == 3)
    await leases.close()
    assert min(beat.offset_ms for beat in beats) == beats[0].offset_ms
