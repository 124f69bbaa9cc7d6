"""Read keys: made and shown once, stored as hashes, limited, refused once they end, and seen when they are used."""

import asyncio
import re
from datetime import timedelta

import pytest

from outrider.core.errors import Forbidden, NotFound, Unauthorized, ValidationError
from outrider.core.hashing import hash_secret
from outrider.runtime.parts import Runtime
from outrider.tenancy.caching import HARD_SECONDS
from outrider.tenancy.key_uses import KeyUses
from outrider.tenancy.read_keys import (
    NewReadKey,
    Reader,
    ReadKeyDirectory,
    ReadScope,
    create_read_key,
    list_read_keys,
    revoke_read_key,
)
from tests.tenants import Tenant


async def test_a_key_has_the_form_of_the_contract_and_only_its_hash_is_stored(
    runtime: Runtime, tenant: Tenant
) -> None:
    created = await create_read_key(runtime.tenancy, tenant.organisation_id, NewReadKey(name=" CRM "))

    row = await runtime.database.system.fetchrow("select * from read_keys where id = $1", created.id)
    (listed,) = await list_read_keys(runtime.tenancy, tenant.organisation_id)

    assert re.fullmatch("obk_live_[0-9a-f]{32}", created.token)
    assert created.token not in repr(created)
    assert row is not None
    assert row["secret_hash"] == hash_secret(created.token)
    assert created.token[9:] not in repr(row)
    assert (listed.name, listed.masked_token) == ("CRM", f"obk_live_…{created.token[-4:]}")
    assert listed.scopes == [scope.value for scope in ReadScope]


@pytest.mark.parametrize("scopes", [[], ["contacts.write"], ["contacts.read", "*"]])
async def test_scopes_that_there_are_not_are_refused(
    runtime: Runtime, tenant: Tenant, scopes: list[str]
) -> None:
    with pytest.raises(ValidationError, match=r"allowed are contacts\.read, lists\.read"):
        await create_read_key(runtime.tenancy, tenant.organisation_id, NewReadKey(name="x", scopes=scopes))

    assert await list_read_keys(runtime.tenancy, tenant.organisation_id) == []


async def test_a_reader_has_the_keys_scopes(runtime: Runtime, tenant: Tenant) -> None:
    new = NewReadKey(name="x", scopes=["lists.read"])
    created = await create_read_key(runtime.tenancy, tenant.organisation_id, new)

    reader = await runtime.directories.read_keys.authenticate(created.token)

    assert reader == Reader(tenant.organisation_id, created.id, frozenset({"lists.read"}))
    reader.require(ReadScope.LISTS)
    with pytest.raises(Forbidden):
        reader.require(ReadScope.CONTACTS)


async def test_a_revoked_key_is_refused_within_a_second(runtime: Runtime, tenant: Tenant) -> None:
    created = await create_read_key(runtime.tenancy, tenant.organisation_id, NewReadKey(name="x"))
    await runtime.directories.read_keys.authenticate(created.token)

    await revoke_read_key(runtime.tenancy, tenant.organisation_id, created.id)

    async with asyncio.timeout(1):
        while True:
            try:
                await runtime.directories.read_keys.authenticate(created.token)
            except Unauthorized:
                break
            await asyncio.sleep(0.01)


async def test_a_revoked_key_is_refused_soon_though_nobody_tells(runtime: Runtime, tenant: Tenant) -> None:
    deaf = ReadKeyDirectory(runtime.database, runtime.tenancy.ids)
    created = await create_read_key(runtime.tenancy, tenant.organisation_id, NewReadKey(name="x"))
    await deaf.authenticate(created.token)

    await revoke_read_key(runtime.tenancy, tenant.organisation_id, created.id)

    assert HARD_SECONDS < 5
    await asyncio.sleep(HARD_SECONDS)
    with pytest.raises(Unauthorized):
        await deaf.authenticate(created.token)


async def test_a_key_ends_by_itself_also_while_it_is_remembered(runtime: Runtime, tenant: Tenant) -> None:
    soon = runtime.tenancy.ids.now() + timedelta(seconds=0.4)
    new = NewReadKey(name="x", expires_at=soon)
    created = await create_read_key(runtime.tenancy, tenant.organisation_id, new)
    await runtime.directories.read_keys.authenticate(created.token)

    await asyncio.sleep(0.5)

    with pytest.raises(Unauthorized):
        await runtime.directories.read_keys.authenticate(created.token)
    with pytest.raises(ValidationError, match="future"):
        await create_read_key(runtime.tenancy, tenant.organisation_id, new)


async def test_another_organisations_key_cannot_be_revoked(runtime: Runtime, tenant: Tenant) -> None:
    created = await create_read_key(runtime.tenancy, tenant.organisation_id, NewReadKey(name="x"))
    foreign = runtime.tenancy.ids.new()

    with pytest.raises(NotFound):
        await revoke_read_key(runtime.tenancy, foreign, created.id)

    await runtime.directories.read_keys.authenticate(created.token)


async def test_replacing_a_key_revokes_its_namesakes(runtime: Runtime, tenant: Tenant) -> None:
    organisation_id = tenant.organisation_id
    old = await create_read_key(runtime.tenancy, organisation_id, NewReadKey(name="x"))
    await create_read_key(runtime.tenancy, organisation_id, NewReadKey(name="y"))
    await create_read_key(runtime.tenancy, organisation_id, NewReadKey(name="x"), is_replacing=True)

    keys = await list_read_keys(runtime.tenancy, organisation_id)

    assert [key.id for key in keys if key.revoked_at is not None] == [old.id]


async def test_many_uses_of_many_keys_are_one_statement(runtime: Runtime, tenant: Tenant) -> None:
    organisation_id, pool = tenant.organisation_id, runtime.database.system
    created = [
        await create_read_key(runtime.tenancy, organisation_id, NewReadKey(name=f"{n}")) for n in range(3)
    ]
    uses = KeyUses(pool, runtime.tenancy.ids.now)
    for _ in range(500):
        for one in created[:2]:
            uses.note(Reader(organisation_id, one.id, frozenset()))

    assert [one.last_used_at for one in await list_read_keys(runtime.tenancy, organisation_id)] == [None] * 3
    written = "select count(distinct xmin::text) from read_keys where organisation_id = $1 and last_used_at is not null"
    await uses.write()
    used = [one.last_used_at for one in await list_read_keys(runtime.tenancy, organisation_id)]

    assert used[0] is not None
    assert used[1] is not None
    assert used[2] is None
    assert await pool.fetchval(written, organisation_id) == 1
    before = await pool.fetchval("select xmin::text from read_keys where id = $1", created[0].id)
    await uses.write()
    assert await pool.fetchval("select xmin::text from read_keys where id = $1", created[0].id) == before


async def test_uses_that_cannot_be_written_are_written_later(runtime: Runtime, tenant: Tenant) -> None:
    organisation_id, pool = tenant.organisation_id, runtime.database.system
    created = await create_read_key(runtime.tenancy, organisation_id, NewReadKey(name="x"))
    uses = KeyUses(pool, runtime.tenancy.ids.now)
    uses.note(Reader(organisation_id, created.id, frozenset()))
    waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%read_keys%'"
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("select from read_keys where id = $1 for update", created.id)
        writing = asyncio.create_task(uses.write())
        async with asyncio.timeout(5):
            while not (pids := await pool.fetch(waiting)):
                await asyncio.sleep(0.02)
        for row in pids:
            await pool.execute("select pg_terminate_backend($1)", row["pid"])
        await writing

    await uses.write()

    (key,) = await list_read_keys(runtime.tenancy, organisation_id)
    assert key.last_used_at is not None
