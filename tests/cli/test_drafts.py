"""`outrider drafts`: what it lists, moves and refuses."""

import re
from uuid import UUID

import asyncpg

from tests.cli.commands import Shell
from tests.outreach.written import IDS, new_contact, new_list


async def _draft(shell: Shell) -> UUID:
    assert shell.database_url is not None
    draft_id = IDS.new()
    async with asyncpg.create_pool(shell.database_url, min_size=1, max_size=2) as pool:
        row = await pool.fetchrow("select organisation_id, id from applications where kind = 'application'")
        assert row is not None
        list_id = await new_list(pool, row["organisation_id"], row["id"])
        contact = await new_contact(
            pool, row["organisation_id"], email=f"ada-{draft_id}@example.com", list_id=list_id
        )
        await pool.execute(
            """insert into drafts (organisation_id, id, application_id, contact_id, subject, body_text, created_at,
              updated_at) values ($1, $2, $3, $4, 'Your crossing', 'At 7:40?', now(), now())""",
            row["organisation_id"],
            draft_id,
            row["id"],
            contact,
        )
    return draft_id


async def test_drafts_are_listed_and_moved(shell: Shell) -> None:
    await shell.run("bootstrap")
    draft = await _draft(shell)

    listed = await shell.run("drafts", "list")
    approved = await shell.run("drafts", "approve", str(draft))
    waiting = await shell.run("drafts", "list", "--status", "approved", "--limit", "1")
    cancelled = await shell.run("drafts", "cancel", str(draft))
    discarded = await shell.run("drafts", "discard", str(draft))
    none = await shell.run("drafts", "list", "--status", "draft")

    assert f"ada-{draft}@example.com" in listed.out
    assert "Your crossing" in listed.out
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d$", listed.out.strip())
    assert [one.status for one in (listed, approved, waiting, cancelled, discarded)] == [0] * 5
    assert str(draft) in waiting.out
    assert str(draft) not in none.out


async def test_what_cannot_be_done_is_said_in_a_sentence(shell: Shell) -> None:
    await shell.run("bootstrap")
    draft = await _draft(shell)
    await shell.run("drafts", "discard", str(draft))

    for words, said in (
        (("approve", str(draft)), "The draft is discarded and cannot be approved."),
        (("approve", "00000000-0000-7000-8000-000000000000"), "Draft not found."),
        (("cancel", "junk"), "is not an id"),
    ):
        refused = await shell.run("drafts", *words)
        assert (refused.status, refused.out) == (1, "")
        assert said in refused.err
