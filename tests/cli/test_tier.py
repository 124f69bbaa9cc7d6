from tests.cli.commands import Shell


async def test_a_tier_is_changed_for_the_organisation_that_is_meant(shell: Shell) -> None:
    await shell.run("bootstrap", "--organisation", "North")
    (shell.data_dir / "bootstrap.json").unlink()
    await shell.run("bootstrap", "--organisation", "South")

    unclear = await shell.run("tier", "pro")
    changed = await shell.run("tier", "pro", "--organisation", "South")

    assert (unclear.status, changed.status) == (1, 0)
    assert "North, South" in unclear.err
    assert "The tier is pro." in changed.err


async def test_only_tiers_that_exist_are_taken(shell: Shell) -> None:
    refused = await shell.run("tier", "gold")

    assert refused.status == 2
    assert "unlimited" in refused.err
