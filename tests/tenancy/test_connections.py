import asyncio
import hashlib
import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import Forbidden, NotFound, ResourceExists, Unavailable, ValidationError
from outrider.core.ids import derived_id
from outrider.core.sealing import SealBroken
from outrider.platforms.base import Channel
from outrider.platforms.config import MASK
from outrider.tenancy.actors import Environment
from outrider.tenancy.connections import CreatedConnection, NewConnection, create_connection
from outrider.tenancy.context import TenancyContext
from tests.tenants import Tenant, actor_of, new_tenant

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


def telegram(**fields: Any) -> NewConnection:
    return NewConnection(
        **{
            "channel": Channel.TELEGRAM,
            "name": "Ferry bot",
            "config": {"bot_token": TOKEN},
            **fields,
        }
    )


def sandbox(**fields: Any) -> NewConnection:
    return NewConnection(
        **{"channel": Channel.SMS, "provider": "sandbox", "name": "Texts", "config": {}, **fields}
    )


async def account_of(tenancy: TenancyContext, created: CreatedConnection) -> dict[str, Any]:
    row = await tenancy.database.system.fetchrow("select * from accounts where id = $1", created.account_id)
    assert row is not None
    return dict(row)


async def test_the_channels_vendor_is_used_where_no_provider_is_named(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_connection(tenancy, tenant.actor, telegram())

    assert created.provider == "telegram"
    assert (await account_of(tenancy, created))["provider"] == "telegram"


async def test_secrets_are_sealed_for_their_account_and_masked_where_they_are_shown(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    other = await new_tenant(tenancy)
    created = await create_connection(
        tenancy,
        tenant.actor,
        telegram(config={"bot_token": TOKEN, "api_base_url": "https://bots.example.com"}),
    )
    account = await account_of(tenancy, created)

    assert json.loads(account["config"]) == {"api_base_url": "https://bots.example.com", "bot_token": MASK}
    opened = tenancy.sealer.unseal(
        account["sealed_config"], tenant=tenant.organisation_id, purpose=f"account {created.account_id}"
    )
    assert json.loads(opened) == {"bot_token": TOKEN}
    assert TOKEN not in repr(telegram())
    for tenant_id, purpose in (
        (other.organisation_id, f"account {created.account_id}"),
        (tenant.organisation_id, f"account {tenancy.ids.new()}"),
    ):
        with pytest.raises(SealBroken):
            tenancy.sealer.unseal(account["sealed_config"], tenant=tenant_id, purpose=purpose)


async def test_the_webhook_address_is_told_once_and_only_its_hash_is_kept(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_connection(tenancy, tenant.actor, telegram())
    account = await account_of(tenancy, created)

    assert created.webhook_url is not None
    head, webhook_id, secret = created.webhook_url.rsplit("/", 2)
    assert head == "https://outrider.test/webhooks"
    assert UUID(webhook_id) == account["webhook_id"]
    assert account["webhook_secret_hash"] == hashlib.sha256(secret.encode()).digest()
    assert len(secret) >= 43
    assert secret not in repr(created)


async def test_a_system_user_comes_with_the_connection_under_its_derived_id(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_connection(tenancy, tenant.actor, sandbox())

    row = await tenancy.database.system.fetchrow(
        "select p.id, p.external_id, p.name, u.id as user_id, u.is_system, c.system_platform_user_id"
        " from connections c"
        " join platform_users p on p.application_id = c.application_id and p.connection_id = c.id"
        " join users u on u.application_id = c.application_id and u.id = p.user_id"
        " where c.application_id = $1 and c.id = $2",
        tenant.application_id,
        created.id,
    )

    key = tenancy.sealer.identity_key(tenant.organisation_id)
    assert row is not None
    assert dict(row) == {
        "id": derived_id(key, "platform_user", created.id, "system"),
        "external_id": "system",
        "name": "Texts",
        "user_id": derived_id(key, "user", created.id, "system"),
        "is_system": True,
        "system_platform_user_id": row["id"],
    }


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (telegram(config=None), "config.bot_token is required"),
        (telegram(config={"bot_token": TOKEN, "colour": 1}), "config.colour is not a setting of telegram"),
        (telegram(config=[TOKEN]), "config must be an object"),
        (telegram(config={"bot_token": MASK}), "is the mask"),
        (telegram(provider="twilio"), "its providers are: sandbox, telegram"),
        (
            NewConnection(channel=Channel.EMAIL, name="Mail"),
            "no provider 'maileroo' for email, which is the default; name one of: sandbox",
        ),
        (sandbox(channel=Channel.SMS, provider="telegram"), "no provider 'telegram' for sms"),
        (sandbox(name=" "), "name must have"),
        (sandbox(identifier="a b"), "identifier must have"),
        (sandbox(in_doubt_policy="guess"), "retry or hold"),
    ],
)
async def test_a_bad_request_says_what_is_wrong_and_writes_nothing(
    tenancy: TenancyContext, tenant: Tenant, new: NewConnection, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        await create_connection(tenancy, tenant.actor, new)

    assert TOKEN not in repr(refused.value)
    count = "select count(*) from accounts where organisation_id = $1"
    assert await tenancy.database.system.fetchval(count, tenant.organisation_id) == 0


async def test_an_identifier_is_unique_in_its_organisation(tenancy: TenancyContext, tenant: Tenant) -> None:
    other = await new_tenant(tenancy)
    await create_connection(tenancy, tenant.actor, sandbox(identifier="texts"))

    with pytest.raises(ResourceExists, match="'texts'") as refused:
        await create_connection(tenancy, tenant.actor, sandbox(identifier="texts"))
    assert refused.value.details["identifier"] == "texts"
    await create_connection(tenancy, other.actor, sandbox(identifier="texts"))


async def test_connections_without_an_identifier_do_not_collide(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    identifiers = {(await create_connection(tenancy, tenant.actor, sandbox())).identifier for _ in range(20)}

    assert len(identifiers) == 20


async def test_a_second_connection_joins_an_account(tenancy: TenancyContext, tenant: Tenant) -> None:
    first = await create_connection(tenancy, tenant.actor, telegram())

    second = await create_connection(
        tenancy, tenant.actor, telegram(config=None, account_id=first.account_id, identifier="night")
    )

    assert second.account_id == first.account_id
    assert second.id != first.id
    assert second.provider == "telegram"
    assert second.webhook_url is None
    with pytest.raises(ResourceExists):
        await create_connection(
            tenancy, tenant.actor, telegram(config=None, account_id=first.account_id, identifier="night")
        )


@pytest.mark.parametrize(
    "fields",
    [{"channel": Channel.SLACK}, {"provider": "sandbox"}, {"config": {"bot_token": TOKEN}}],
)
async def test_a_joining_connection_must_agree_with_its_account(
    tenancy: TenancyContext, tenant: Tenant, fields: dict[str, Any]
) -> None:
    first = await create_connection(tenancy, tenant.actor, telegram())

    with pytest.raises(ValidationError):
        await create_connection(
            tenancy, tenant.actor, telegram(**{"config": None, "account_id": first.account_id, **fields})
        )


async def test_another_tenants_account_answers_as_a_missing_one(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    other = await new_tenant(tenancy)
    foreign = await create_connection(tenancy, other.actor, telegram())

    answers: list[NotFound] = []
    for account_id in (foreign.account_id, tenancy.ids.new()):
        with pytest.raises(NotFound) as refused:
            await create_connection(tenancy, tenant.actor, telegram(config=None, account_id=account_id))
        answers.append(refused.value)

    assert answers[0].message == answers[1].message
    assert answers[0].details["resource_type"] == answers[1].details["resource_type"] == "Account"


async def test_a_test_key_only_makes_sandbox_connections(tenancy: TenancyContext, tenant: Tenant) -> None:
    actor = actor_of(tenancy, tenant.organisation_id, tenant.application_id, environment=Environment.TEST)
    real = await create_connection(tenancy, tenant.actor, telegram())

    with pytest.raises(Forbidden):
        await create_connection(tenancy, actor, telegram())
    with pytest.raises(Forbidden):
        await create_connection(tenancy, actor, telegram(config=None, account_id=real.account_id))
    assert (await create_connection(tenancy, actor, sandbox())).provider == "sandbox"


async def test_a_key_without_every_scope_makes_no_connection(tenancy: TenancyContext, tenant: Tenant) -> None:
    actor = actor_of(
        tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({"events:write"})
    )

    with pytest.raises(Forbidden):
        await create_connection(tenancy, actor, sandbox())


async def test_the_audit_event_tells_who_and_what_but_no_secret(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_connection(tenancy, tenant.actor, telegram(identifier="bot"))

    text = await tenancy.database.system.fetchval(
        "select payload::text from events where application_id = $1 and event_type = 'system.connection.created'",
        tenant.hidden_application_id,
    )

    assert json.loads(text) == {
        "connection_id": str(created.id),
        "application_id": str(tenant.application_id),
        "account_id": str(created.account_id),
        "channel": "telegram",
        "provider": "telegram",
        "identifier": "bot",
        "name": "Ferry bot",
        "by": {"type": "api_key", "id": str(tenant.actor.key_id)},
    }


async def test_an_audit_event_never_overtakes_an_append_under_way(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    async with tenancy.database.system.acquire() as append, append.transaction():
        await append.execute("select pg_advisory_xact_lock(7305002)")
        creating = asyncio.create_task(create_connection(tenancy, tenant.actor, sandbox()))
        await asyncio.sleep(0.3)
        assert not creating.done()
        position = await append.fetchval("select nextval('event_position')")

    await creating
    audited = await tenancy.database.system.fetchval(
        "select max(position) from events where application_id = $1", tenant.hidden_application_id
    )
    assert audited > position


@pytest.mark.parametrize(
    "fault",
    [
        asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.TooManyConnectionsError("sorry"),
        asyncpg.InterfaceError("connection is closed"),
        ConnectionRefusedError(111, "refused"),
        TimeoutError(),
    ],
)
def test_a_fault_of_the_database_is_told_as_unavailable(fault: Exception) -> None:
    with pytest.raises(Unavailable), faults_as_unavailable():
        raise fault


def test_a_mistake_in_a_statement_is_not_told_as_unavailable() -> None:
    with pytest.raises(asyncpg.UndefinedTableError), faults_as_unavailable():
        raise asyncpg.UndefinedTableError("no such table")
