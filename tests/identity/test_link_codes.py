"""Link codes by a call: drawn, redeemed, refused, counted."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from outrider.core.errors import AppError, Forbidden, NotFound, ValidationError
from outrider.core.ids import time_of
from outrider.identity.activating import BLOCKED_FOR, MISSES_WITHIN, MOST_MISSES, activate_link_code
from outrider.identity.code_texts import is_code, new_code
from outrider.identity.errors import LinkCodeExhausted, LinkCodeExpired
from outrider.identity.link_codes import MOST_MINUTES, MOST_USES, generate_link_code
from outrider.identity.merging import merge_users
from outrider.identity.users import create_user
from outrider.identity.values import Activation, LinkCode, PlatformUser
from outrider.runtime.cross_tenant import delete_expired_keys
from outrider.tenancy.actors import Scope
from tests.identity.people import Town
from tests.running import listening, running, subscribe, until
from tests.tenants import new_tenant

IN_A_WHILE = "clock_timestamp() - interval '1 second'"


async def drawn(town: Town, person: PlatformUser, **limits: int) -> LinkCode:
    return await generate_link_code(town.runtime.identity, town.tenant.actor, person.id, **limits)


async def redeemed(town: Town, code: LinkCode | str, person: PlatformUser) -> Activation:
    text = code if isinstance(code, str) else code.code
    return await activate_link_code(town.runtime.identity, town.tenant.actor, text, person.id)


async def expire(town: Town, code: LinkCode) -> None:
    await town.database.execute(
        f"update link_codes set expires_at = {IN_A_WHILE} where application_id = $1 and code = $2",
        town.tenant.application_id,
        code.code,
    )


async def test_a_code_is_drawn_with_its_defaults_and_told(town: Town) -> None:
    person = await town.person("ada")

    code = await drawn(town, person)

    assert is_code(code.code)
    assert code.expires_at == time_of(code.event_id) + timedelta(minutes=15)
    (event,) = await town.events("link_code.generated")
    assert event["id"] == code.event_id
    assert event["payload"] == {
        "code": code.code,
        "expiry_minutes": 15,
        "max_uses": 1,
        "uses": 0,
        "generated_by_platform_user_id": str(person.id),
    }
    assert event["edges"] == [f"generated_by {person.id}"]


async def test_redeeming_gives_the_redeemer_to_the_owner_s_user(town: Town) -> None:
    owner, redeemer = await town.person("ada"), await town.person("ada", connection=town.there)
    code = await drawn(town, owner)

    activation = await redeemed(town, f" {code.code}\n", redeemer)

    assert await town.owner_of(owner) == await town.owner_of(redeemer) == owner.user_id
    event, merge = await town.events("link_code.activation", "user.merged")
    assert event["id"] == activation.event_id
    assert event["payload"] == {
        "code": code.code,
        "source_platform_user_id": str(owner.id),
        "target_platform_user_id": str(redeemer.id),
        "merged_user_id": str(owner.user_id),
        "link_code_event_id": str(code.event_id),
    }
    assert event["edges"] == [f"source {owner.id}", f"target {redeemer.id}"]
    assert event["origin_event_id"] == code.event_id
    assert merge["id"] == activation.merge_event_id
    assert merge["origin_event_id"] == event["id"]
    assert merge["payload"] == {
        "source_user_id": str(redeemer.user_id),
        "target_user_id": str(owner.user_id),
        "merged_platform_users": [str(redeemer.id)],
    }
    assert (activation.user_id, activation.absorbed_user_id) == (owner.user_id, redeemer.user_id)


async def test_all_of_the_redeemer_s_faces_move(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    owner, first = await town.person("ada"), await town.person("ada", connection=town.there)
    second = await town.person("ada 2", connection=town.there, user_id=first.user_id)
    third = await town.person("ada 3", connection=town.there)
    await merge_users(context, actor, third.user_id, first.user_id)

    activation = await redeemed(town, await drawn(town, owner), second)

    assert set(activation.merged_platform_user_ids) == {first.id, second.id, third.id}
    for person in (first, second, third):
        assert await town.owner_of(person) == owner.user_id


async def test_a_code_of_an_absorbed_user_leads_to_the_kept_one(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    owner, redeemer = await town.person("ada"), await town.person("ada", connection=town.there)
    code = await drawn(town, owner)
    kept = await create_user(context, actor, name="Ada")
    await merge_users(context, actor, owner.user_id, kept.id)

    assert (await redeemed(town, code, redeemer)).user_id == kept.id


async def test_a_code_counts_as_often_as_it_may(town: Town) -> None:
    owner = await town.person("ada")
    people = [await town.person(f"face {number}", connection=town.there) for number in range(3)]
    code = await drawn(town, owner, max_uses=2)

    for person in people[:2]:
        await redeemed(town, code, person)
    with pytest.raises(LinkCodeExhausted):
        await redeemed(town, code, people[2])

    assert await town.owner_of(people[2]) == people[2].user_id


async def test_an_expired_code_is_refused(town: Town) -> None:
    owner, redeemer = await town.person("ada"), await town.person("ada", connection=town.there)
    code = await drawn(town, owner)
    await expire(town, code)

    with pytest.raises(LinkCodeExpired):
        await redeemed(town, code, redeemer)

    assert await town.owner_of(redeemer) == redeemer.user_id
    assert await town.events("link_code.activation", "user.merged") == []


async def test_a_code_expires_when_its_minutes_are_over(town: Town) -> None:
    code = await drawn(town, await town.person("ada"), expiry_minutes=60)

    stored = await town.database.fetchval("select expires_at from link_codes where code = $1", code.code)
    assert stored == code.expires_at == time_of(code.event_id) + timedelta(hours=1)


async def test_one_s_own_code_and_that_of_one_s_own_user_are_refused_and_not_used_up(town: Town) -> None:
    owner = await town.person("ada")
    other = await town.person("ada", connection=town.there, user_id=owner.user_id)
    code = await drawn(town, owner)
    before = await town.count()

    for person in (owner, other):
        with pytest.raises(ValidationError):
            await redeemed(town, code, person)

    assert await town.count() == before
    await redeemed(town, code, await town.person("late", connection=town.there))


@pytest.mark.parametrize("text", ["", "hello", "1234-5678-9012-3456", "1234567890125924", "1" * 10_000])
async def test_what_is_no_code_is_refused_and_not_counted(town: Town, text: str) -> None:
    person = await town.person("ada")

    for _ in range(MOST_MISSES + 1):
        with pytest.raises(ValidationError) as refusal:
            await redeemed(town, text, person)
        assert refusal.value.details == {"path": "code"}

    assert await town.events("system.link_code.blocked") == []


async def test_a_code_of_another_application_does_not_exist(town: Town) -> None:
    code = await drawn(town, await town.person("ada"))
    stranger = await new_tenant(town.runtime.tenancy)
    person = await town.person("bob")

    with pytest.raises(NotFound) as foreign:
        await activate_link_code(town.runtime.identity, stranger.actor, code.code, person.id)
    assert foreign.value.details["resource_type"] == "PlatformUser"
    with pytest.raises(NotFound):
        await generate_link_code(town.runtime.identity, stranger.actor, person.id)
    with pytest.raises(NotFound) as unknown:
        await redeemed(town, "1234-5678-9012-5924", person)
    assert unknown.value.details == {"resource_type": "LinkCode", "resource_id": "1234-5678-9012-5924"}


async def test_an_unknown_platform_user_gets_and_redeems_no_code(town: Town) -> None:
    code = await drawn(town, await town.person("ada"))
    nobody = uuid4()

    with pytest.raises(NotFound):
        await generate_link_code(town.runtime.identity, town.tenant.actor, nobody)
    with pytest.raises(NotFound):
        await activate_link_code(town.runtime.identity, town.tenant.actor, code.code, nobody)


async def test_a_system_user_gets_and_redeems_no_code(town: Town) -> None:
    code = await drawn(town, await town.person("ada"))
    entry = await town.runtime.directories.connections.get(town.tenant.application_id, town.here)
    assert entry is not None
    system = entry.system_user.platform_user_id

    with pytest.raises(ValidationError):
        await generate_link_code(town.runtime.identity, town.tenant.actor, system)
    with pytest.raises(ValidationError):
        await activate_link_code(town.runtime.identity, town.tenant.actor, code.code, system)
    assert await town.events("user.merged") == []


@pytest.mark.parametrize(
    "limits",
    [
        {"expiry_minutes": 0},
        {"expiry_minutes": -1},
        {"expiry_minutes": MOST_MINUTES + 1},
        {"max_uses": 0},
        {"max_uses": MOST_USES + 1},
        {"max_uses": 2**40},
    ],
)
async def test_limits_that_make_no_sense_are_refused(town: Town, limits: dict[str, int]) -> None:
    person = await town.person("ada")
    before = await town.count()

    with pytest.raises(ValidationError):
        await drawn(town, person, **limits)

    assert await town.count() == before


async def test_codes_need_their_scope(town: Town) -> None:
    person = await town.person("ada")
    code = await drawn(town, person)
    actor = replace(town.tenant.actor, scopes=frozenset({Scope.EVENTS_WRITE, Scope.USERS_READ}))

    with pytest.raises(Forbidden):
        await generate_link_code(town.runtime.identity, actor, person.id)
    with pytest.raises(Forbidden):
        await activate_link_code(town.runtime.identity, actor, code.code, person.id)


async def test_whoever_guesses_is_ignored_for_a_while(town: Town) -> None:
    owner, guesser = await town.person("ada"), await town.person("eve", connection=town.there)
    code = await drawn(town, owner)

    for _ in range(MOST_MISSES):
        with pytest.raises(NotFound):
            await redeemed(town, new_code(), guesser)
    with pytest.raises(NotFound):
        await redeemed(town, code, guesser)

    (event,) = await town.events("system.link_code.blocked")
    assert event["payload"]["platform_user_id"] == str(guesser.id)
    assert event["payload"]["wrong_codes"] == MOST_MISSES
    assert event["edges"] == [f"blocked {guesser.id}"]
    # it is the guesser who is ignored, not the code
    await redeemed(town, code, await town.person("ada", connection=town.there))


async def test_somebody_ignored_is_heard_again_later(town: Town) -> None:
    owner, guesser = await town.person("ada"), await town.person("eve", connection=town.there)
    code = await drawn(town, owner)
    for _ in range(MOST_MISSES):
        with pytest.raises(NotFound):
            await redeemed(town, new_code(), guesser)
    left = await town.database.fetchval(
        "select blocked_until - clock_timestamp() from link_code_misses where platform_user_id = $1",
        guesser.id,
    )
    assert BLOCKED_FOR - timedelta(seconds=20) < left <= BLOCKED_FOR

    await town.database.execute(
        f"update link_code_misses set blocked_until = {IN_A_WHILE} where platform_user_id = $1", guesser.id
    )

    assert (await redeemed(town, code, guesser)).user_id == owner.user_id


async def test_guesses_of_long_ago_do_not_count(town: Town) -> None:
    guesser = await town.person("eve", connection=town.there)
    for _ in range(3):
        for _ in range(MOST_MISSES - 1):
            with pytest.raises(NotFound):
                await redeemed(town, new_code(), guesser)
        await town.database.execute(
            """update link_code_misses set missed_at = array(select t - $2::interval from unnest(missed_at) t)
            where platform_user_id = $1""",
            guesser.id,
            MISSES_WITHIN,
        )

    assert await town.events("system.link_code.blocked") == []
    kept = await town.database.fetchval(
        "select cardinality(missed_at) from link_code_misses where platform_user_id = $1", guesser.id
    )
    assert kept == MOST_MISSES - 1


async def test_a_code_with_one_use_is_redeemed_exactly_once_by_two_processes(
    town: Town, dsn: str, tmp_path: Path
) -> None:
    owner = await town.person("ada")
    people = [await town.person(f"face {number}", connection=town.there) for number in range(12)]
    async with running(dsn, tmp_path, role="api") as other:
        for _ in range(3):
            code = await drawn(town, owner)
            ends = await asyncio.gather(
                *(
                    activate_link_code(
                        (town.runtime, other)[number % 2].identity, town.tenant.actor, code.code, person.id
                    )
                    for number, person in enumerate(people)
                ),
                return_exceptions=True,
            )
            won = [end for end in ends if isinstance(end, Activation)]
            assert len(won) == 1
            lost = [end for end in ends if not isinstance(end, Activation)]
            # who was linked by an earlier code hears that the code is spent, or that it is linked
            assert {type(end) for end in lost} <= {LinkCodeExhausted, ValidationError}
            people = [person for person in people if person.id != won[0].target_platform_user_id]

    assert len(await town.events("link_code.activation")) == 3
    assert len(await town.events("user.merged")) == 3
    assert await town.flaws() == {}


async def test_a_code_with_several_uses_is_never_used_more_often(
    town: Town, dsn: str, tmp_path: Path
) -> None:
    owner = await town.person("ada")
    people = [await town.person(f"face {number}", connection=town.there) for number in range(10)]
    code = await drawn(town, owner, max_uses=4)
    async with running(dsn, tmp_path, role="api") as other:
        ends = await asyncio.gather(
            *(
                activate_link_code(
                    (town.runtime, other)[number % 2].identity, town.tenant.actor, code.code, person.id
                )
                for number, person in enumerate(people)
            ),
            return_exceptions=True,
        )

    assert sum(isinstance(end, Activation) for end in ends) == 4
    assert sum(isinstance(end, AppError) for end in ends) == 6
    assert len({await town.owner_of(person) for person in people}) == 7


async def test_subscriptions_hear_of_codes_in_the_order_of_the_log(town: Town) -> None:
    async with listening() as sink:
        await subscribe(town.runtime, town.tenant, f"{sink.url}/codes", "link_code.*", "user.merged")
        owner, redeemer = await town.person("ada"), await town.person("ada", connection=town.there)

        await redeemed(town, await drawn(town, owner), redeemer)

        await until(lambda: len(sink.at("/codes")) == 3)
        bodies = {json.loads(heard.body)["event_type"]: json.loads(heard.body) for heard in sink.at("/codes")}
        assert set(bodies) == {"link_code.generated", "link_code.activation", "user.merged"}
        target = bodies["link_code.activation"]["edges"]["target"]
        assert target["platform_user_id"] == str(redeemer.id)
        assert target["external_id"] == "ada"


async def test_codes_and_guesses_of_long_ago_are_forgotten(town: Town) -> None:
    person = await town.person("ada")
    old, fresh = await drawn(town, person), await drawn(town, person)
    with pytest.raises(NotFound):
        await redeemed(town, new_code(), person)
    await expire(town, fresh)
    await town.database.execute(
        "update link_codes set expires_at = expires_at - interval '31 days' where code = $1", old.code
    )
    await town.database.execute("update link_code_misses set changed_at = changed_at - interval '2 days'")

    await delete_expired_keys(town.runtime.database.system)

    left = await town.database.fetch(
        "select code from link_codes where application_id = $1", town.tenant.application_id
    )
    assert [row["code"] for row in left] == [fresh.code]
    assert await town.database.fetchval("select count(*) from link_code_misses") == 0
