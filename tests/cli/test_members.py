import re

import pytest

from tests.cli.commands import Shell
from tests.cli.test_bootstrap import bootstrap, signs_in


async def test_a_password_is_printed_alone_and_works(shell: Shell) -> None:
    await bootstrap(shell)

    added = await shell.run(
        "members", "add", "Keeper@Lighthouse.example", "--name", "The keeper", "--role", "viewer"
    )
    listed = await shell.run("members", "list")

    assert added.status == 0, added.err
    assert re.fullmatch(r"[0-9A-Za-z]{24,}\n", added.out)
    assert "keeper@lighthouse.example (viewer)" in added.err
    line = next(line for line in listed.out.splitlines() if line.endswith("The keeper"))
    assert "keeper@lighthouse.example" in line
    assert "active" in line
    given = {"admin_email": "keeper@lighthouse.example", "admin_password": added.out.strip()}
    assert await signs_in(shell, given) == "viewer"


async def test_a_password_is_reset_and_a_member_removed(shell: Shell) -> None:
    given = await bootstrap(shell)
    await shell.run("members", "add", "second@lighthouse.example")

    reset = await shell.run("members", "reset-password", given["admin_email"])
    assert reset.status == 0, reset.err
    assert await signs_in(shell, {**given, "admin_password": reset.out.strip()}) == "owner"

    removed = await shell.run("members", "remove", given["admin_email"])
    assert removed.status == 0, removed.err
    listed = await shell.run("members", "list")
    assert "removed" in next(line for line in listed.out.splitlines() if given["admin_email"] in line)


async def test_what_cannot_be_done_is_said(shell: Shell) -> None:
    given = await bootstrap(shell)

    last = await shell.run("members", "remove", given["admin_email"])
    unknown = await shell.run("members", "reset-password", "nobody@lighthouse.example")
    taken = await shell.run("members", "add", given["admin_email"])
    malformed = await shell.run("members", "add", "no address")

    assert [one.status for one in (last, unknown, taken, malformed)] == [1, 1, 1, 1]
    assert [one.out for one in (last, unknown, taken, malformed)] == [""] * 4
    assert "no active owner left" in last.err
    assert "has no member 'nobody@lighthouse.example'" in unknown.err
    assert "exists already" in taken.err
    assert "is not an e-mail address" in malformed.err


@pytest.mark.parametrize("words", [("add", "a@b.example", "--role", "king"), ("add",), ()])
async def test_wrong_arguments_are_told(shell: Shell, words: tuple[str, ...]) -> None:
    assert (await shell.run("members", *words)).status == 2
