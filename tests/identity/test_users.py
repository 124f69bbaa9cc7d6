"""Users and platform users made by hand."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from outrider.core.errors import Forbidden, NotFound, ResourceExists, ValidationError
from outrider.identity.merging import merge_users
from outrider.identity.platform_users import create_platform_user, get_platform_user, update_platform_user
from outrider.identity.users import create_user, get_user, update_user
from outrider.identity.values import NewPlatformUser, PlatformUserChanges
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.runtime.parts import Runtime
from outrider.tenancy.actors import Scope
from tests.identity.people import Town
from tests.running import listening, subscribe, until
from tests.tenants import new_tenant


async def test_a_created_user_can_be_read_and_is_told(town: Town) -> None:
    user = await create_user(town.runtime.identity, town.tenant.actor, name="  Ada ")

    assert user.name == "Ada"
    assert not user.is_system
    assert await get_user(town.runtime.identity, town.tenant.actor, user.id) == user
    (event,) = await town.events("system.user.created")
    assert event["payload"]["user_id"] == str(user.id)
    assert event["payload"]["name"] == "Ada"
    assert event["edges"] == [f"user {user.id}"]


async def test_a_user_needs_no_name(town: Town) -> None:
    assert (await create_user(town.runtime.identity, town.tenant.actor)).name is None


async def test_a_user_is_renamed_once(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    user = await create_user(context, actor, name="Ada")

    for _ in range(2):
        assert (await update_user(context, actor, user.id, name="Grace")).name == "Grace"

    assert (await get_user(context, actor, user.id)).name == "Grace"
    assert [event["payload"]["name"] for event in await town.events("system.user.updated")] == ["Grace"]


async def test_a_name_can_be_taken_away(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    user = await create_user(context, actor, name="Ada")

    await update_user(context, actor, user.id, name=None)

    assert (await get_user(context, actor, user.id)).name is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\0b", "\ud800"])
async def test_a_name_that_cannot_be_shown_is_refused(town: Town, name: str) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    before = await town.count()

    with pytest.raises(ValidationError):
        await create_user(context, actor, name=name)
    with pytest.raises(ValidationError):
        await update_user(context, actor, uuid4(), name=name)

    assert await town.count() == before


async def test_a_system_user_cannot_be_renamed(town: Town) -> None:
    entry = await town.runtime.directories.connections.get(town.tenant.application_id, town.here)
    assert entry is not None

    with pytest.raises(ValidationError):
        await update_user(
            town.runtime.identity, town.tenant.actor, entry.system_user.user_id, name="Somebody"
        )


async def test_a_foreign_user_is_a_missing_one(town: Town, runtime: Runtime) -> None:
    stranger = await new_tenant(runtime.tenancy)
    user = await create_user(runtime.identity, town.tenant.actor, name="Ada")
    person = await town.person("ada")

    for missing in (user.id, uuid4()):
        with pytest.raises(NotFound):
            await get_user(runtime.identity, stranger.actor, missing)
        with pytest.raises(NotFound):
            await update_user(runtime.identity, stranger.actor, missing, name="Eve")
    with pytest.raises(NotFound):
        await get_platform_user(runtime.identity, stranger.actor, person.id)
    with pytest.raises(NotFound):
        await create_platform_user(
            runtime.identity, stranger.actor, NewPlatformUser(connection_id=town.here, external_id="eve")
        )
    with pytest.raises(NotFound):
        await merge_users(runtime.identity, stranger.actor, user.id, person.user_id)


async def test_a_platform_user_has_the_ids_that_a_message_would_give_it(town: Town) -> None:
    person = await town.person("ada")
    request = SendRequest(connection_id=town.here, recipient="ada", text="Hello", wait=False)

    sent = await send_message(town.runtime.sending, town.tenant.actor, request)

    edges = await town.events("message.outbound")
    assert edges[0]["id"] == sent.event_id
    assert f"sent_to {person.id}" in edges[0]["edges"]
    found = await get_platform_user(town.runtime.identity, town.tenant.actor, person.id)
    assert found == person


async def test_a_platform_user_of_a_known_user_stays_with_it_and_makes_no_other(town: Town) -> None:
    user = await create_user(town.runtime.identity, town.tenant.actor, name="Ada")
    person = await town.person("ada", connection=town.there, user_id=user.id)

    await town.write("ada", "Hi")

    assert await town.owner_of(person) == user.id
    shown = await town.database.fetch(
        """select id from users where application_id = $1 and not is_system and merged_into_id is null""",
        town.tenant.application_id,
    )
    assert [row["id"] for row in shown] == [user.id]


async def test_a_known_external_id_is_refused_with_what_it_is(town: Town) -> None:
    await town.person("+49 30 1234567")
    before = await town.count()

    with pytest.raises(ResourceExists) as refusal:
        await town.person("+49301234567")

    assert refusal.value.details == {
        "external_id": "+49301234567",
        "platform_connection_id": str(town.here),
    }
    assert await town.count() == before
    assert (await town.person("+49301234567", connection=town.there)).external_id == "+49301234567"


async def test_somebody_who_wrote_is_known(town: Town) -> None:
    await town.write("ada", "Hi", connection=town.here)

    with pytest.raises(ResourceExists):
        await town.person("ada")


async def test_of_many_who_create_the_same_platform_user_one_does(town: Town) -> None:
    ends = await asyncio.gather(
        *(town.person("ada") for _ in range(8)),
        *(town.write("ada", f"Hi {number}", connection=town.here) for number in range(8)),
        return_exceptions=True,
    )

    made = [end for end in ends[:8] if not isinstance(end, BaseException)]
    assert len(made) <= 1
    assert all(isinstance(end, ResourceExists) for end in ends[:8] if isinstance(end, BaseException))
    assert ends[8:] == [None] * 8
    people = await town.database.fetchval(
        "select count(*) from platform_users where application_id = $1 and external_id = 'ada'",
        town.tenant.application_id,
    )
    assert people == 1


@pytest.mark.parametrize(
    "change",
    [
        {"external_id": ""},
        {"external_id": "a\0b"},
        {"external_id": "x" * 10_000},
        {"external_id": "\ud800"},
        {"name": "\0"},
        {"profile_picture_url": "javascript:alert(1)"},
        {"profile_picture_url": "https://"},
        {"profile_picture_url": "https://[::1"},
        {"profile_picture_url": "https://x/" + "y" * 2_000},
    ],
)
async def test_a_platform_user_that_cannot_be_is_refused(town: Town, change: dict[str, str]) -> None:
    new = replace(NewPlatformUser(connection_id=town.here, external_id="ada"), **change)  # type: ignore[arg-type]
    before = await town.count()

    with pytest.raises(ValidationError):
        await create_platform_user(town.runtime.identity, town.tenant.actor, new)

    assert await town.count() == before


async def test_a_platform_user_is_changed_and_told_once(town: Town) -> None:
    context, actor = town.runtime.identity, town.tenant.actor
    person = await town.person("ada")
    picture = PlatformUserChanges(profile_picture_url="https://example.com/ada.png")

    for _ in range(2):
        changed = await update_platform_user(context, actor, person.id, picture)
    named = await update_platform_user(context, actor, person.id, PlatformUserChanges(name=" Ada "))
    bare = await update_platform_user(
        context, actor, person.id, PlatformUserChanges(profile_picture_url=None)
    )

    assert changed == replace(person, profile_picture_url="https://example.com/ada.png")
    assert named == replace(changed, name="Ada")
    assert bare == replace(named, profile_picture_url=None)
    assert await get_platform_user(context, actor, person.id) == bare
    told = await town.events("system.platform_user.updated")
    assert [(one["payload"]["name"], one["payload"]["profile_picture_url"]) for one in told] == [
        (person.name, "https://example.com/ada.png"), ("Ada", "https://example.com/ada.png"), ("Ada", None)
    ]  # fmt: skip
    assert told[0]["edges"] == [f"platform_user {person.id}", f"user {person.user_id}"]


async def test_who_may_not_be_changed_is_left_alone(town: Town, runtime: Runtime) -> None:
    stranger = await new_tenant(runtime.tenancy)
    person = await town.person("ada")
    entry = await town.runtime.directories.connections.get(town.tenant.application_id, town.here)
    assert entry is not None
    named, before = PlatformUserChanges(name="Eve"), await town.count()

    for missing in (person.id, uuid4()):
        with pytest.raises(NotFound):
            await update_platform_user(runtime.identity, stranger.actor, missing, named)
    with pytest.raises(ValidationError):
        await update_platform_user(
            runtime.identity, town.tenant.actor, entry.system_user.platform_user_id, named
        )
    for wrong in (
        PlatformUserChanges(name="\0"),
        PlatformUserChanges(profile_picture_url="javascript:alert(1)"),
    ):
        with pytest.raises(ValidationError):
            await update_platform_user(runtime.identity, town.tenant.actor, person.id, wrong)

    assert await town.count() == before
    assert await get_platform_user(runtime.identity, town.tenant.actor, person.id) == person


async def test_a_platform_user_of_an_unknown_user_is_refused(town: Town) -> None:
    with pytest.raises(NotFound) as refusal:
        await town.person("ada", user_id=uuid4())

    assert refusal.value.details["resource_type"] == "User"


async def test_each_operation_needs_its_scope(town: Town) -> None:
    actor = replace(town.tenant.actor, scopes=frozenset({Scope.EVENTS_WRITE}))
    reader = replace(town.tenant.actor, scopes=frozenset({Scope.USERS_READ}))
    user = await create_user(town.runtime.identity, town.tenant.actor, name="Ada")

    for one in (actor, reader):
        with pytest.raises(Forbidden):
            await create_user(town.runtime.identity, one, name="Eve")
        with pytest.raises(Forbidden):
            await update_user(town.runtime.identity, one, user.id, name="Eve")
        with pytest.raises(Forbidden):
            await create_platform_user(
                town.runtime.identity, one, NewPlatformUser(connection_id=town.here, external_id="eve")
            )
        with pytest.raises(Forbidden):
            await update_platform_user(town.runtime.identity, one, user.id, PlatformUserChanges())
    with pytest.raises(Forbidden):
        await get_user(town.runtime.identity, actor, user.id)
    assert (await get_user(town.runtime.identity, reader, user.id)).name == "Ada"


async def test_a_subscription_hears_of_people(town: Town) -> None:
    async with listening() as sink:
        await subscribe(town.runtime, town.tenant, f"{sink.url}/hook", "system.platform_user.created")

        person = await town.person("ada")

        await until(lambda: len(sink.at("/hook")) == 1)
        assert str(person.id).encode() in sink.at("/hook")[0].body
