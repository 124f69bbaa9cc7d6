"""The walls stand wherever the migrations run: beside others, and for a user who is no superuser."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from outrider.core.database.migrating import SchemaMismatch, migrate
from outrider.tenancy.context import TenancyContext
from tests.tenants import new_tenant, open_tenancy


def beside(dsn: str, *, database: str, user: str | None = None) -> str:
    """The address of another database of the same server."""
    parts = urlsplit(dsn)
    netloc = parts.netloc if user is None else f"{user}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(path=f"/{database}", netloc=netloc))


@pytest.fixture
async def names(tenancy: TenancyContext) -> AsyncGenerator[list[str]]:
    """Four empty databases of one server."""
    created = [f"walls_{secrets.token_hex(4)}" for _ in range(4)]
    system = tenancy.database.system
    for name in created:
        await system.execute(f"create database {name}")
    yield created
    for name in created:
        await system.execute(f"drop database {name} with (force)")


async def test_databases_of_one_server_can_be_migrated_at_once(
    tenancy: TenancyContext, names: list[str]
) -> None:
    counts = await asyncio.gather(*(migrate(beside(tenancy.database.dsn, database=name)) for name in names))

    assert len(set(counts)) == 1
    assert counts[0] > 0


@pytest.mark.parametrize("may_create_roles", [True, False])
async def test_a_user_who_is_no_superuser_gets_the_walls_too(
    tenancy: TenancyContext, names: list[str], *, may_create_roles: bool
) -> None:
    system, user = tenancy.database.system, f"{names[0]}_user"
    await system.execute(f"create role {user} login {'createrole' if may_create_roles else ''}")
    # The role belongs to the server, which others use: its administrator hands it out.
    await system.execute(f"grant outrider_tenant to {user} with inherit false, set true")
    await system.execute(f"alter database {names[0]} owner to {user}")
    dsn = beside(tenancy.database.dsn, database=names[0], user=user)

    await migrate(dsn)
    async with open_tenancy(dsn) as owned:
        first, second = await new_tenant(owned), await new_tenant(owned)
        assert await owned.database.system.fetchval("select count(*) from organisations") == 2
        async with owned.database.tenant(first.organisation_id) as connection:
            seen = await connection.fetch("select id from organisations")
            assert [row["id"] for row in seen] == [first.organisation_id]
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    "update applications set organisation_id = $1", second.organisation_id
                )

    await system.execute(f"drop database {names[0]} with (force)")
    await system.execute(f"create database {names[0]}")
    await system.execute(f"drop owned by {user}; drop role {user}")


async def test_a_user_who_may_not_act_as_the_role_is_told_what_to_do(
    tenancy: TenancyContext, names: list[str]
) -> None:
    system, user = tenancy.database.system, f"{names[0]}_user"
    await system.execute(f"create role {user} login")
    await system.execute(f"alter database {names[0]} owner to {user}")

    with pytest.raises(asyncpg.RaiseError, match="may not act as the role outrider_tenant") as refused:
        await migrate(beside(tenancy.database.dsn, database=names[0], user=user))

    assert f"grant outrider_tenant to {user} with set true" in str(refused.value.as_dict()["hint"])
    await system.execute(f"drop database {names[0]} with (force)")
    await system.execute(f"create database {names[0]}")
    await system.execute(f"drop role {user}")


async def test_a_user_who_may_not_make_tables_is_told_what_to_do(
    tenancy: TenancyContext, names: list[str]
) -> None:
    system, user = tenancy.database.system, f"{names[0]}_user"
    await system.execute(f"create role {user} login")
    dsn = beside(tenancy.database.dsn, database=names[0], user=user)

    with pytest.raises(SchemaMismatch) as refused:
        await migrate(dsn)

    remedy = f"alter database {names[0]} owner to {user};"
    assert remedy in str(refused.value)
    await system.execute(f"grant outrider_tenant to {user} with inherit false, set true")
    await system.execute(remedy)
    assert await migrate(dsn) > 0
    await system.execute(f"drop database {names[0]} with (force)")
    await system.execute(f"create database {names[0]}")
    await system.execute(f"drop owned by {user}; drop role {user}")
