import json
import re

from tests.cli.commands import Shell


async def test_a_key_is_printed_alone_so_that_scripts_can_take_it(shell: Shell) -> None:
    await shell.run("bootstrap")

    created = await shell.run(
        "keys", "create", "--application", "default", "--name", "ci", "--scope", "events:read", "--days", "3"
    )

    assert created.status == 0, created.err
    assert re.fullmatch(r"otr_live_[0-9A-Za-z]{43,}\n", created.out)
    listed = await shell.run("keys", "list")
    line = next(line for line in listed.out.splitlines() if line.endswith("ci"))
    assert created.out.strip() not in listed.out
    assert f"otr_live_…{created.out.strip()[-4:]}" in line
    assert "until" in line
    assert "events:read" in line


async def test_a_revoked_key_is_listed_as_revoked(shell: Shell) -> None:
    await shell.run("bootstrap")
    created = await shell.run("keys", "create", "--application", "default", "--name", "ci", "--test")
    assert created.out.startswith("otr_test_")
    key_id = created.err.split()[1]

    revoked = await shell.run("keys", "revoke", key_id)
    listed = await shell.run("keys", "list")

    assert revoked.status == 0, revoked.err
    assert "revoked" in next(line for line in listed.out.splitlines() if key_id in line)


async def test_what_cannot_be_done_is_said(shell: Shell) -> None:
    before = await shell.run("keys", "list")
    assert (before.status, before.out) == (1, "")
    assert "`outrider bootstrap` creates one" in before.err
    await shell.run("bootstrap")

    for words, said in (
        (("keys", "create", "--application", "nothing", "--name", "ci"), "no application with the slug"),
        (
            ("keys", "list", "--organisation", "Nobody"),
            "There is no organisation 'Nobody'. There are: Default.",
        ),
        (("keys", "revoke", "nonsense"), "is not an id"),
        (("keys", "revoke", "0190a000-0000-7000-8000-000000000000"), "API key not found"),
    ):
        finished = await shell.run(*words)
        assert (finished.status, finished.out) == (1, "")
        assert said in finished.err


async def test_of_several_organisations_one_must_be_chosen(shell: Shell) -> None:
    await shell.run("bootstrap", "--organisation", "North")
    (shell.data_dir / "bootstrap.json").unlink()
    await shell.run("bootstrap", "--organisation", "South")

    unclear = await shell.run("keys", "list")
    chosen = await shell.run("keys", "list", "--organisation", "South")

    assert unclear.status == 1
    assert "North, South" in unclear.err
    assert (chosen.status, len(chosen.out.splitlines())) == (0, 4)


async def test_a_message_key_is_made_listed_and_revoked(shell: Shell) -> None:
    await shell.run("bootstrap")

    created = await shell.run(
        "keys", "create-message", "--name", "till", "--application", "default", "--unsigned", "--waive-secret"
    )

    assert created.status == 0, created.err
    parts = json.loads(created.out)
    assert {name: len(text) for name, text in parts.items()} == {"key": 48, "secret": 64, "passphrase": 30}
    key_id = created.err.split()[2].rstrip(";")
    assert (await shell.run("keys", "revoke", key_id)).status == 0
    listed = await shell.run("keys", "list")
    line = next(line for line in listed.out.splitlines() if key_id in line)
    assert "revoked" in line
    assert parts["secret"] not in listed.out
    wrong = await shell.run("keys", "create-message", "--name", "till", "--waive-secret")
    assert (wrong.status, wrong.out) == (1, "")
    missing = await shell.run("keys", "create-message", "--name", "till", "--application", "nowhere")
    assert "no application with the slug 'nowhere'" in missing.err


async def test_a_read_key_is_made_listed_and_revoked(shell: Shell) -> None:
    await shell.run("bootstrap")

    created = await shell.run(
        "keys",
        "create-read",
        "--name",
        "crm",
        "--scope",
        "lists.read",
        "--scope",
        "contacts.read",
        "--days",
        "3",
    )
    assert created.status == 0, created.err
    assert re.fullmatch(r"obk_live_[0-9a-f]{32}\n", created.out)
    listed = await shell.run("keys", "list")
    line = next(line for line in listed.out.splitlines() if line.endswith("crm"))
    revoked = await shell.run("keys", "revoke", line.split()[0])
    after = await shell.run("keys", "list")

    assert f"obk_live_…{created.out.strip()[-4:]}" in line
    assert "contacts.read,lists.read" in line
    assert "until" in line
    assert revoked.status == 0, revoked.err
    assert "revoked" in next(line for line in after.out.splitlines() if line.endswith("crm"))
    wrong = await shell.run("keys", "create-read", "--name", "crm", "--scope", "contacts.write")
    assert (wrong.status, wrong.out) == (2, "")
