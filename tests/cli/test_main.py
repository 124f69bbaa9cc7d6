import re
import socket
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from outrider.cli.main import main
from tests.cli.commands import Shell


async def test_every_problem_of_the_settings_is_told_at_once(shell: Shell) -> None:
    finished = await shell.run("migrate", PORT="x", HOST="a b", PROT="1", MASTER_KEY="secretsecret")

    assert (finished.status, finished.out) == (2, "")
    for words in (
        "OUTRIDER_PORT is 'x'",
        "OUTRIDER_HOST",
        "did you mean OUTRIDER_PORT",
        "OUTRIDER_MASTER_KEY",
    ):
        assert words in finished.err
    assert "secretsecret" not in finished.err
    assert "Traceback" not in finished.err


async def test_options_are_checked_like_the_variables_that_they_replace(shell: Shell) -> None:
    finished = await shell.run("serve", "--port", "70000")

    assert finished.status == 2
    assert "OUTRIDER_PORT" in finished.err


@pytest.mark.parametrize("command", ["migrate", "verify", "bootstrap", "keys list", "serve --port 0"])
async def test_a_database_that_is_not_there_is_told_in_a_sentence(tmp_path: Path, command: str) -> None:
    shell = Shell(tmp_path, "postgresql://nobody:sesame@127.0.0.1:1/nothing?password=sesame")

    finished = await shell.run(*command.split())

    assert (finished.status, finished.out) == (1, "")
    assert finished.err == "PostgreSQL at 127.0.0.1:1/nothing cannot be used: Connection refused.\n"


@pytest.mark.parametrize("command", ["bootstrap", "verify", "keys list", "serve --port 0"])
async def test_a_newer_schema_is_refused(shell: Shell, command: str) -> None:
    await shell.run("migrate")
    assert shell.database_url is not None
    connection = await asyncpg.connect(shell.database_url)
    await connection.execute("insert into schema_migrations (number, name) values (9999, '9999_future.sql')")
    await connection.close()

    finished = await shell.run(*command.split())

    assert finished.status == 1
    assert "newer than this release" in finished.err


async def test_migrate_says_what_it_did(shell: Shell) -> None:
    first = await shell.run("migrate")
    second = await shell.run("migrate")

    assert (first.status, second.status) == (0, 0)
    assert first.out.startswith("Applied ")
    assert second.out == "The schema is up to date.\n"


async def test_verify_finds_what_does_not_agree(shell: Shell) -> None:
    await shell.run("migrate")
    clean = await shell.run("verify")
    assert (clean.status, clean.out) == (0, "Everything agrees.\n")

    assert shell.database_url is not None
    connection = await asyncpg.connect(shell.database_url)
    lost_id = uuid4()
    await connection.execute(
        "insert into messages (application_id, id, connection_id, platform_user_id)"
        " values (gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid())",
        lost_id,
    )
    await connection.close()

    found = await shell.run("verify")
    assert found.status == 1
    assert "message without its event: 1" in found.out
    assert str(lost_id) in found.out


async def test_commands_start_a_bundled_database_for_the_while_and_share_it() -> None:
    # not pytest's folder: it belongs to one user, and as root the server runs as another
    with tempfile.TemporaryDirectory(prefix="outrider-cli-") as folder:
        Path(folder).chmod(0o755)
        shell = Shell(Path(folder) / "data")

        first = await shell.run("bootstrap", "--output", "json")
        second = await shell.run("bootstrap", "--output", "json")
        doctor = await shell.run("doctor")

        assert first.status == 0, first.err
        assert first.out == second.out
        assert doctor.status == 0
        assert "(bundled)" in doctor.out
        assert not (shell.data_dir / "postgres" / "postmaster.pid").exists()


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"outrider {metadata.version('outrider')}\n"


def test_no_words_at_all_show_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert re.findall(r"^    (\w+) ", shown, re.MULTILINE) == [
        "serve", "dev", "bootstrap", "migrate", "verify", "doctor", "keys", "projects", "backends",
        "members", "contacts", "lists", "drafts", "tier", "research", "listen",
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["serve", "dev", "listen"])
async def test_an_address_that_cannot_be_had_is_told_before_anything_is_made(
    tmp_path: Path, command: str
) -> None:
    shell = Shell(tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        taken = await shell.run(command, "--port", port)
    elsewhere = await shell.run(command, "--host", "192.0.2.1", "--port", "0")

    assert taken.err.startswith(f"Cannot listen on port {port} of 127.0.0.1: it is taken")
    assert "no such address" in elsewhere.err
    assert [(ended.status, ended.out, ended.err.count("\n")) for ended in (taken, elsewhere)] == [
        (1, "", 1)
    ] * 2
    assert not shell.data_dir.exists()


@pytest.mark.parametrize("command", ["serve", "dev", "bootstrap", "migrate", "keys list"])
async def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    shell = Shell(tmp_path / "file" / "data")

    finished = await shell.run(*command.split(), **({"PORT": "0"} if command in {"serve", "dev"} else {}))

    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"The data directory {shell.data_dir} cannot be used: Not a directory.")
    assert "OUTRIDER_DATA_DIR" in finished.err
    assert finished.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["dance"],
        ["serve", "--role", "cook"],
        ["keys"],
        ["keys", "create"],
        ["listen", "--port", "x"],
        ["listen", "--answer", "99"],
        ["keys", "create", "--application", "a", "--name", "b", "--scope", "c"],
        ["keys", "create", "--application", "a", "--name", "b", "--days", "0"],
    ],
)
def test_wrong_words_are_refused_before_anything_happens(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert "usage: outrider" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["api", "worker"])
async def test_a_split_role_wants_to_hear_that_files_are_shared(tmp_path: Path, role: str) -> None:
    shell = Shell(tmp_path / "data")

    finished = await shell.run("serve", "--role", role, PORT="0")

    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"A server with --role {role} shares its files with others")
    assert "OUTRIDER_FILES_DIR" in finished.err
    assert "OUTRIDER_FILES_SHARED=1" in finished.err
    assert finished.err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_help_of_every_command_needs_no_settings(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "dev", "bootstrap", "migrate", "keys", "verify", "doctor", "listen"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert f"usage: outrider {command}" in capsys.readouterr().out


def test_light_commands_do_not_load_the_server() -> None:
    """Loading it takes half a second, which every `keys list` would pay."""
    heavy = {"aiohttp", "uvicorn", "graphql"}
    program = (
        "import sys, importlib\n"
        "for name in ('main', 'keys', 'bootstrap', 'migrate', 'verify'):\n"
        "    importlib.import_module('outrider.cli.' + name)\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert printed == "[]\n"
