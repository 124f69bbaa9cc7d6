"""`outrider projects`: what it makes, shows and refuses."""

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
