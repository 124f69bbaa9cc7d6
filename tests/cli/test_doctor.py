import base64
import os
from pathlib import Path

import asyncpg
import pytest

from outrider.core.sealing import Sealer
from tests.cli.commands import Finished, Shell


def states(finished: Finished) -> dict[str, str]:
    """What the doctor thinks of each thing."""
    return {line[6:20].strip(): line[:4].strip() for line in finished.out.splitlines()}


async def test_a_fresh_machine_is_well_and_stays_untouched(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "data")

    finished = await shell.run("doctor")

    assert finished.status == 0
    assert set(states(finished).values()) <= {"ok", "warn"}
    assert not shell.data_dir.exists()


async def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    finished = await Shell(tmp_path / "file" / "data").run("doctor")

    assert finished.status == 1
    assert states(finished)["data directory"] == "FAIL"
    assert states(finished)["disk"] == "ok"


async def test_a_database_without_a_schema_is_told(shell: Shell) -> None:
    finished = await shell.run("doctor")

    assert finished.status == 1
    assert states(finished)["schema"] == "FAIL"
    assert "outrider migrate" in finished.out


async def test_a_working_installation_is_well(shell: Shell) -> None:
    await shell.run("bootstrap")

    finished = await shell.run("doctor")

    assert finished.status == 0
    assert set(states(finished).values()) == {"ok"}
    assert {"database", "clock", "schema", "partitions", "queue", "disk", "master key"} <= states(
        finished
    ).keys()


async def test_a_key_file_that_others_can_read_is_told(shell: Shell) -> None:
    await shell.run("bootstrap")
    (shell.data_dir / "master.key").chmod(0o644)

    finished = await shell.run("doctor")

    assert finished.status == 1
    assert states(finished)["master key"] == "FAIL"


@pytest.mark.parametrize("is_key_there", [True, False])
async def test_secrets_that_no_key_opens_are_told(shell: Shell, is_key_there: bool) -> None:
    await shell.run("bootstrap")
    assert shell.database_url is not None
    connection = await asyncpg.connect(shell.database_url)
    organisation_id = await connection.fetchval("select id from organisations")
    # what bootstrap sealed itself is not what this is about
    await connection.execute("delete from message_keys")
    key = os.urandom(32)
    sealed = Sealer(key).seal(b"{}", tenant=organisation_id, purpose="account")
    await connection.execute(
        "insert into accounts (organisation_id, id, provider, channel, identifier, config, sealed_config,"
        " webhook_id, webhook_secret_hash)"
        " values ($1, gen_random_uuid(), 'sandbox', 'sms', 'x', '{}', $2, gen_random_uuid(), 'x')",
        organisation_id,
        sealed,
    )
    await connection.close()
    if not is_key_there:
        (shell.data_dir / "master.key").unlink()

    finished = await shell.run("doctor")
    cured = await shell.run("doctor", MASTER_KEY=base64.b64encode(key).decode())

    assert finished.status == 1
    assert states(finished)["sealed secrets"] == "FAIL"
    assert states(cured)["sealed secrets"] == "ok"
    assert cured.status == 0
    assert (shell.data_dir / "master.key").exists() is is_key_there


async def test_a_folder_of_files_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shell = Shell(tmp_path / "data")

    bad = await shell.run("doctor", FILES_DIR=str(tmp_path / "file" / "files"))
    good = await shell.run("doctor", FILES_DIR=str(tmp_path), FILES_SHARED="1")

    assert [one.status for one in (bad, good)] == [1, 0]
    assert [states(one)["files"] for one in (bad, good)] == ["FAIL", "ok"]
    assert "said to be shared" in good.out


async def test_a_database_that_is_not_there_is_told(tmp_path: Path) -> None:
    finished = await Shell(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing").run("doctor")

    assert finished.status == 1
    assert states(finished)["database"] == "FAIL"
    assert "Traceback" not in finished.err


async def test_rows_in_the_partition_that_must_stay_empty_are_told(shell: Shell) -> None:
    await shell.run("migrate")
    assert shell.database_url is not None
    connection = await asyncpg.connect(shell.database_url)
    await connection.execute(
        "insert into events (application_id, id, position, event_type, payload)"
        " values (gen_random_uuid(), 'ffffffff-ffff-7fff-bfff-ffffffffffff', 1, 'x', '{}')"
    )
    await connection.close()

    finished = await shell.run("doctor")

    assert finished.status == 1
    assert states(finished)["partitions"] == "FAIL"


async def test_settings_that_cannot_be_used_are_all_listed(tmp_path: Path) -> None:
    finished = await Shell(tmp_path).run("doctor", PORT="x", HOST="a b")

    assert finished.status == 2
    assert finished.out.count("FAIL") == 2
