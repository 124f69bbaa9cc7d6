"""Two users become one: what was written stays, who wrote it is one user."""

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from outrider.core.errors import Forbidden, NotFound, ValidationError
from outrider.identity.merging import merge_users
from outrider.identity.users import create_user, get_user
from outrider.tenancy.actors import Scope
from tests.identity.people import Town, town_of
from tests.running import listening, new_database, proxied, running, subscribe, until
from tests.tenants import new_tenant


async def test_a_merge_gives_the_source_s_faces_to_the_target(town: Town) -> None:
    here, there = await town.person("ada"), await town.person("ada", connection=town.there)

    merge = await merge_users(town.runtime.identity, town.tenant.actor, there.user_id, here.user_id)

    assert merge.user_id == here.user_id
    assert merge.merged_platform_user_ids == (there.id,)
    assert await town.owner_of(there) == await town.owner_of(here) == here.user_id
    (event,) = await town.events("user.merged")
    assert event["id"] == merge.event_id
    assert event["payload"] == {
        "source_user_id": str(there.user_id),
        "target_user_id": str(here.user_id),
        "merged_platform_users": [str(there.id)],
    }
    assert event["edges"] == []


async def test_the_target_keeps_its_name_and_an_absorbed_id_leads_to_it(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    source = await create_user(context, actor, name="Ada L.")
    target = await create_user(context, actor, name="Ada")

    await merge_users(context, actor, source.id, target.id)

    assert await get_user(context, actor, source.id) == target
    assert await get_user(context, actor, target.id) == target


async def test_a_merge_rewrites_no_event_and_no_edge(town: Town) -> None:
    await town.write("ada", "Hi", connection=town.here)
    await town.write("ada", "Hi", connection=town.there)
    before = await town.events("message.inbound")
    users = await town.database.fetch(
        "select user_id from platform_users where application_id = $1 and external_id = 'ada'",
        town.tenant.application_id,
    )

    await merge_users(town.runtime.identity, town.tenant.actor, users[0]["user_id"], users[1]["user_id"])

    assert await town.events("message.inbound") == before


async def test_what_an_absorbed_user_writes_later_belongs_to_the_kept_one(town: Town) -> None:
    here, there = await town.person("ada"), await town.person("ada", connection=town.there)
    await merge_users(town.runtime.identity, town.tenant.actor, there.user_id, here.user_id)

    await town.write("ada", "It is me")

    assert await town.owner_of(there) == here.user_id


async def test_a_repeated_merge_changes_nothing(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    here, there = await town.person("ada"), await town.person("ada", connection=town.there)
    await merge_users(context, actor, there.user_id, here.user_id)
    before = await town.count()

    for source, target in ((there.user_id, here.user_id), (here.user_id, there.user_id)):
        again = await merge_users(context, actor, source, target)
        assert (again.user_id, again.event_id) == (here.user_id, None)

    assert await town.count() == before


async def test_a_chain_of_merges_leads_to_its_end(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    people = [await town.person(name) for name in ("ada", "bob", "eve", "joe")]

    for source, target in pairwise(people):
        await merge_users(context, actor, source.user_id, target.user_id)

    assert {await town.owner_of(person) for person in people} == {people[-1].user_id}
    for person in people:
        assert (await get_user(context, actor, person.user_id)).id == people[-1].user_id


async def test_merges_at_once_and_in_circles_end_in_one_user(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    people = [await town.person(f"person {number}") for number in range(6)]
    pairs = [(people[one].user_id, people[(one + 1) % 6].user_id) for one in range(6)]

    await asyncio.gather(
        *(merge_users(context, actor, *pair) for pair in pairs),
        *(merge_users(context, actor, target, source) for source, target in pairs),
        *(town.write(f"person {number}", "Hi", connection=town.here) for number in range(6)),
    )

    assert len({await town.owner_of(person) for person in people}) == 1
    assert len(await town.events("user.merged")) == 5
    assert await town.flaws() == {}


async def test_a_user_is_not_merged_into_itself(town: Town) -> None:
    person = await town.person("ada")

    with pytest.raises(ValidationError):
        await merge_users(town.runtime.identity, town.tenant.actor, person.user_id, person.user_id)


async def test_a_system_user_is_not_merged(town: Town) -> None:
    person = await town.person("ada")
    entry = await town.runtime.directories.connections.get(town.tenant.application_id, town.here)
    assert entry is not None
    system = entry.system_user.user_id

    for pair in ((system, person.user_id), (person.user_id, system)):
        with pytest.raises(ValidationError):
            await merge_users(town.runtime.identity, town.tenant.actor, *pair)

    assert await town.events("user.merged") == []


async def test_a_foreign_user_is_a_missing_one(town: Town) -> None:
    person = await town.person("ada")
    stranger = await new_tenant(town.runtime.tenancy)
    foreign = await create_user(town.runtime.identity, stranger.actor, name="Eve")

    for other in (foreign.id, uuid4()):
        for pair in ((other, person.user_id), (person.user_id, other)):
            with pytest.raises(NotFound) as refusal:
                await merge_users(town.runtime.identity, town.tenant.actor, *pair)
            assert refusal.value.details == {"resource_type": "User", "resource_id": str(other)}


async def test_merging_needs_its_scope(town: Town) -> None:
    actor = replace(town.tenant.actor, scopes=frozenset({Scope.USERS_READ, Scope.EVENTS_WRITE}))

    with pytest.raises(Forbidden):
        await merge_users(town.runtime.identity, actor, uuid4(), uuid4())


async def test_subscriptions_hear_of_merges(town: Town) -> None:
    async with listening() as sink:
        await subscribe(town.runtime, town.tenant, f"{sink.url}/users", "user.*")
        here, there = await town.person("ada"), await town.person("ada", connection=town.there)

        merge = await merge_users(town.runtime.identity, town.tenant.actor, there.user_id, here.user_id)

        await until(lambda: bool(sink.at("/users")))
        (heard,) = sink.at("/users")
        body = json.loads(heard.body)
        assert body["event_id"] == str(merge.event_id)
        assert body["event_type"] == "user.merged"
        assert body["payload"]["merged_platform_users"] == [str(there.id)]


async def test_a_deadlock_with_somebody_else_is_overcome(town: Town) -> None:
    here, there = await town.person("ada"), await town.person("ada", connection=town.there)
    transaction = town.database.transaction()
    await transaction.start()
    await town.database.execute("select from users where id = $1 for update", there.user_id)
    merging = asyncio.create_task(
        merge_users(town.runtime.identity, town.tenant.actor, there.user_id, here.user_id)
    )
    await asyncio.sleep(0.2)

    # the merge holds this row and waits for the one above; the first who waited is chosen to give way
    await town.database.execute("select from platform_users where id = $1 for update", there.id)
    await transaction.commit()

    assert (await merging).merged_platform_user_ids == (there.id,)
    assert await town.owner_of(there) == here.user_id


# Holds every commit that absorbs a user back until the lock is free.
_HOLD_COMMITS = """
create function hold_commit() returns trigger language plpgsql as $$
begin perform pg_advisory_xact_lock_shared(99); return null; end $$;
create constraint trigger held after update on users deferrable initially deferred
  for each row execute function hold_commit();
"""


async def test_a_merge_whose_answer_was_lost_is_answered(dsn: str, tmp_path: Path) -> None:
    async with (
        new_database(dsn, "lost_answer") as own,
        proxied(own) as proxy,
        running(proxy.dsn, tmp_path, role="api") as runtime,
    ):
        tenant = await new_tenant(runtime.tenancy)
        async with town_of(runtime, tenant, own) as town:
            here, there = await town.person("ada"), await town.person("ada", connection=town.there)
            await town.database.execute(_HOLD_COMMITS)
            await town.database.execute("select pg_advisory_lock(99)")

            merging = asyncio.create_task(
                merge_users(runtime.identity, tenant.actor, there.user_id, here.user_id)
            )
            await until(lambda: _somebody_waits(town, 99))
            proxy.passes.clear()
            await town.database.execute("select pg_advisory_unlock(99)")
            await until(lambda: _is_merged(town))
            proxy.cut()
            proxy.passes.set()
            merge = await merging

            assert merge.user_id == here.user_id
            assert [event["id"] for event in await town.events("user.merged")] == [merge.event_id]


async def _somebody_waits(town: Town, lock: int) -> bool:
    found: bool = await town.database.fetchval(
        "select exists (select from pg_locks where locktype = 'advisory' and objid = $1 and not granted)",
        lock,
    )
    return found


async def _is_merged(town: Town) -> bool:
    return bool(await town.events("user.merged"))
