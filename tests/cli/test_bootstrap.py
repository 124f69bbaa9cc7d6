import asyncio
import json
import re
import stat
from typing import Any

import pytest

from outrider.core.config import load
from outrider.core.database.pools import open_database
from outrider.core.errors import Unauthorized
from outrider.core.ids import IdClock
from outrider.core.sealing import open_sealer
from outrider.platforms.registry import Registry
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.api_keys import ApiKeyDirectory
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.context import open_access
from outrider.tenancy.members.roles import Role
from outrider.tenancy.members.signing_in import sign_in
from tests.cli.commands import Shell


async def bootstrap(shell: Shell, *words: str, **variables: str) -> dict[str, Any]:
    finished = await shell.run("bootstrap", "--output", "json", *words, **variables)
    assert finished.status == 0, finished.err
    return json.loads(finished.out)


async def authenticate(shell: Shell, token: str) -> Actor:
    assert shell.database_url is not None
    database = await open_database(shell.database_url)
    try:
        return await ApiKeyDirectory(database, IdClock()).authenticate(token)
    finally:
        await database.close()


async def signs_in(shell: Shell, given: dict[str, Any]) -> Role:
    """Sign in as a server on the same data would."""
    assert shell.database_url is not None
    settings = load({"OUTRIDER_DATA_DIR": str(shell.data_dir), "OUTRIDER_DATABASE_URL": shell.database_url})
    database = await open_database(shell.database_url)
    try:
        context = TenancyContext(
            database=database,
            sealer=open_sealer(settings),
            registry=Registry.of([]),
            ids=IdClock(),
            public_url="http://127.0.0.1",
        )
        session = await sign_in(
            open_access(context),
            email=given["admin_email"],
            password=given["admin_password"],
            address="127.0.0.1",
        )
        return session.member.role
    finally:
        await database.close()


async def test_a_new_database_gets_an_organisation_an_application_and_a_key_that_works(shell: Shell) -> None:
    given = await bootstrap(shell, "--organisation", "Lighthouse", "--application", "Ferry Desk")

    assert given.keys() == {
        "organisation_id",
        "application_id",
        "application_slug",
        "developer_api_key",
        "message_api_key",
        "read_api_key",
        "admin_email",
        "admin_password",
        "base_url",
    }
    assert given["application_slug"] == "ferry-desk"
    actor = await authenticate(shell, given["developer_api_key"])
    assert str(actor.organisation_id) == given["organisation_id"]
    assert str(actor.application_id) == given["application_id"]
    assert actor.scopes == {Scope.ALL}
    assert {name: len(text) for name, text in given["message_api_key"].items()} == {
        "key": 48,
        "secret": 64,
        "passphrase": 30,
    }
    assert re.fullmatch("obk_live_[0-9a-f]{32}", given["read_api_key"])
    assert given["admin_email"] == "admin@lighthouse.example"
    assert await signs_in(shell, given) == Role.OWNER


async def test_the_same_is_printed_again_with_the_address_of_today(shell: Shell) -> None:
    first = await bootstrap(shell)
    second = await bootstrap(shell, PUBLIC_URL="https://messages.example.com")

    assert second == {**first, "base_url": "https://messages.example.com"}
    kept = shell.data_dir / "bootstrap.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == second


async def test_two_at_once_give_the_same(shell: Shell) -> None:
    await shell.run("migrate")
    first, second = await asyncio.gather(bootstrap(shell), bootstrap(shell))

    assert first == second
    await authenticate(shell, first["developer_api_key"])


async def test_without_the_file_the_key_is_replaced_and_the_rest_stays(shell: Shell) -> None:
    first = await bootstrap(shell)
    (shell.data_dir / "bootstrap.json").unlink()
    second = await bootstrap(shell)

    assert second["application_id"] == first["application_id"]
    assert second["organisation_id"] == first["organisation_id"]
    await authenticate(shell, second["developer_api_key"])
    with pytest.raises(Unauthorized):
        await authenticate(shell, first["developer_api_key"])
    assert second["admin_email"] == first["admin_email"]
    assert await signs_in(shell, second) == Role.OWNER
    with pytest.raises(Unauthorized):
        await signs_in(shell, first)


async def test_a_file_that_knows_no_member_gets_one_and_stays(shell: Shell) -> None:
    first = await bootstrap(shell)
    kept = shell.data_dir / "bootstrap.json"
    without = {name: text for name, text in first.items() if not name.startswith("admin_")}
    kept.write_text(json.dumps(without))

    given = await bootstrap(shell)

    assert given == {**first, "admin_password": given["admin_password"]}
    assert await signs_in(shell, given) == Role.OWNER
    assert await bootstrap(shell) == given


async def test_a_file_that_knows_no_message_key_gets_one_and_stays(shell: Shell) -> None:
    first = await bootstrap(shell)
    kept = shell.data_dir / "bootstrap.json"
    kept.write_text(json.dumps({name: one for name, one in first.items() if name != "message_api_key"}))

    given = await bootstrap(shell)

    assert given == {**first, "message_api_key": given["message_api_key"]}
    assert given["message_api_key"] != first["message_api_key"]
    assert await bootstrap(shell) == given


async def test_a_file_that_knows_no_read_key_gets_one_and_stays(shell: Shell) -> None:
    first = await bootstrap(shell)
    kept = shell.data_dir / "bootstrap.json"
    kept.write_text(json.dumps({name: one for name, one in first.items() if name != "read_api_key"}))

    given = await bootstrap(shell)

    assert given == {**first, "read_api_key": given["read_api_key"]}
    assert given["read_api_key"] != first["read_api_key"]
    assert await bootstrap(shell) == given


async def test_a_file_that_tells_of_another_database_counts_as_none(shell: Shell) -> None:
    await bootstrap(shell)
    kept = shell.data_dir / "bootstrap.json"
    elsewhere = json.loads(kept.read_text()) | {"application_id": "0190a000-0000-7000-8000-000000000000"}
    kept.write_text(json.dumps(elsewhere))

    given = await bootstrap(shell)

    assert given["application_id"] != elsewhere["application_id"]
    await authenticate(shell, given["developer_api_key"])


@pytest.mark.parametrize("words", [("--organisation", "Other"), ("--application", "Other")])
async def test_another_name_than_the_files_is_refused(shell: Shell, words: tuple[str, str]) -> None:
    first = await bootstrap(shell)

    finished = await shell.run("bootstrap", *words)

    assert finished.status == 1
    assert "Move it away" in finished.err
    assert await bootstrap(shell) == first


async def test_a_damaged_file_is_told(shell: Shell) -> None:
    shell.data_dir.mkdir()
    (shell.data_dir / "bootstrap.json").write_text('{"organisation_id": ')

    finished = await shell.run("bootstrap")

    assert (finished.status, finished.out) == (1, "")
    assert "is damaged" in finished.err
    assert "Traceback" not in finished.err
