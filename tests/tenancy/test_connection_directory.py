import asyncio
from uuid import UUID

import pytest

from outrider.core.database.listening import Listener
from outrider.core.hashing import hash_secret
from outrider.platforms.base import Channel
from outrider.platforms.registry import Registry
from outrider.tenancy.changes import follow_changes
from outrider.tenancy.connection_directory import ConnectionDirectory
from outrider.tenancy.connections import CreatedConnection, NewConnection, create_connection
from outrider.tenancy.context import CHANGES, Changed, TenancyContext
from tests.tenants import Tenant, new_tenant

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@pytest.fixture
def directory(tenancy: TenancyContext) -> ConnectionDirectory:
    return ConnectionDirectory(tenancy.database, tenancy.sealer, tenancy.registry)


async def new_bot(tenancy: TenancyContext, tenant: Tenant) -> CreatedConnection:
    new = NewConnection(channel=Channel.TELEGRAM, name="Ferry bot", config={"bot_token": TOKEN})
    return await create_connection(tenancy, tenant.actor, new)


def webhook_of(created: CreatedConnection) -> tuple[str, str]:
    assert created.webhook_url is not None
    _, webhook_id, secret = created.webhook_url.rsplit("/", 2)
    return webhook_id, secret


async def test_an_entry_has_what_an_adapter_needs_and_prints_no_secret(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await new_bot(tenancy, tenant)

    entry = await directory.get(tenant.application_id, created.id)

    assert entry is not None
    assert entry.context.config == {"bot_token": TOKEN, "api_base_url": "https://api.telegram.org"}
    assert (entry.context.connection_id, entry.context.channel) == (created.id, Channel.TELEGRAM)
    assert (entry.organisation_id, entry.account_id) == (tenant.organisation_id, created.account_id)
    assert entry.is_active
    assert entry.in_doubt_policy == "retry"
    assert (entry.system_user.external_id, entry.system_user.name) == ("system", "Ferry bot")
    assert entry.identity_key == tenancy.sealer.identity_key(tenant.organisation_id)
    for secret in (TOKEN, entry.identity_key.hex(), repr(entry.identity_key)):
        assert secret not in repr(entry)


async def test_a_connection_is_found_by_its_own_application_only(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    other = await new_tenant(tenancy)
    created = await new_bot(tenancy, tenant)

    assert await directory.get(other.application_id, created.id) is None
    assert await directory.get(tenant.application_id, tenancy.ids.new()) is None
    assert await directory.get(tenant.application_id, created.id) is not None


async def test_a_webhook_leads_to_the_oldest_active_connection_of_its_account(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    first = await new_bot(tenancy, tenant)
    joining = NewConnection(channel=Channel.TELEGRAM, name="Night", account_id=first.account_id)
    second = await create_connection(tenancy, tenant.actor, joining)
    webhook_id, secret = webhook_of(first)
    found: list[object] = []

    for ended in (None, first.id, second.id):
        if ended:
            await tenancy.database.system.execute(
                "update connections set status = 'disabled' where id = $1", ended
            )
            directory.clear()
        entry = await directory.by_webhook(UUID(webhook_id))
        assert entry is not None
        assert entry.secret_hash == hash_secret(secret)
        assert entry.account_id == first.account_id
        assert repr(entry.secret_hash) not in repr(entry)
        found.append(entry.connection and entry.connection.connection_id)

    assert found == [first.id, second.id, None]


async def test_an_unknown_webhook_is_not_found(
    tenancy: TenancyContext, directory: ConnectionDirectory
) -> None:
    assert await directory.by_webhook(tenancy.ids.new()) is None


async def test_a_disabled_connection_is_there_and_a_deleted_one_is_not(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await new_bot(tenancy, tenant)
    change = "update connections set status = $2 where id = $1"

    await tenancy.database.system.execute(change, created.id, "disabled")
    entry = await directory.get(tenant.application_id, created.id)
    assert entry is not None
    assert not entry.is_active

    await tenancy.database.system.execute(change, created.id, "deleted")
    directory.forget(created.id)
    assert await directory.get(tenant.application_id, created.id) is None


async def test_a_connection_whose_provider_this_process_lacks_is_not_there(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await new_bot(tenancy, tenant)
    directory = ConnectionDirectory(tenancy.database, tenancy.sealer, Registry.of([]))

    assert await directory.get(tenant.application_id, created.id) is None


async def test_a_change_elsewhere_is_heard(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory
) -> None:
    created = await new_bot(tenancy, tenant)
    webhook_id = UUID(webhook_of(created)[0])
    listener = Listener(tenancy.database.dsn)
    follow_changes(listener, {Changed.CONNECTION: directory.forget}, directory.clear)
    await listener.start()
    assert await directory.get(tenant.application_id, created.id)
    assert await directory.by_webhook(webhook_id)

    await tenancy.database.system.execute(
        "update connections set status = 'deleted' where id = $1", created.id
    )
    assert await directory.get(tenant.application_id, created.id)
    await tenancy.database.system.execute("select pg_notify($1, $2)", CHANGES, f"connection {created.id}")
    await asyncio.sleep(0.1)

    assert await directory.get(tenant.application_id, created.id) is None
    webhook = await directory.by_webhook(webhook_id)
    assert webhook is not None
    assert webhook.connection is None
    await listener.close()


@pytest.mark.parametrize("payload", ["", "connection", "connection x", "planet 1", "template {0}"])
async def test_a_change_of_an_unknown_kind_empties_everything(
    tenancy: TenancyContext, tenant: Tenant, directory: ConnectionDirectory, payload: str
) -> None:
    created = await new_bot(tenancy, tenant)
    listener = Listener(tenancy.database.dsn)
    follow_changes(listener, {Changed.CONNECTION: directory.forget}, directory.clear)
    await listener.start()
    await directory.get(tenant.application_id, created.id)
    await tenancy.database.system.execute(
        "update connections set status = 'deleted' where id = $1", created.id
    )

    await tenancy.database.system.execute("select pg_notify($1, $2)", CHANGES, payload.format(created.id))
    await asyncio.sleep(0.1)

    assert await directory.get(tenant.application_id, created.id) is None
    await listener.close()
