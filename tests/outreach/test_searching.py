"""Words that are looked for are split as words that are stored: whatever they are, and however they begin."""

from typing import cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from outrider.core.database.pools import Pool
from outrider.core.storable import _UNSTORABLE
from outrider.outreach import queries
from outrider.outreach.contacts import (
    ContactFilters,
    NewContact,
    create_contact,
    list_contacts,
)
from outrider.outreach.queries import ContactConditions
from outrider.outreach.searching import search_query
from outrider.runtime.parts import Runtime
from tests.outreach.people import imported
from tests.tenants import Tenant, new_tenant

_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda text: not _UNSTORABLE.search(text)
)

# entries of indexes and rows, by this session so far
READ_OF_CONTACTS = """
select pg_stat_get_xact_tuples_returned('contacts'::regclass) + pg_stat_get_xact_tuples_fetched('contacts'::regclass)
  + (select sum(pg_stat_get_xact_tuples_returned(indexrelid)) from pg_index where indrelid = 'contacts'::regclass)
"""


def test_words_are_prefixes_that_must_all_be_there() -> None:
    assert search_query("Ada Love") == "ada:* & love:*"
    assert search_query("ada@engines.example") == "ada:* & engines:* & example:*"
    assert search_query("Zoë-Ann_x+y") == "zoe:* & ann:* & x:* & y:*"
    assert search_query("a & !b | (c:*) '\\") == "a:* & b:* & c:*"
    assert search_query(" @.-_+ ") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(name=_NAMES, data=st.data())
async def test_a_name_is_found_by_its_words_however_they_begin(
    runtime: Runtime, name: str, data: st.DataObject
) -> None:
    q = search_query(name)
    whole = await runtime.database.system.fetchval(
        "select to_tsvector('simple', contact_words($1)) @@ to_tsquery('simple', $2)", name, q or ""
    )
    words = await runtime.database.system.fetchval(
        "select to_tsvector('simple', contact_words($1))::text", name
    )
    assert whole or not words, (name, q, words)
    plain = [word.removesuffix(":*") for word in (q or "").split(" & ") if word.isascii() and word.strip()]
    plain = [word for word in plain if word.isalpha()]
    if plain and len(plain) == len((q or "").split(" & ")):
        word = data.draw(st.sampled_from(plain))
        begun = word[: data.draw(st.integers(1, len(word)))]
        assert await runtime.database.system.fetchval(
            "select to_tsvector('simple', contact_words($1)) @@ to_tsquery('simple', $2)",
            name,
            search_query(begun),
        ), (name, begun)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(names=st.lists(_NAMES, min_size=1, max_size=3), data=st.data())
# as long as a word may be
@example(names=["\u0436" * 1_023], data=None)
async def test_the_index_holds_whatever_a_search_finds(
    runtime: Runtime, tenant: Tenant, names: list[str], data: st.DataObject | None
) -> None:
    """What it finds beside that is compared again; what it left out would be missing."""
    told = " ".join(names)
    begun = told if data is None else " ".join(name[: data.draw(st.integers(1, len(name)))] for name in names)
    is_found, is_held = await runtime.database.system.fetchrow(
        """select s @@ to_tsquery('simple', $3), contact_keys($1, s) @@ contact_keys_query($1, $3)
        from to_tsvector('simple', contact_words($2)) s""",
        tenant.organisation_id,
        told,
        search_query(begun) or "",
    ) or (None, None)
    assert is_held or not is_found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(q=st.text(max_size=60))
async def test_nothing_that_is_looked_for_breaks(runtime: Runtime, q: str) -> None:
    if not _UNSTORABLE.search(q):
        await runtime.database.system.fetchval("select to_tsquery('simple', $1)", search_query(q) or "")


@pytest.mark.parametrize("q", ["somebody", "rare", "some rare", "x.example", "person", "somebody77"])
async def test_a_page_is_the_same_by_whichever_way_it_is_found(
    runtime: Runtime, tenant: Tenant, q: str
) -> None:
    """More than the window holds: rare words are found by the index, common ones among the newest."""
    rows = "".join(
        f"p{number}@x.example,{'Rare' if number in (3, 40, 1500) else 'Some'}body{number}\n"
        for number in range(2600)
    )
    await imported(runtime.tenancy, tenant, "email,name\n" + rows)
    words = [word.removesuffix(":*") for word in (search_query(q) or "").split(" & ")]
    expected = [
        f"p{number}@x.example"
        for number in reversed(range(2600))
        if all(
            any(
                one.startswith(word)
                for one in (
                    f"p{number}",
                    "x",
                    "example",
                    f"{'rare' if number in (3, 40, 1500) else 'some'}body{number}",
                )
            )
            for word in words
        )
    ]
    seen: list[str] = []
    after = None
    while True:
        page = await list_contacts(
            runtime.tenancy, tenant.organisation_id, ContactFilters(q=q), first=200, after=after, by=None
        )
        seen += [one.email for one in page.items]
        if not page.has_next:
            break
        after = page.items[-1].id

    assert seen == expected


async def test_anothers_contacts_are_never_found(runtime: Runtime, tenant: Tenant) -> None:
    other = await new_tenant(runtime.tenancy)
    new = NewContact(email="ada@engines.example", name="Ada Lovelace", company_name="Engines")
    await create_contact(runtime.tenancy, other.organisation_id, new, by=None)

    page = await list_contacts(
        runtime.tenancy, tenant.organisation_id, ContactFilters(q="ada"), first=5, by=None
    )

    assert not page.items


@pytest.mark.parametrize("q", ["usual", "usu", "usual person", "u"])
async def test_a_word_that_another_organisation_has_often_is_not_read_there(
    runtime: Runtime, tenant: Tenant, q: str
) -> None:
    crowded = await new_tenant(runtime.tenancy)
    rows = "".join(f"p{number}@usual.example,Usual Person\n" for number in range(3_000))
    await imported(runtime.tenancy, crowded, "email,name\n" + rows)
    await imported(runtime.tenancy, tenant, "email,name\na@x.example,Usual Person\n")

    async with runtime.database.reads.acquire() as connection, connection.transaction():
        before = await connection.fetchval(READ_OF_CONTACTS)
        found = await queries.select_contacts(
            cast("Pool", connection),
            tenant.organisation_id,
            ContactConditions(words=search_query(q)),
            limit=51,
        )
        read = await connection.fetchval(READ_OF_CONTACTS) - before

    assert [one.email for one in found] == ["a@x.example"]
    assert 0 < read <= 10
