"""`outrider research`: whom it finds, what it prints, and what it refuses."""

import asyncpg

from tests.cli.commands import Shell

_CONTACT = """
insert into contacts (organisation_id, id, name, email, list_id, created_at, updated_at)
select o.id, uuidv7(), $1, $2, (select l.id from contact_lists l limit 1), now(), now() from organisations o
returning id
"""
_ADDRESS = """
insert into contact_addresses (organisation_id, channel_class, address, contact_id)
select c.organisation_id, 'email', lower(c.email), c.id from contacts c where c.id = $1
"""
_LIST = """
insert into contact_lists (organisation_id, id, name, source_type, created_at, updated_at)
select o.id, uuidv7(), 'Spring', 'csv', now(), now() from organisations o
"""


async def prepare(shell: Shell) -> str:
    """Two contacts on a list; the id of the first."""
    assert (await shell.run("bootstrap")).status == 0
    connection = await asyncpg.connect(shell.database_url)
    try:
        await connection.execute(_LIST)
        first = await connection.fetchval(_CONTACT, "Ada \x1b[2J", "Ada@example.com")
        second = await connection.fetchval(_CONTACT, "Bob", "bob@example.com")
        for contact_id in (first, second):
            await connection.execute(_ADDRESS, contact_id)
    finally:
        await connection.close()
    return str(first)


async def test_contacts_are_researched_and_told(shell: Shell) -> None:
    first = await prepare(shell)

    named = await shell.run("research", "--contact", "ADA@example.com", "--contact", first)
    listed = await shell.run("research", "--list", "Spring", "--level", "2")
    stale = await shell.run("research", "--stale")
    everybody = await shell.run("research", "--all", "--level", "1")

    assert (named.status, named.err) == (0, "Wrote 1 dossier.\n")
    assert "is reached at Ada@example.com. (contact)" in named.out
    assert "\x1b" not in named.out
    assert (listed.status, listed.out, listed.err) == (0, "", "2 researched\nWrote 2 dossiers.\n")
    assert stale.err == "Wrote 0 dossiers.\n"
    assert everybody.err == "2 researched\nWrote 2 dossiers.\n"


async def test_who_is_not_there_is_refused(shell: Shell) -> None:
    await prepare(shell)

    for words, said in (
        (("--contact", "nobody@example.com"), "No contact has the address"),
        (("--contact", "00000000-0000-7000-8000-000000000000"), "Contact not found"),
        (("--list", "Autumn"), "There is no list 'Autumn'"),
        (("--list", "00000000-0000-7000-8000-000000000000"), "Contact list not found"),
    ):
        refused = await shell.run("research", *words)
        assert (refused.status, refused.out) == (1, "")
        assert said in refused.err
    assert (await shell.run("research")).status == 2
    assert (await shell.run("research", "--all", "--level", "7")).status == 2
