"""Two organisations, every endpoint, every id: nothing crosses."""

import json

from tests.surfaces.outbound_rest.shelf import ENDPOINTS, MISSING, Reads, fill

MADE = ("{contact}", "{list}", "{draft}")


async def test_a_foreign_id_answers_exactly_as_a_missing_one(reads: Reads, others: Reads) -> None:
    theirs = await fill(others)
    await fill(reads)
    ids = [
        str(one)
        for one in (theirs.contact, theirs.bare_contact, theirs.list, theirs.draft, theirs.bare_draft)
    ]

    for template in (one for one in ENDPOINTS if "{" in one):
        name = next(one for one in MADE if one in template)
        missing = await reads.call(template.replace(name, MISSING))
        assert missing.status == 404
        for foreign in ids:
            answered = await reads.call(template.replace(name, foreign))
            assert (answered.status, answered.body) == (404, missing.body), template


async def test_a_foreign_id_in_a_filter_finds_as_little_as_a_missing_one(reads: Reads, others: Reads) -> None:
    theirs = await fill(others)
    await fill(reads)

    for path, name, foreign in (
        ("/contacts", "listId", theirs.list),
        ("/contacts", "listId", theirs.bare_list),
        ("/drafts", "contactId", theirs.contact),
        ("/drafts", "contactId", theirs.bare_contact),
    ):
        assert await reads.get(path, **{name: foreign}) == {"data": [], "nextCursor": None}


async def test_no_answer_holds_anything_of_another_organisation(reads: Reads, others: Reads) -> None:
    stocks = [await fill(reads), await fill(others)]
    for reader, stock, stranger in ((reads, stocks[0], others), (others, stocks[1], reads)):
        strangers = {
            one["id"]
            for path in ("/contacts", "/lists", "/drafts", "/events")
            for one in await stranger.walk(path, limit=200)
        } | {str(stranger.organisation_id)}
        for template in ENDPOINTS:
            shown = json.dumps(await reader.get(stock.path(template)))
            assert not [one for one in strangers if one in shown], template


async def test_a_foreign_cursor_leads_nowhere_else(reads: Reads, others: Reads) -> None:
    await fill(others)
    await fill(reads)
    mine = {one["id"] for one in await reads.walk("/contacts")}
    await others.contact("The newest of all")
    cursor = (await others.get("/contacts", limit=1))["nextCursor"]

    page = await reads.get("/contacts", cursor=cursor)

    assert {one["id"] for one in page["data"]} == mine
