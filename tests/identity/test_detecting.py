"""Link codes in what people write: redeemed with the message, in one commit, or not at all."""

import asyncio
from pathlib import Path

import pytest

from outrider.core.errors import Unavailable
from outrider.identity.activating import MOST_MISSES
from outrider.identity.code_texts import new_code
from outrider.identity.link_codes import generate_link_code
from outrider.identity.values import LinkCode, PlatformUser
from outrider.runtime.verifying import verify
from tests.identity.people import Town, town_of
from tests.running import listening, new_database, proxied, running, subscribe, until
from tests.tenants import new_tenant

ALL = ("message.inbound", "link_code.activation", "user.merged")


async def drawn(town: Town, person: PlatformUser, *, max_uses: int = 1) -> LinkCode:
    return await generate_link_code(town.runtime.identity, town.tenant.actor, person.id, max_uses=max_uses)


async def user_of(town: Town, external_id: str) -> object:
    return await town.database.fetchval(
        "select user_id from platform_users where application_id = $1 and connection_id = $2 and external_id = $3",
        town.tenant.application_id,
        town.there,
        external_id,
    )


async def test_who_writes_a_code_is_known_from_then_on(town: Town) -> None:
    await town.detect()
    owner = await town.person("ada")
    code = await drawn(town, owner)

    await town.write("ada.there", f"Here it is: {code.code}. Thanks!")

    message, activation, merge = await town.events(*ALL)
    assert [event["event_type"] for event in (message, activation, merge)] == list(ALL)
    assert activation["origin_event_id"] == message["id"]
    assert activation["payload"]["link_code_event_id"] == str(code.event_id)
    assert merge["origin_event_id"] == activation["id"]
    assert await user_of(town, "ada.there") == owner.user_id


async def test_somebody_known_before_is_linked_too(town: Town) -> None:
    await town.detect()
    owner = await town.person("ada")
    await town.write("ada.there", "Hi")

    await town.write("ada.there", (await drawn(town, owner)).code)

    assert await user_of(town, "ada.there") == owner.user_id
    assert len(await town.events("message.inbound")) == 2


async def test_message_and_redemption_are_one_commit(town: Town) -> None:
    await town.detect()
    code = await drawn(town, await town.person("ada"))

    await town.write("ada.there", code.code)

    commits = await town.database.fetch(
        """select xmin::text from events where application_id = $1 and event_type = any ($2)
        union all select xmin::text from link_codes where application_id = $1
        union all select xmin::text from platform_users where application_id = $1 and external_id = 'ada.there'""",
        town.tenant.application_id,
        list(ALL),
    )
    assert len(commits) == 5
    assert len({row["xmin"] for row in commits}) == 1


async def test_without_the_setting_a_code_is_only_text(town: Town) -> None:
    code = await drawn(town, await town.person("ada"))

    await town.write("ada.there", code.code)
    await town.detect(is_wanted=False)
    await town.write("ada.there", code.code)

    assert len(await town.events("message.inbound")) == 2
    assert await town.events("link_code.activation", "user.merged") == []


async def test_a_repeated_message_redeems_once(town: Town) -> None:
    await town.detect()
    code = await drawn(town, await town.person("ada"), max_uses=10)

    for _ in range(3):
        await town.write("ada.there", code.code, message_id="m-1")
    await asyncio.gather(
        *(town.write("bob.there", code.code, message_id="m-2") for _ in range(5)),
    )

    assert len(await town.events("message.inbound")) == 2
    assert len(await town.events("link_code.activation")) == 2
    uses = await town.database.fetchval("select uses from link_codes where code = $1", code.code)
    assert uses == 2


async def test_a_repeated_guess_counts_once(town: Town) -> None:
    await town.detect()
    guess = new_code()

    for _ in range(MOST_MISSES + 1):
        await town.write("eve", guess, message_id="m-1")

    assert await town.events("system.link_code.blocked") == []


async def test_a_bad_code_changes_nothing_but_is_a_message(town: Town) -> None:
    await town.detect()
    owner = await town.person("ada")
    spent, expired, own = await drawn(town, owner), await drawn(town, owner), await drawn(town, owner)
    await town.write("first", spent.code)
    await town.database.execute(
        "update link_codes set expires_at = clock_timestamp() where code = $1", expired.code
    )

    for number, text in enumerate((spent.code, expired.code, new_code(), "1234-5678-9012-3456")):
        await town.write("late", f"{text}", message_id=f"m-{number}")
    await town.write("ada", own.code, connection=town.here)

    assert len(await town.events("message.inbound")) == 6
    assert len(await town.events("link_code.activation")) == 1
    assert await user_of(town, "late") != owner.user_id


async def test_who_guesses_is_ignored_but_still_heard(town: Town) -> None:
    await town.detect()
    code = await drawn(town, await town.person("ada"))

    for _ in range(MOST_MISSES):
        await town.write("eve", new_code())
    await town.write("eve", code.code)

    assert len(await town.events("message.inbound")) == MOST_MISSES + 1
    assert await town.events("link_code.activation") == []
    message, blocked = (await town.events("message.inbound", "system.link_code.blocked"))[
        MOST_MISSES - 1 : MOST_MISSES + 1
    ]
    assert blocked["event_type"] == "system.link_code.blocked"
    assert blocked["origin_event_id"] == message["id"]


async def test_a_code_among_other_messages_keeps_their_order(town: Town) -> None:
    await town.detect()
    code = await drawn(town, await town.person("ada"))

    await town.write("ada.there", "one", code.code, "three")

    texts = [event["payload"]["message"]["text"] for event in await town.events("message.inbound")]
    assert texts == ["one", code.code, "three"]
    assert len(await town.events("link_code.activation")) == 1


async def test_one_message_is_one_guess(town: Town) -> None:
    await town.detect()

    await town.write("eve", " ".join(new_code() for _ in range(50)))

    missed = await town.database.fetchval(
        "select cardinality(missed_at) from link_code_misses where application_id = $1",
        town.tenant.application_id,
    )
    assert missed == 1


async def test_of_many_who_write_one_code_at_once_one_is_linked(town: Town, dsn: str, tmp_path: Path) -> None:
    await town.detect()
    owner = await town.person("ada")
    code = await drawn(town, owner)

    async with running(dsn, tmp_path, role="api") as other:
        beside = Town(other, town.tenant, town.here, town.there, town.database)
        await asyncio.gather(
            *((town, beside)[number % 2].write(f"face {number}", code.code) for number in range(12)),
            *((town, beside)[number % 2].write(f"face {number}", "Hi") for number in range(12)),
        )

    assert len(await town.events("message.inbound")) == 24
    assert len(await town.events("link_code.activation")) == 1
    linked = await town.database.fetchval(
        "select count(*) from platform_users where application_id = $1 and user_id = $2",
        town.tenant.application_id,
        owner.user_id,
    )
    assert linked == 2
    assert await town.flaws() == {}


async def test_subscriptions_hear_of_the_message_and_of_the_link(town: Town) -> None:
    await town.detect()
    async with listening() as sink:
        await subscribe(town.runtime, town.tenant, f"{sink.url}/all", *ALL)
        code = await drawn(town, await town.person("ada"))

        await town.write("ada.there", code.code)

        await until(lambda: len(sink.at("/all")) == 3)


async def test_an_interrupted_message_is_written_whole_by_its_repeat(dsn: str, tmp_path: Path) -> None:
    async with (
        new_database(dsn, "interrupted") as own,
        proxied(own) as proxy,
        running(proxy.dsn, tmp_path, role="api") as runtime,
        town_of(runtime, await new_tenant(runtime.tenancy), own) as town,
    ):
        await town.detect()
        owner = await town.person("ada")
        code = await drawn(town, owner)
        await town.write("other", "so that the connection is known")
        before = await town.count()
        transaction = town.database.transaction()
        await transaction.start()
        await town.database.execute("select pg_advisory_xact_lock(7305002)")
        writing = asyncio.create_task(town.write("ada.there", code.code, message_id="m-1"))
        await until(lambda: _appends_wait(town))
        await town.database.execute(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 7305002 "
            "and not granted"
        )
        await transaction.rollback()

        with pytest.raises(Unavailable):
            await writing
        assert await town.count() == before
        assert await user_of(town, "ada.there") is None

        for _ in range(2):
            await town.write("ada.there", code.code, message_id="m-1")

        assert await town.count() == before + 3
        assert await user_of(town, "ada.there") == owner.user_id
        assert await verify(own) == {}


async def _appends_wait(town: Town) -> bool:
    found: bool = await town.database.fetchval(
        "select exists (select from pg_locks where locktype = 'advisory' and objid = 7305002 and not granted)"
    )
    return found
