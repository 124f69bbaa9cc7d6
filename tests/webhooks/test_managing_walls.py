"""The functions that manage deliveries hold themselves to the organisation of the transaction that calls them."""

from collections.abc import AsyncGenerator
from uuid import UUID

import asyncpg
import pytest

from outrider.tenancy.context import TenancyContext
from outrider.webhooks.subscriptions import NewSubscription, create_subscription
from tests.tenants import Tenant, new_tenant, open_tenancy


@pytest.fixture(scope="module")
async def tenancy(dsn: str) -> AsyncGenerator[TenancyContext]:
    async with open_tenancy(dsn) as context:
        yield context


@pytest.fixture
async def tenant(tenancy: TenancyContext) -> Tenant:
    return await new_tenant(tenancy)


@pytest.fixture
async def other(tenancy: TenancyContext) -> Tenant:
    return await new_tenant(tenancy)


async def subscription_of(tenancy: TenancyContext, tenant: Tenant) -> UUID:
    new = NewSubscription(name="all", target_url="https://hooks.example.com/in", patterns=["*"])
    return (await create_subscription(tenancy, tenant.actor, new)).id


CALLS = {
    "reopening": "select reopen_delivery($1, $2, $3)",
    "locking": "select * from lock_fan_outs($1, $2) where $3::uuid is not null",
    "queueing": "select queue_fanned_out($1, $3, '{}') where $2::uuid is not null",
    "testing": (
        "select append_webhook_test($1, $3, uuidv7(), uuidv7(), 'system.webhook.test', '{}', '')"
        " where $2::uuid is not null"
    ),
}


@pytest.mark.parametrize("call", CALLS)
async def test_another_organisation_cannot_be_named(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant, call: str
) -> None:
    foreign = await subscription_of(tenancy, other)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenancy.database.tenant(tenant.organisation_id) as connection:
            await connection.execute(CALLS[call], other.organisation_id, other.application_id, foreign)


@pytest.mark.parametrize("call", ["reopening", "locking"])
async def test_another_organisations_application_cannot_be_named(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant, call: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenancy.database.tenant(tenant.organisation_id) as connection:
            await connection.execute(
                CALLS[call], tenant.organisation_id, other.application_id, tenancy.ids.new()
            )


async def test_another_organisations_subscription_gets_no_test(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant
) -> None:
    foreign = await subscription_of(tenancy, other)

    with pytest.raises(asyncpg.NoDataFoundError):
        async with tenancy.database.tenant(tenant.organisation_id) as connection:
            await connection.execute(CALLS["testing"], tenant.organisation_id, tenant.application_id, foreign)

    queued = "select count(*) from delivery_queue where target_id = $1"
    assert await tenancy.database.system.fetchval(queued, foreign) == 0


@pytest.mark.parametrize("table", ["rate_windows", "reopened_deliveries", "deliveries", "delivery_queue"])
async def test_what_is_no_setting_is_out_of_a_settings_transactions_reach(
    tenancy: TenancyContext, tenant: Tenant, table: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenancy.database.tenant(tenant.organisation_id) as connection:
            await connection.fetch(f"select 1 from {table} limit 1")
