"""Applications and connections configured while they are in use."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from outrider.core.errors import Forbidden, NotFound, ResourceExists, ValidationError
from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, ConnectionContext, Healthy, Unhealthy
from outrider.platforms.config import MASK
from outrider.platforms.registry import Registry
from outrider.platforms.telegram.adapter import TelegramAdapter
from outrider.tenancy.actors import Environment
from outrider.tenancy.application_directory import ApplicationDirectory
from outrider.tenancy.application_settings import (
    DEFAULT_SETTINGS,
    ApplicationChanges,
    ApplicationSettings,
    get_application,
    update_application,
)
from outrider.tenancy.checking_connections import CheckingContext, check_connection
from outrider.tenancy.connection_directory import ConnectionDirectory
from outrider.tenancy.connections import CreatedConnection, NewConnection, create_connection
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.managing_connections import (
    ConnectionChanges,
    Health,
    delete_connection,
    get_connection,
    list_connections,
    update_connection,
)
from tests.tenants import Tenant, actor_of, new_tenant

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
OTHER_TOKEN = "110201543:AAF-another_token_of_the_same_bot_1"


@pytest.fixture
def directory(tenancy: TenancyContext) -> ConnectionDirectory:
    return ConnectionDirectory(tenancy.database, tenancy.sealer, tenancy.registry)


async def telegram(tenancy: TenancyContext, tenant: Tenant, **fields: Any) -> CreatedConnection:
    new = {
        "channel": Channel.TELEGRAM,
        "name": "Ferry bot",
        "config": {"bot_token": TOKEN, "webhook_secret_token": "set-by-hand"},
        **fields,
    }
    return await create_connection(tenancy, tenant.actor, NewConnection(**new))


async def sandbox(tenancy: TenancyContext, tenant: Tenant, **fields: Any) -> CreatedConnection:
    new = {"channel": Channel.SMS, "provider": "sandbox", "name": "Texts", **fields}
    return await create_connection(tenancy, tenant.actor, NewConnection(**new))


async def opened(directory: ConnectionDirectory, tenant: Tenant, created: CreatedConnection) -> Any:
    directory.clear()
    entry = await directory.get(tenant.application_id, created.id)
    assert entry is not None
    return dict(entry.context.config)


async def audits(tenancy: TenancyContext, tenant: Tenant, event_type: str) -> list[dict[str, Any]]:
    rows = await tenancy.database.system.fetch(
        "select payload::text from events where application_id = $1 and event_type = $2 order by position",
        tenant.hidden_application_id,
        event_type,
    )
    return [json.loads(row["payload"]) for row in rows]


# --- applications


async def test_a_new_application_has_the_defaults(tenancy: TenancyContext, tenant: Tenant) -> None:
    shown = await get_application(tenancy, tenant.actor)

    assert (shown.id, shown.name, shown.slug) == (tenant.application_id, "Ferry desk", "ferry-desk")
    assert shown.settings == DEFAULT_SETTINGS
    assert shown.settings.as_config() == {"auto_mark_read": "never", "link_code_auto_detect": "disabled"}


async def test_settings_are_merged_and_null_sets_the_default_again(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    async def change(config: object) -> dict[str, str]:
        changes = ApplicationChanges(config=config)
        return (await update_application(tenancy, tenant.actor, changes)).settings.as_config()

    assert (await change({"auto_mark_read": "on_received"}))["auto_mark_read"] == "on_received"
    assert await change({"link_code_auto_detect": "enabled"}) == {
        "auto_mark_read": "on_received",
        "link_code_auto_detect": "enabled",
    }
    assert (await change({"auto_mark_read": None}))["auto_mark_read"] == "never"
    assert (await change({}))["link_code_auto_detect"] == "enabled"
    stored = "select config::text from applications where id = $1"
    assert json.loads(await tenancy.database.system.fetchval(stored, tenant.application_id)) == {
        "link_code_auto_detect": "enabled"
    }


async def test_an_application_is_renamed_and_keeps_its_slug(tenancy: TenancyContext, tenant: Tenant) -> None:
    shown = await update_application(tenancy, tenant.actor, ApplicationChanges(name=" Harbour desk "))

    assert (shown.name, shown.slug) == ("Harbour desk", "ferry-desk")
    assert await get_application(tenancy, tenant.actor) == shown
    (told,) = await audits(tenancy, tenant, "system.application.updated")
    assert told["name"] == "Harbour desk"
    assert told["by"] == {"type": "api_key", "id": str(tenant.actor.key_id)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"config": {"transcription": "on"}}, "'transcription' is not a setting"),
        ({"config": {"auto_mark_read": "sometimes"}}, "must be one of: never, on_received"),
        ({"config": {"auto_mark_read": ["never"]}}, "must be one of"),
        ({"config": {"link_code_auto_detect": True}}, "must be one of: disabled, enabled"),
        ({"config": {"\ud800": "x"}}, "is not a setting"),
        ({"config": [1]}, "config must be an object"),
        ({"config": "auto_mark_read"}, "config must be an object"),
        ({"name": " "}, "name must have"),
    ],
)
async def test_a_bad_setting_is_refused_and_nothing_changes(
    tenancy: TenancyContext, tenant: Tenant, changes: dict[str, Any], words: str
) -> None:
    await update_application(
        tenancy, tenant.actor, ApplicationChanges(config={"link_code_auto_detect": "enabled"})
    )

    with pytest.raises(ValidationError, match=words) as refused:
        await update_application(tenancy, tenant.actor, ApplicationChanges(**changes))

    orjson.dumps([refused.value.message, dict(refused.value.details)])
    shown = await get_application(tenancy, tenant.actor)
    assert shown.settings == ApplicationSettings(link_code_auto_detect="enabled")


async def test_a_change_of_settings_holds_at_once_where_it_is_heard(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    applications = ApplicationDirectory(tenancy.database)
    assert await applications.get(tenant.application_id) == DEFAULT_SETTINGS
    assert await applications.get(tenancy.ids.new()) == DEFAULT_SETTINGS

    await update_application(
        tenancy, tenant.actor, ApplicationChanges(config={"auto_mark_read": "on_received"})
    )
    applications.forget(tenant.application_id)

    assert (await applications.get(tenant.application_id)).auto_mark_read == "on_received"


async def test_two_changes_at_once_are_both_kept(tenancy: TenancyContext, tenant: Tenant) -> None:
    await asyncio.gather(
        *(
            update_application(tenancy, tenant.actor, ApplicationChanges(config=config))
            for config in ({"auto_mark_read": "on_received"}, {"link_code_auto_detect": "enabled"})
            for _ in range(3)
        )
    )

    shown = await get_application(tenancy, tenant.actor)
    assert shown.settings.as_config() == {
        "auto_mark_read": "on_received",
        "link_code_auto_detect": "enabled",
    }


# --- connections


async def test_a_connection_shows_its_config_with_secrets_masked(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await telegram(tenancy, tenant, identifier="ferry")

    shown = await get_connection(tenancy, tenant.actor, created.id)

    assert shown.config == {"bot_token": MASK, "webhook_secret_token": MASK}
    assert (shown.identifier, shown.channel, shown.provider) == ("ferry", "telegram", "telegram")
    assert shown.health == Health("unknown", None, None)
    assert TOKEN not in repr(shown)


async def test_connections_are_listed_newest_first_and_by_the_page(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = [await sandbox(tenancy, tenant) for _ in range(5)]
    await sandbox(tenancy, await new_tenant(tenancy))
    await delete_connection(tenancy, tenant.actor, created[1].id)

    first = await list_connections(tenancy, tenant.actor, limit=2)
    rest = await list_connections(tenancy, tenant.actor, before=first[-1].id)

    expected = [created[number].id for number in (4, 3, 2, 0)]
    assert [one.id for one in (*first, *rest)] == expected


async def test_what_a_change_leaves_out_or_masks_stays(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await telegram(tenancy, tenant)
    base = {"bot_token": TOKEN, "webhook_secret_token": "set-by-hand"}

    async def change(config: dict[str, object]) -> Any:
        await update_connection(tenancy, tenant.actor, created.id, ConnectionChanges(config=config))
        return await opened(directory, tenant, created)

    usual = {"api_base_url": "https://api.telegram.org"}
    assert await change({}) == base | usual
    assert await change({"bot_token": MASK, "api_base_url": "https://tg.example"}) == base | {
        "api_base_url": "https://tg.example"
    }
    assert await change({"bot_token": OTHER_TOKEN, "api_base_url": None}) == base | usual | {
        "bot_token": OTHER_TOKEN
    }
    assert await change({"webhook_secret_token": None}) == {"bot_token": OTHER_TOKEN} | usual

    told = await audits(tenancy, tenant, "system.connection.updated")
    assert [one["changed_config"] for one in told] == [
        [],
        ["api_base_url"],
        ["api_base_url", "bot_token"],
        ["webhook_secret_token"],
    ]
    assert OTHER_TOKEN not in json.dumps(told)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"config": {"bot_token": None}}, "config.bot_token is required"),
        ({"config": {"bot_token": 7}}, "config.bot_token must be a string"),
        ({"config": {"colour": "red"}}, "config.colour is not a setting"),
        ({"config": "x"}, "config must be an object"),
        ({"name": ""}, "name must have"),
        ({"in_doubt_policy": "guess"}, "must be retry or hold"),
        ({"status": "deleted"}, "must be active or disabled"),
    ],
)
async def test_a_bad_change_of_a_connection_is_refused_whole(
    tenancy: TenancyContext, tenant: Tenant, changes: dict[str, Any], words: str
) -> None:
    created = await telegram(tenancy, tenant)
    before = await get_connection(tenancy, tenant.actor, created.id)

    with pytest.raises(ValidationError, match=words):
        await update_connection(
            tenancy, tenant.actor, created.id, ConnectionChanges(**{"name": "Other", **changes})
        )

    assert await get_connection(tenancy, tenant.actor, created.id) == before


async def test_the_mask_of_a_secret_that_is_not_set_is_no_secret(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await sandbox(tenancy, tenant)

    with pytest.raises(ValidationError, match="is the mask"):
        await update_connection(
            tenancy, tenant.actor, created.id, ConnectionChanges(config={"signing_secret": MASK})
        )


async def test_a_disabled_connection_takes_and_sends_nothing_until_it_is_active_again(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await sandbox(tenancy, tenant)
    for status in ("disabled", "active"):
        changes = ConnectionChanges(name="Renamed", in_doubt_policy="hold", status=status)
        shown = await update_connection(tenancy, tenant.actor, created.id, changes)
        directory.clear()
        entry = await directory.get(tenant.application_id, created.id)

        assert (shown.name, shown.in_doubt_policy, shown.status) == ("Renamed", "hold", status)
        assert entry is not None
        assert entry.is_active == (status == "active")


async def test_a_config_is_the_accounts_and_changes_for_all_who_use_it(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await telegram(tenancy, tenant)
    joined = await create_connection(
        tenancy,
        tenant.actor,
        NewConnection(channel=Channel.TELEGRAM, name="Second", account_id=created.account_id),
    )

    changes = ConnectionChanges(config={"bot_token": OTHER_TOKEN})
    await update_connection(tenancy, tenant.actor, joined.id, changes)

    assert (await opened(directory, tenant, created))["bot_token"] == OTHER_TOKEN


async def test_a_deleted_connection_is_missing_and_its_identifier_free(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await telegram(tenancy, tenant, identifier="ferry")
    with pytest.raises(ResourceExists):
        await telegram(tenancy, tenant, identifier="ferry")

    await delete_connection(tenancy, tenant.actor, created.id)

    for gone in (
        get_connection(tenancy, tenant.actor, created.id),
        update_connection(tenancy, tenant.actor, created.id, ConnectionChanges(name="x")),
        delete_connection(tenancy, tenant.actor, created.id),
    ):
        with pytest.raises(NotFound):
            await gone
    assert await directory.get(tenant.application_id, created.id) is None
    again = await telegram(tenancy, tenant, identifier="ferry")
    assert again.account_id != created.account_id
    (told,) = await audits(tenancy, tenant, "system.connection.deleted")
    assert (told["connection_id"], told["identifier"]) == (str(created.id), "ferry")


async def test_an_account_in_use_keeps_its_identifier_when_a_connection_goes(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await telegram(tenancy, tenant, identifier="ferry")
    joined = NewConnection(channel=Channel.TELEGRAM, name="Second", account_id=created.account_id)
    await create_connection(tenancy, tenant.actor, joined)

    await delete_connection(tenancy, tenant.actor, created.id)

    kept = "select identifier from accounts where id = $1"
    assert await tenancy.database.system.fetchval(kept, created.account_id) == "ferry"


async def test_a_deleted_connections_webhook_is_nobodys(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await sandbox(tenancy, tenant)
    webhook_id = await tenancy.database.system.fetchval(
        "select webhook_id from accounts where id = $1", created.account_id
    )
    known = await directory.by_webhook(webhook_id)
    assert known is not None
    assert known.connection is not None

    await delete_connection(tenancy, tenant.actor, created.id)
    directory.forget(created.id)

    known = await directory.by_webhook(webhook_id)
    assert known is not None
    assert known.connection is None


async def test_another_tenants_connection_answers_as_a_missing_one(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    foreign = await sandbox(tenancy, await new_tenant(tenancy))
    checking = CheckingContext(tenancy, directory)

    said: list[list[object]] = []
    for connection_id in (foreign.id, tenancy.ids.new()):
        answers: list[object] = []
        for asked in (
            get_connection(tenancy, tenant.actor, connection_id),
            update_connection(tenancy, tenant.actor, connection_id, ConnectionChanges(name="x")),
            delete_connection(tenancy, tenant.actor, connection_id),
            check_connection(checking, tenant.actor, connection_id),
        ):
            with pytest.raises(NotFound) as refused:
                await asked
            assert refused.value.details["resource_id"] == str(connection_id)
            answers.append((refused.value.message, refused.value.details["resource_type"]))
        said.append(answers)
    assert said[0] == said[1]
    kept = "select name, status from connections where id = $1"
    row = await tenancy.database.system.fetchrow(kept, foreign.id)
    assert row is not None
    assert tuple(row) == ("Texts", "active")


async def test_scopes_part_reading_from_changing(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await sandbox(tenancy, tenant)
    reader, writer = (
        actor_of(tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({scope}))
        for scope in ("events:read", "events:write")
    )

    assert (await get_connection(tenancy, reader, created.id)).id == created.id
    assert (await get_application(tenancy, reader)).id == tenant.application_id
    for refused in (
        get_connection(tenancy, writer, created.id),
        list_connections(tenancy, writer),
        get_application(tenancy, writer),
        update_application(tenancy, reader, ApplicationChanges(name="x")),
        update_connection(tenancy, reader, created.id, ConnectionChanges(name="x")),
        delete_connection(tenancy, reader, created.id),
        check_connection(CheckingContext(tenancy, directory), reader, created.id),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_a_test_key_changes_and_checks_the_sandbox_only(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    real, own = await telegram(tenancy, tenant), await sandbox(tenancy, tenant)
    tester = replace(tenant.actor, environment=Environment.TEST)
    checking = CheckingContext(tenancy, directory)

    with pytest.raises(Forbidden):
        await update_connection(
            tenancy, tester, real.id, ConnectionChanges(config={"bot_token": OTHER_TOKEN})
        )
    with pytest.raises(Forbidden):
        await check_connection(checking, tester, real.id)
    assert (await check_connection(checking, tester, own.id)).is_healthy


# --- health


class Answering(TelegramAdapter):
    """Telegram whose check says, or does, what the test wants."""

    def __init__(self, http: OutgoingHttp) -> None:
        super().__init__(http)
        self.says: Callable[[], Healthy | Unhealthy] = lambda: Healthy("Connected.")

    async def check(self, connection: ConnectionContext) -> Healthy | Unhealthy:
        assert connection.config["bot_token"] == TOKEN
        return self.says()


@pytest.fixture
async def adapter() -> AsyncGenerator[Answering]:
    http = OutgoingHttp(allow_private_targets=True)
    yield Answering(http)
    await http.close()


async def test_a_check_is_kept_as_the_connections_health(
    tenancy: TenancyContext, tenant: Tenant, adapter: Answering
) -> None:
    tenancy = replace(tenancy, registry=Registry.of([adapter]))
    checking = CheckingContext(
        tenancy, ConnectionDirectory(tenancy.database, tenancy.sealer, tenancy.registry)
    )
    created = await telegram(tenancy, tenant)

    good = await check_connection(checking, tenant.actor, created.id)
    assert (good.is_healthy, good.message, good.health.status) == (True, "Connected.", "healthy")
    assert (await get_connection(tenancy, tenant.actor, created.id)).health == good.health

    adapter.says = lambda: Unhealthy("no\0 such bot " + "x" * 1000)
    bad = await check_connection(checking, tenant.actor, created.id)
    assert not bad.is_healthy
    assert bad.message.startswith("no\ufffd such bot x")
    assert len(bad.message) == 500
    assert bad.health.checked_at is not None
    assert good.health.checked_at is not None
    assert bad.health.checked_at > good.health.checked_at
    assert (await get_connection(tenancy, tenant.actor, created.id)).health == bad.health

    # what was known was known of the former token
    changes = ConnectionChanges(config={"bot_token": OTHER_TOKEN})
    assert (await update_connection(tenancy, tenant.actor, created.id, changes)).health == Health()
    assert [one["health"] for one in await audits(tenancy, tenant, "system.connection.checked")] == [
        "healthy",
        "unhealthy",
    ]


async def test_an_adapter_that_breaks_leaves_its_connection_unhealthy(
    tenancy: TenancyContext, tenant: Tenant, adapter: Answering
) -> None:
    tenancy = replace(tenancy, registry=Registry.of([adapter]))
    checking = CheckingContext(
        tenancy, ConnectionDirectory(tenancy.database, tenancy.sealer, tenancy.registry)
    )
    created = await telegram(tenancy, tenant)

    def fail() -> Healthy:
        raise KeyError(TOKEN)

    adapter.says = fail
    found = await check_connection(checking, tenant.actor, created.id)

    assert not found.is_healthy
    assert found.message == "The provider's adapter failed (KeyError)."
