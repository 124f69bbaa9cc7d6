"""`outrider contacts` and `outrider lists` as an operator runs them, also killed in the middle."""

import asyncio
import csv
import re

import asyncpg

from tests.cli.commands import Shell
from tests.cli.test_bootstrap import bootstrap

ROWS = 30_000
MISSING = "00000000-0000-7000-8000-000000000000"


async def test_a_file_is_imported_and_what_is_wrong_told(shell: Shell) -> None:
    await bootstrap(shell)
    path = shell.data_dir.parent / "people.csv"
    path.write_text("Full Name;E-Mail\nAda;ada@engines.example\nBob;bob\nGrace;grace@navy.example\n")
    errors = shell.data_dir.parent / "errors.csv"
    words = (
        "contacts",
        "import",
        str(path),
        "--list",
        "Fair",
        "--map",
        "name=Full Name",
        "--errors",
        str(errors),
    )

    tried = await shell.run(*words, "--dry-run")
    assert tried.status == 0, tried.err
    assert "Would import 2 new contacts; 0 updated, 0 skipped, 1 left out." in tried.err
    assert (await shell.run("contacts", "list")).out.count("\n") == 1
    assert (await shell.run("lists", "list")).out.count("\n") == 1
    done = await shell.run(*words)
    again = await shell.run(*words[:-2])

    assert done.status == 0, done.err
    assert "Imported 2 new contacts; 0 updated, 0 skipped, 1 left out." in done.err
    assert list(csv.reader(errors.read_text().splitlines())) == [
        ["row", "column", "reason"],
        ["3", "E-Mail", "'bob' is not a mail address."],
    ]
    assert "Imported 0 new contacts; 0 updated, 2 skipped, 1 left out." in again.err
    assert "row 3, E-Mail: 'bob' is not a mail address." in again.err
    listed = (await shell.run("contacts", "list", "--q", "gra", "--list", "Fair")).out.splitlines()
    assert len(listed) == 2
    assert re.search(r"unqualified +grace@navy.example +- +Fair +Grace$", listed[1])


async def test_an_import_that_is_killed_goes_on_and_imports_nothing_twice(shell: Shell) -> None:
    await bootstrap(shell)
    path = shell.data_dir.parent / "people.jsonl"
    path.write_text(
        "".join(f'{{"email": "p{n}@engines.example", "company": "C{n % 90}"}}\n' for n in range(ROWS))
    )
    assert shell.database_url is not None
    connection = await asyncpg.connect(shell.database_url)
    process = await shell.spawn("contacts", "import", str(path))
    async with asyncio.timeout(60):
        while not await connection.fetchval("select count(*) from contacts"):
            await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    count = await connection.fetchval("select count(*) from contacts")

    done = await shell.run("contacts", "import", str(path))

    assert 0 < count < ROWS
    assert done.status == 0, done.err
    assert "Going on behind row" in done.err
    assert f"Imported {ROWS:,} new contacts; 0 updated, 0 skipped, 0 left out." in done.err
    assert await connection.fetchval("select count(*) from contacts") == ROWS
    rows = await connection.fetch("select status, created_count from contact_imports")
    assert [tuple(row) for row in rows] == [("finished", ROWS)]
    finished = "select count(*) from events where event_type like 'system.import.%'"
    assert await connection.fetchval(finished) == 2
    await connection.close()


async def test_what_cannot_be_imported_is_told_in_a_sentence(shell: Shell) -> None:
    await bootstrap(shell)
    path = shell.data_dir.parent / "people.csv"
    good = path.with_name("good.csv")
    good.write_text("email\n")
    unnamed = path.with_suffix(".data")
    unnamed.write_text("email\n")
    path.write_bytes("email\na@x.example\n".encode("utf-16"))

    for words, told in (
        (("contacts", "import", str(path)), "UTF-16"),
        (("contacts", "import", "nowhere.csv"), "cannot be read"),
        (("contacts", "import", str(unnamed)), "--format"),
        (("contacts", "import", str(path), "--map", "name"), "FIELD=COLUMN"),
        (("contacts", "import", str(path), "--list", "New"), "UTF-16"),
        (("contacts", "import", str(path), "--format", "jsonl"), "UTF-16"),
        (("contacts", "import", str(good), "--list", MISSING), "List not found"),
        (("contacts", "import", str(good), "--errors", "/nowhere/errors.csv"), "cannot be written"),
        (("contacts", "list", "--list", "Nothing"), "no list"),
        (("contacts", "list", "--most", "0"), "first"),
    ):
        refused = await shell.run(*words)
        assert refused.status == 1, words
        assert told in refused.err
        assert "Traceback" not in refused.err
    assert (await shell.run("lists", "list")).out.count("\n") == 1


async def test_lists_are_made_listed_and_archived(shell: Shell) -> None:
    await bootstrap(shell)

    made = await shell.run("lists", "create", "Engineers", "--goal", "A call", "--application", "default")
    list_id = made.out.strip()
    listed = await shell.run("lists", "list")
    archived = await shell.run("lists", "archive", list_id)
    hidden = await shell.run("lists", "list")
    shown = await shell.run("lists", "list", "--archived")
    back = await shell.run("lists", "unarchive", list_id)

    assert made.status == 0, made.err
    assert re.search(rf"^{list_id} +0 +manual +active +Engineers$", listed.out, re.MULTILINE)
    assert (archived.status, back.status) == (0, 0)
    assert list_id not in hidden.out
    assert re.search(rf"^{list_id} .*archived ", shown.out, re.MULTILINE)
    assert (await shell.run("lists", "create", "X", "--account", "nobody")).status == 1
