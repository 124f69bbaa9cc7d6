"""`q`: contacts by words and their beginnings, over name, address and company."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.surfaces.outbound_rest.shelf import Reads


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ada", ["Ada Lovelace"]),
        ("ADA", ["Ada Lovelace"]),
        ("lov ad", ["Ada Lovelace"]),
        ("example", ["Grace Hopper", "Ada Lovelace"]),
        ("grace@example.com", ["Grace Hopper"]),
        ("engines", ["Grace Hopper"]),
        ("engines.test", ["Grace Hopper"]),
        ("grace lovelace", []),
        ("race", []),
        ("!!!", []),
        ("", ["Grace Hopper", "Ada Lovelace"]),
    ],
)
async def test_words_and_their_beginnings_find_contacts(reads: Reads, q: str, found: list[str]) -> None:
    company = await reads.company(name="Analytical Engines", domain="engines.test")
    await reads.contact("Ada Lovelace", "ada@example.org")
    await reads.contact("Grace Hopper", "grace@example.com", company_id=company)

    assert [one["name"] for one in (await reads.get("/contacts", q=q))["data"]] == found


async def test_pages_of_what_is_found_go_on(reads: Reads) -> None:
    listed = await reads.list()
    made = [await reads.contact(f"Ada {number}", list_id=listed) for number in range(5)]
    await reads.contact("Bob", list_id=listed)

    found = await reads.walk("/contacts", q="ada", limit=2, listId=listed)

    assert [one["id"] for one in found] == [str(one) for one in reversed(made)]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=st.one_of(st.sampled_from(["ada & | !", "'", "a:*", "()<->", "\\", "𝄞 ẞ"]), st.text(max_size=200)))
async def test_no_search_breaks_anything(reads: Reads, q: str) -> None:
    query = f"q={quote(q.encode('utf-8', 'surrogatepass'), safe='')}"

    answered = await (await reads.fresh()).call("/contacts", query=query)

    assert answered.status in {200, 400}, (q, answered.body)
