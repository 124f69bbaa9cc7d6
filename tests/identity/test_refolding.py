"""`verify` finds what no merge and no code can have left behind, and nothing where people were only merged."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest

from outrider.identity.activating import activate_link_code
from outrider.identity.link_codes import generate_link_code
from outrider.identity.merging import merge_users
from outrider.identity.users import create_user
from outrider.runtime.cross_tenant import select_broken
from outrider.runtime.verifying import verify
from tests.identity.people import town_of
from tests.running import new_database, running
from tests.tenants import new_tenant

MERGE = "(select id from events where event_type = 'user.merged' order by position limit 1)"
ABSORBED = f"(select id from users where merged_by_event_id = {MERGE})"
MOVED = "(select id from platform_users where external_id = 'ada.there')"
OTHER = "(select id from users where name = 'Kept')"

DAMAGE = {
    "a merge undone": (
        "user that is not where its merge leads",
        f"update users set merged_into_id = null, merged_by_event_id = null where id = {ABSORBED}",
    ),
    "a merge into somebody else": (
        "user that is not where its merge leads",
        f"update users set merged_into_id = (select id from users where is_system limit 1) where id = {ABSORBED}",
    ),
    "an absorbed user lost": (
        "user that is not where its merge leads",
        f"delete from users where id = {ABSORBED}",
    ),
    "a face given back": (
        "platform user that is not where its merge leads",
        f"update platform_users set user_id = {OTHER} where id = {MOVED}",
    ),
    "a face of an absorbed user": (
        "platform user of an absorbed user",
        f"update platform_users set user_id = {ABSORBED} where id = {MOVED}",
    ),
    "a chain": (
        "absorbed user that leads to no kept one",
        f"""update users set merged_into_id = {OTHER}, merged_by_event_id = {MERGE}
        where id = (select merged_into_id from users where id = {ABSORBED})""",
    ),
    "an absorbed user nobody absorbed": (
        "absorbed user without the event that absorbed it",
        f"update users set merged_by_event_id = uuidv7() where id = {ABSORBED}",
    ),
    "a use that was not counted": (
        "link code whose uses are not its activations",
        "update link_codes set uses = 0 where uses = 1",
    ),
    "a use that was not one": (
        "link code whose uses are not its activations",
        "update link_codes set uses = 1 where uses = 0",
    ),
    "a code from nowhere": (
        "link code without its event",
        "update link_codes set code = '0000-0000-0000-0000' where uses = 0",
    ),
}


@pytest.fixture(scope="module")
async def used(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """A log with merges, chains of them, and codes in it."""
    async with (
        new_database(dsn, "merged") as own,
        running(own, tmp_path_factory.mktemp("merged"), role="api") as runtime,
        town_of(runtime, await new_tenant(runtime.tenancy), own) as town,
    ):
        context, actor = runtime.identity, town.tenant.actor
        await create_user(context, actor, name="Kept")
        owner = await town.person("ada")
        there = await town.person("ada.there", connection=town.there)
        beside = await create_user(context, actor, name="Beside")
        await town.person("beside", connection=town.there, user_id=beside.id)
        code = await generate_link_code(context, actor, owner.id)
        await generate_link_code(context, actor, owner.id)
        await activate_link_code(context, actor, code.code, there.id)
        await merge_users(context, actor, owner.user_id, beside.id)
        yield own


async def test_a_log_of_merges_is_clean(used: str) -> None:
    assert await verify(used) == {}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_each_kind_of_damage_is_found(used: str, damage: str) -> None:
    named, statement = DAMAGE[damage]
    connection = await asyncpg.connect(used)
    transaction = connection.transaction()
    await transaction.start()
    try:
        changed = await connection.execute(statement)
        assert not changed.endswith(" 0"), "the damage was not done"
        assert (await select_broken(connection)).get(named)
    finally:
        await transaction.rollback()
        await connection.close()
