"""`outrider projects`: what it makes, shows and refuses."""

from pathlib import Path

import pytest

from tests.cli.commands import Shell


async def test_projects_are_made_and_listed(shell: Shell) -> None:
    await shell.run("bootstrap")

    created = await shell.run("projects", "create", "--name", "Ferry desk")
    listed = await shell.run("projects", "list")

    assert (created.status, created.out) == (0, "ferry-desk\n")
    assert "ferry-desk" in listed.out
    assert "default" in listed.out


async def test_a_backend_that_is_not_there_is_refused(shell: Shell) -> None:
    await shell.run("bootstrap")

    for words, said in (
        (("default", "nowhere", "email", "post"), "no application with the slug 'nowhere'"),
        (("default", "default", "email", "post"), "no account 'post'"),
    ):
        refused = await shell.run("projects", *words)
        assert (refused.status, refused.out) == (1, "")
        assert said in refused.err
    assert (await shell.run("projects", "default", "default", "email")).status == 0


async def test_a_backend_is_made_and_chosen(shell: Shell, tmp_path: Path) -> None:
    await shell.run("bootstrap")
    config = tmp_path / "post-office.json"
    config.write_text(
        '{"host": "mail.ferry.example", "from_email": "desk@ferry.example", "username": "desk", "password": "s3cret-1"}'
    )

    unread = await shell.run(
        *("backends", "create", "email", "--provider", "smtp"), *("--config", str(tmp_path / "none.json"))
    )
    made = await shell.run(
        *("backends", "create", "email", "--provider", "smtp", "--identifier", "post-office"),
        *("--config", str(config)),
    )
    again = await shell.run(
        *("backends", "create", "email", "--provider", "smtp", "--identifier", "post-office"),
        *("--config", str(config)),
    )
    chosen = await shell.run("projects", "default", "default", "email", "post-office")
    listed = await shell.run("backends", "list")
    projects = await shell.run("projects", "list")

    assert unread.err == f"The config {tmp_path / 'none.json'} cannot be read: No such file or directory.\n"
    assert (made.status, made.out) == (0, "post-office\n")
    assert "/webhooks/" in made.err
    assert (again.status, again.out) == (1, "")
    assert "is taken" in again.err
    assert chosen.status == 0
    assert "post-office" in listed.out
    assert "smtp" in listed.out
    assert "s3cret-1" not in made.out + made.err + listed.out
    assert "email: post-office" in projects.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("email", "--provider", "pigeon"), "pigeon"),
        (("email", "--provider", "smtp", "--config", "nowhere.json"), "cannot be read"),
        (("email", "--provider", "smtp"), "host"),
    ],
)
async def test_a_backend_that_cannot_be_is_refused(shell: Shell, words: tuple[str, ...], said: str) -> None:
    await shell.run("bootstrap")

    refused = await shell.run("backends", "create", *words)

    assert (refused.status, refused.out) == (1, "")
    assert said in refused.err
    assert "post" not in (await shell.run("backends", "list")).out
