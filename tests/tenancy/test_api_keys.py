import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from outrider.core.database.listening import Listener
from outrider.core.errors import NotFound, Unauthorized, ValidationError
from outrider.tenancy.actors import Environment, Scope
from outrider.tenancy.api_keys import (
    ApiKeyDirectory,
    CreatedApiKey,
    NewApiKey,
    create_api_key,
    list_api_keys,
    revoke_api_key,
)
from outrider.tenancy.caching import HARD_SECONDS
from outrider.tenancy.changes import follow_changes
from outrider.tenancy.context import Changed, TenancyContext
from tests.tenants import Tenant, new_tenant


@pytest.fixture
def directory(tenancy: TenancyContext) -> ApiKeyDirectory:
    return ApiKeyDirectory(tenancy.database, tenancy.ids)


async def new_key(
    tenancy: TenancyContext,
    tenant: Tenant,
    *,
    name: str = "desk",
    environment: Environment = Environment.LIVE,
    expires_at: datetime | None = None,
    is_replacing: bool = False,
) -> CreatedApiKey:
    new = NewApiKey(
        application_id=tenant.application_id,
        name=name,
        scopes=["events:read", "users:read"],
        environment=environment,
        expires_at=expires_at,
    )
    return await create_api_key(tenancy, tenant.organisation_id, new, is_replacing=is_replacing)


async def seconds_until_refused(directory: ApiKeyDirectory, token: str) -> float:
    """Use a token all the time until it is refused."""
    began = time.monotonic()
    while time.monotonic() < began + 10:
        try:
            await directory.authenticate(token)
        except Unauthorized:
            break
        await asyncio.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize("environment", list(Environment))
async def test_a_key_is_recognised_as_what_it_was_made_for(
    tenancy: TenancyContext, tenant: Tenant, directory: ApiKeyDirectory, environment: Environment
) -> None:
    created = await new_key(tenancy, tenant, environment=environment)

    actor = await directory.authenticate(created.token)

    assert created.token.startswith(f"otr_{environment}_")
    assert len(created.token) >= len("otr_live_") + 43
    assert actor.organisation_id == tenant.organisation_id
    assert actor.application_id == tenant.application_id
    assert actor.key_id == created.id
    assert actor.environment is environment
    assert actor.scopes == {Scope.EVENTS_READ, Scope.USERS_READ}


async def test_no_column_holds_the_token(tenancy: TenancyContext, tenant: Tenant) -> None:
    created = await new_key(tenancy, tenant)

    row = await tenancy.database.system.fetchval("select k::text from api_keys k where id = $1", created.id)

    assert created.token[9:] not in row
    assert created.token[-4:] in row
    assert created.token not in repr(created)


@pytest.mark.parametrize(
    "token",
    ["", "otr_live_", "Bearer", "otr_live_" + "a" * 43, "otr_test_" + "é" * 43, "otr_live_" + "\ud800" * 43],
)
async def test_an_unknown_token_is_refused(directory: ApiKeyDirectory, token: str) -> None:
    with pytest.raises(Unauthorized):
        await directory.authenticate(token)


async def test_an_expired_key_is_refused_at_its_moment_though_it_was_just_used(
    tenancy: TenancyContext, tenant: Tenant, directory: ApiKeyDirectory
) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=0.5)
    created = await new_key(tenancy, tenant, expires_at=expires_at)
    await directory.authenticate(created.token)

    await asyncio.sleep(0.6)

    with pytest.raises(Unauthorized):
        await directory.authenticate(created.token)
    with pytest.raises(Unauthorized):
        await ApiKeyDirectory(tenancy.database, tenancy.ids).authenticate(created.token)


async def test_a_revoked_key_is_refused_everywhere_within_a_second(
    tenancy: TenancyContext, tenant: Tenant, directory: ApiKeyDirectory
) -> None:
    created = await new_key(tenancy, tenant)
    await directory.authenticate(created.token)
    listener = Listener(tenancy.database.dsn)
    follow_changes(listener, {Changed.API_KEY: directory.forget}, directory.clear)
    await listener.start()
    await directory.authenticate(created.token)

    await revoke_api_key(tenancy, tenant.organisation_id, created.id)

    assert await seconds_until_refused(directory, created.token) < 1
    await listener.close()


async def test_a_revoked_key_is_refused_within_five_seconds_when_nobody_tells(
    tenancy: TenancyContext, tenant: Tenant, directory: ApiKeyDirectory
) -> None:
    created = await new_key(tenancy, tenant)
    await directory.authenticate(created.token)
    await revoke_api_key(tenancy, tenant.organisation_id, created.id)

    assert await seconds_until_refused(directory, created.token) < HARD_SECONDS + 0.5


async def test_a_replacement_revokes_the_namesakes_of_its_application_only(
    tenancy: TenancyContext, tenant: Tenant, directory: ApiKeyDirectory
) -> None:
    other = await new_tenant(tenancy)
    old = await new_key(tenancy, tenant, name="bootstrap")
    bystander = await new_key(tenancy, tenant, name="desk")
    foreigner = await new_key(tenancy, other, name="bootstrap")

    new = await new_key(tenancy, tenant, name="bootstrap", is_replacing=True)

    for key in (new, bystander, foreigner):
        await directory.authenticate(key.token)
    with pytest.raises(Unauthorized):
        await directory.authenticate(old.token)


async def test_keys_are_listed_masked(tenancy: TenancyContext, tenant: Tenant) -> None:
    created = await new_key(tenancy, tenant, environment=Environment.TEST)
    await revoke_api_key(tenancy, tenant.organisation_id, created.id)

    (listed,) = await list_api_keys(tenancy, tenant.organisation_id)

    assert listed.id == created.id
    assert listed.masked_token == f"otr_test_…{created.token[-4:]}"
    assert listed.revoked_at is not None


async def test_another_tenants_key_cannot_be_revoked_and_answers_as_a_missing_one(
    tenancy: TenancyContext, tenant: Tenant, directory: ApiKeyDirectory
) -> None:
    other = await new_tenant(tenancy)
    created = await new_key(tenancy, other)

    with pytest.raises(NotFound) as foreign:
        await revoke_api_key(tenancy, tenant.organisation_id, created.id)
    missing_id = tenancy.ids.new()
    with pytest.raises(NotFound) as missing:
        await revoke_api_key(tenancy, tenant.organisation_id, missing_id)

    assert foreign.value.message == missing.value.message
    assert foreign.value.details.keys() == missing.value.details.keys()
    await directory.authenticate(created.token)


async def test_a_key_cannot_be_made_for_another_tenants_or_the_hidden_application(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    other = await new_tenant(tenancy)
    for application_id in (other.application_id, tenant.hidden_application_id, tenancy.ids.new()):
        new = NewApiKey(application_id=application_id, name="desk", scopes=["*"])
        with pytest.raises(NotFound):
            await create_api_key(tenancy, tenant.organisation_id, new)


@pytest.mark.parametrize("scopes", [[], ["events:read", "events:delete"], ["EVENTS:READ"]])
async def test_unknown_scopes_are_refused(tenancy: TenancyContext, tenant: Tenant, scopes: list[str]) -> None:
    new = NewApiKey(application_id=tenant.application_id, name="desk", scopes=scopes)

    with pytest.raises(ValidationError, match="allowed are events:read"):
        await create_api_key(tenancy, tenant.organisation_id, new)


async def test_what_happens_to_keys_stands_in_the_organisations_log(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await new_key(tenancy, tenant)
    await revoke_api_key(tenancy, tenant.organisation_id, created.id)

    rows = await tenancy.database.system.fetch(
        "select event_type, payload->>'api_key_id' as key_id, payload->'by'->>'type' as author, position"
        " from events where application_id = $1 order by position",
        tenant.hidden_application_id,
    )

    assert [row["event_type"] for row in rows] == [
        "system.organisation.created",
        "system.application.created",
        "system.api_key.created",
        "system.api_key.revoked",
    ]
    assert {row["key_id"] for row in rows[2:]} == {str(created.id)}
    assert {row["author"] for row in rows} == {"operator"}
