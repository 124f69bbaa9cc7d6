"""Deliberately broken statements run into the walls of the settings tables."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from outrider.core.database.pools import Connection
from outrider.platforms.base import Channel
from outrider.tenancy.api_keys import NewApiKey, create_api_key
from outrider.tenancy.connections import NewConnection, create_connection
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.context import open_access
from outrider.tenancy.members.directory import MemberDirectory
from outrider.tenancy.members.invitations import invite_member
from outrider.tenancy.members.managing import NewMember, create_member
from outrider.tenancy.members.roles import Role
from outrider.tenancy.members.signing_in import sign_in
from outrider.webhooks.subscriptions import NewSubscription, create_subscription
from tests.tenants import Tenant, new_tenant

SETTINGS_TABLES = (
    "organisations",
    "applications",
    "accounts",
    "connections",
    "api_keys",
    "subscriptions",
    "subscription_patterns",
    "event_schemas",
    "event_schema_versions",
    "members",
    "invitations",
    "member_sessions",
    "refresh_tokens",
)
UNCHANGED = {"subscription_patterns", "event_schema_versions"}
"""What a settings transaction may not update."""


@asynccontextmanager
async def undone(tenancy: TenancyContext, organisation_id: UUID) -> AsyncGenerator[Connection]:
    """A settings transaction that never commits."""
    async with tenancy.database.settings.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "select set_config('outrider.organisation_id', $1, true)", str(organisation_id)
        )
        try:
            yield connection
        finally:
            await transaction.rollback()


@pytest.fixture
async def other(tenancy: TenancyContext) -> Tenant:
    """Another tenant, with a row in every settings table."""
    other = await new_tenant(tenancy)
    await create_connection(
        tenancy, other.actor, NewConnection(channel=Channel.SMS, name="Texts", provider="sandbox")
    )
    await create_api_key(
        tenancy,
        other.organisation_id,
        NewApiKey(application_id=other.application_id, name="desk", scopes=["*"]),
    )
    await create_subscription(
        tenancy,
        other.actor,
        NewSubscription(name="all", target_url="https://hooks.example.com/in", patterns=["*"]),
    )
    await _declare_schema(tenancy, other)
    access = open_access(tenancy)
    email = f"{other.organisation_id.hex}@lighthouse.example"
    new = NewMember(email=email, name="Keeper", role=Role.OWNER, password=email)
    await create_member(access, other.organisation_id, new)
    session = await sign_in(access, email=email, password=email, address="127.0.0.1")
    keys = MemberDirectory(tenancy.database, access.keys, tenancy.ids)
    member = await keys.authenticate(session.access_token)
    await invite_member(tenancy, member, email="guest@lighthouse.example", role=Role.VIEWER)
    return other


async def _declare_schema(tenancy: TenancyContext, tenant: Tenant) -> None:
    # as it stands in the tables: the operation belongs to a package above
    owner, schema_id = (tenant.organisation_id, tenant.application_id), tenancy.ids.new()
    await tenancy.database.system.execute(
        "insert into event_schemas (organisation_id, application_id, id, name, json_schema)"
        " values ($1, $2, $3, 'order.created', '{}')",
        *owner,
        schema_id,
    )
    await tenancy.database.system.execute(
        "insert into event_schema_versions (organisation_id, application_id, schema_id, version, json_schema,"
        " created_at) values ($1, $2, $3, 1, '{}', now())",
        *owner,
        schema_id,
    )


async def test_every_table_that_a_settings_transaction_may_touch_has_row_security_that_nobody_escapes(
    tenancy: TenancyContext,
) -> None:
    touched = await tenancy.database.system.fetch(
        """
        select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as is_walled
        from pg_class c
        where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
          and has_table_privilege('outrider_tenant', c.oid, 'select, insert, update, delete')
        """
    )

    assert {row["name"] for row in touched} >= set(SETTINGS_TABLES)
    assert [row["name"] for row in touched if not row["is_walled"]] == []


async def test_every_key_between_tables_of_tenants_holds_the_tenant(tenancy: TenancyContext) -> None:
    keys = await tenancy.database.system.fetch(
        """
        select k.conrelid::regclass::text as source, k.confrelid::regclass::text as target,
          array(select a.attname || '=' || b.attname from unnest(k.conkey, k.confkey) n(here, there)
            join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.here
            join pg_attribute b on b.attrelid = k.confrelid and b.attnum = n.there) as columns
        from pg_constraint k where k.contype = 'f' and k.conparentid = 0
        """
    )
    tied = {
        "organisation_id=organisation_id",
        "application_id=application_id",
        # where the tenant is the row itself
        "organisation_id=id",
    }

    assert len(keys) > 10
    assert [(key["source"], key["target"]) for key in keys if not tied & set(key["columns"])] == []


@pytest.mark.parametrize("table", SETTINGS_TABLES)
async def test_without_an_organisation_nothing_is_visible(
    tenancy: TenancyContext, other: Tenant, table: str
) -> None:
    async with tenancy.database.settings.acquire() as connection, connection.transaction():
        assert await connection.fetchval(f"select count(*) from {table}") == 0

    assert await tenancy.database.system.fetchval(f"select count(*) from {table}") > 0


async def test_the_organisation_is_named_for_one_transaction_only(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    async with tenancy.database.settings.acquire() as connection:
        async with connection.transaction():
            await connection.execute(
                "select set_config('outrider.organisation_id', $1, true)", str(tenant.organisation_id)
            )
            assert await connection.fetchval("select count(*) from organisations") == 1

        assert await connection.fetchval("select count(*) from organisations") == 0


@pytest.mark.parametrize("table", SETTINGS_TABLES)
async def test_a_statement_that_forgets_its_tenant_sees_only_its_own(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant, table: str
) -> None:
    column = "id" if table == "organisations" else "organisation_id"
    async with undone(tenancy, other.organisation_id) as connection:
        seen = await connection.fetch(f"select distinct {column} as tenant from {table}")
    assert [row["tenant"] for row in seen] == [other.organisation_id]

    async with undone(tenancy, tenant.organisation_id) as connection:
        foreign = await connection.fetch(f"select from {table} where {column} = $1", other.organisation_id)
    assert foreign == []


@pytest.mark.parametrize("table", [name for name in SETTINGS_TABLES if name not in UNCHANGED])
async def test_a_statement_that_forgets_its_tenant_changes_only_its_own(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant, table: str
) -> None:
    column = "id" if table == "organisations" else "organisation_id"
    async with undone(tenancy, tenant.organisation_id) as connection:
        changed = await connection.fetch(
            f"update {table} set created_at = now() returning {column} as tenant"
        )
        aimed = await connection.execute(
            f"update {table} set created_at = now() where {column} = $1", other.organisation_id
        )

    assert {row["tenant"] for row in changed} <= {tenant.organisation_id}
    assert aimed == "UPDATE 0"


async def test_a_delete_that_forgets_its_tenant_deletes_only_its_own(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant
) -> None:
    async with tenancy.database.tenant(tenant.organisation_id) as connection:
        assert await connection.execute("delete from subscription_patterns") == "DELETE 0"

    kept = "select count(*) from subscription_patterns where organisation_id = $1"
    assert await tenancy.database.system.fetchval(kept, other.organisation_id) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "insert into organisations (id, name, tier) values (gen_random_uuid(), 'x', 'free')",
        """insert into applications (organisation_id, id, kind, slug, name)
        select '{other}', gen_random_uuid(), 'application', 'x', 'x'""",
        "update applications set organisation_id = '{other}'",
        """insert into api_keys (organisation_id, id, kind, name, environment, secret_hash, hint, scopes)
        values ('{other}', gen_random_uuid(), 'developer', 'x', 'live', 'x', 'x', '{{*}}')""",
    ],
)
async def test_nothing_can_be_written_into_another_organisation(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant, statement: str
) -> None:
    async with undone(tenancy, tenant.organisation_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(statement.format(other=other.organisation_id))


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (
            "connections",
            (
                "application_id, id, account_id, identifier, name, channel, provider, system_platform_user_id",
                "'{application}', gen_random_uuid(), '{account}', 'x', 'x', 'sms', 'sandbox', gen_random_uuid()",
            ),
        ),
        (
            "api_keys",
            (
                "application_id, id, kind, name, environment, secret_hash, hint, scopes",
                "'{application}', gen_random_uuid(), 'developer', 'x', 'live', 'x', 'x', '{{*}}'",
            ),
        ),
        (
            "subscriptions",
            (
                "application_id, id, name, target_url, patterns, sealed_secret, from_position",
                "'{application}', gen_random_uuid(), 'x', 'x', '{{*}}', 'x', 0",
            ),
        ),
        (
            "subscription_patterns",
            ("application_id, pattern, subscription_id", "'{application}', 'order.*', '{subscription}'"),
        ),
        (
            "event_schemas",
            (
                "application_id, id, name, version, json_schema",
                "'{application}', gen_random_uuid(), 'x', 1, '{{}}'",
            ),
        ),
        (
            "event_schema_versions",
            (
                "application_id, schema_id, version, json_schema, created_at",
                "'{application}', '{schema}', 9, '{{}}', now()",
            ),
        ),
    ],
)
async def test_keys_refuse_a_reference_across_tenants_even_where_no_row_security_holds(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant, table: str, row: tuple[str, str]
) -> None:
    system = tenancy.database.system
    account = await system.fetchval(
        "select id from accounts where organisation_id = $1", other.organisation_id
    )
    subscription = await system.fetchval(
        "select id from subscriptions where organisation_id = $1", other.organisation_id
    )
    schema = await system.fetchval(
        "select id from event_schemas where organisation_id = $1", other.organisation_id
    )
    columns, values = row
    statement = f"insert into {table} (organisation_id, {columns}) values ('{{mine}}', {values})"

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await system.execute(
            statement.format(
                mine=tenant.organisation_id,
                application=other.application_id,
                account=account,
                subscription=subscription,
                schema=schema,
            )
        )


async def test_a_connection_cannot_use_an_account_of_another_tenant(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant
) -> None:
    system = tenancy.database.system
    account = await system.fetchval(
        "select id from accounts where organisation_id = $1", other.organisation_id
    )

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await system.execute(
            "insert into connections (organisation_id, application_id, id, account_id, identifier, name, channel,"
            " provider, system_platform_user_id)"
            " values ($1, $2, gen_random_uuid(), $3, 'x', 'x', 'sms', 'sandbox', gen_random_uuid())",
            tenant.organisation_id,
            tenant.application_id,
            account,
        )


@pytest.mark.parametrize(
    "table", ["events", "messages", "users", "platform_users", "delivery_queue", "once_keys", "deliveries"]
)
async def test_the_settings_role_cannot_touch_facts(
    tenancy: TenancyContext, tenant: Tenant, table: str
) -> None:
    async with undone(tenancy, tenant.organisation_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"select from {table}")


async def test_an_audit_event_cannot_be_put_into_another_organisations_log(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant
) -> None:
    async with undone(tenancy, tenant.organisation_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="another organisation"):
            await connection.execute(
                "select append_audit($1, 'system.x', '{}', $2)", other.organisation_id, tenancy.ids.new()
            )


async def test_a_system_user_cannot_be_given_to_another_organisations_connection(
    tenancy: TenancyContext, tenant: Tenant, other: Tenant
) -> None:
    connection_id = await tenancy.database.system.fetchval(
        "select id from connections where organisation_id = $1", other.organisation_id
    )
    call = "select create_system_user($1, $2, gen_random_uuid(), gen_random_uuid(), 'x', 'x')"

    async with undone(tenancy, tenant.organisation_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="another organisation"):
            await connection.execute(call, other.organisation_id, connection_id)
    async with undone(tenancy, tenant.organisation_id) as connection:
        with pytest.raises(asyncpg.NoDataFoundError):
            await connection.execute(call, tenant.organisation_id, connection_id)


async def test_guarded_functions_answer_their_names_from_their_own_schema(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    async with undone(tenancy, tenant.organisation_id) as connection:
        # temporary tables come first in a search path that does not say otherwise
        await connection.execute(
            "create temporary table applications (organisation_id uuid, id uuid, kind text);"
            f"insert into applications values ('{tenant.organisation_id}', gen_random_uuid(), 'organisation')"
        )
        event_id = tenancy.ids.new()
        await connection.execute(
            "select append_audit($1, 'system.x', '{}', $2)", tenant.organisation_id, event_id
        )
        await connection.execute("set local role none")
        application_id = await connection.fetchval(
            "select application_id from events where id = $1", event_id
        )
    assert application_id == tenant.hidden_application_id
