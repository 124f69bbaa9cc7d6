"""Contacts as members keep them: over the administration, with everything that is refused."""

from typing import Any
from uuid import UUID

import pytest

from tests.administrators import Administrator
from tests.clients import Server

FIELDS = """id name email addresses { channelClass address } company { id name domain } list { id name }
  qualificationStatus fitScore urgencyScore createdAt updatedAt"""


async def create(owner: Administrator, email: str, **more: object) -> dict[str, Any]:
    types = {
        "name": "String",
        "addresses": "[ContactAddressInput!]",
        "company": "ContactCompanyInput",
        "companyId": "UUID",
        "listId": "UUID",
        "qualificationStatus": "QualificationStatus",
        "fitScore": "Int",
        "urgencyScore": "Int",
    }
    head = "".join(f", ${name}: {types[name]}" for name in more)
    passed = "".join(f", {name}: ${name}" for name in more)
    query = f"mutation($email: String!{head}) {{ createContact(email: $email{passed}) {{ {FIELDS} }} }}"
    return (await owner.data(query, email=email, **more))["createContact"]


async def update(owner: Administrator, contact_id: str, arguments: str) -> dict[str, Any]:
    query = f"mutation($id: UUID!) {{ updateContact(id: $id, {arguments}) {{ {FIELDS} }} }}"
    return (await owner.data(query, id=contact_id))["updateContact"]


async def found(owner: Administrator, filters: str) -> list[str]:
    query = f"{{ contacts(first: 200, filters: {{ {filters} }}) {{ edges {{ node {{ email }} }} }} }}"
    return [edge["node"]["email"] for edge in (await owner.data(query))["contacts"]["edges"]]


async def test_a_contact_is_shown_as_it_was_written(owner: Administrator) -> None:
    created = await create(
        owner,
        " Ada.Love@Engines.EXAMPLE ",
        name="Ada Love",
        addresses=[
            {"platformName": "WHATSAPP", "address": "+49 (30) 123456"},
            {"platformName": "TELEGRAM", "address": "4711"},
        ],
        company={"name": "Engines", "domain": "https://www.Engines.example/about"},
        qualificationStatus="QUALIFIED",
        fitScore=0,
        urgencyScore=100,
    )

    assert created["email"] == "Ada.Love@engines.example"
    assert created["addresses"] == [
        {"channelClass": "email", "address": "ada.love@engines.example"},
        {"channelClass": "phone", "address": "+4930123456"},
        {"channelClass": "telegram", "address": "4711"},
    ]
    assert created["company"] | {"id": ""} == {"id": "", "name": "Engines", "domain": "engines.example"}
    assert (created["fitScore"], created["urgencyScore"], created["qualificationStatus"]) == (
        0,
        100,
        "QUALIFIED",
    )
    assert created["createdAt"] == created["updatedAt"]
    query = f"query($id: UUID!) {{ contact(id: $id) {{ {FIELDS} }} }}"
    assert (await owner.data(query, id=created["id"]))["contact"] == created


async def test_a_contact_without_a_name_is_called_by_its_address(owner: Administrator) -> None:
    assert (await create(owner, "grace@engines.example"))["name"] == "grace"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"email": "ada@engines.example"}, {"email": "ADA@Engines.Example"}),
        ({"email": "ada@bücher.example"}, {"email": "ada@xn--bcher-kva.example"}),
        (
            {"email": "a@x.example", "addresses": [{"platformName": "SMS", "address": "+4930123456"}]},
            {
                "email": "b@x.example",
                "addresses": [{"platformName": "WHATSAPP", "address": "+49 30 12 34 56"}],
            },
        ),
    ],
)
async def test_an_address_is_one_contacts(
    owner: Administrator, first: dict[str, Any], second: dict[str, Any]
) -> None:
    one = await create(owner, **first)
    query = """mutation($email: String!, $addresses: [ContactAddressInput!]) {
      createContact(email: $email, addresses: $addresses) { id } }"""

    refused = await owner.refused(query, **second)

    assert (refused["code"], refused["http"]) == ("RESOURCE_EXISTS", {"status": 409})
    assert refused["details"]["contact_id"] == one["id"]
    assert refused["details"]["name"] == one["name"]
    assert len(await found(owner, "")) == 1


async def test_another_organisation_may_have_the_same_contact(
    owner: Administrator, foreigner: Administrator
) -> None:
    await create(owner, "ada@engines.example", company={"domain": "engines.example"})
    theirs = await create(foreigner, "ada@engines.example", company={"domain": "engines.example"})

    assert await found(foreigner, "") == ["ada@engines.example"]
    assert (
        theirs["company"]["id"]
        != (await create(owner, "b@x.example", company={"domain": "engines.example"}))["company"]["id"]
    )


async def test_a_change_keeps_what_it_does_not_name(owner: Administrator) -> None:
    created = await create(
        owner,
        "ada@engines.example",
        addresses=[{"platformName": "SMS", "address": "+4930123456"}],
        company={"name": "Engines"},
        fitScore=10,
    )

    renamed = await update(owner, created["id"], 'name: "Ada", urgencyScore: 7')
    moved = await update(owner, created["id"], 'email: "ada@love.example"')
    cleared = await update(owner, created["id"], "fitScore: null, companyId: null, addresses: []")

    assert renamed == created | {"name": "Ada", "urgencyScore": 7, "updatedAt": renamed["updatedAt"]}
    assert renamed["updatedAt"] >= created["updatedAt"]
    assert [one["address"] for one in moved["addresses"]] == ["ada@love.example", "+4930123456"]
    assert (cleared["fitScore"], cleared["company"]) == (None, None)
    assert [one["address"] for one in cleared["addresses"]] == ["ada@love.example"]
    # what a contact has no more is free
    await create(owner, "ada@engines.example", addresses=[{"platformName": "SMS", "address": "+4930123456"}])


async def test_a_change_to_anothers_address_is_refused_whole(owner: Administrator) -> None:
    await create(owner, "ada@engines.example")
    other = await create(owner, "grace@engines.example")

    refused = await owner.refused(
        'mutation($id: UUID!) { updateContact(id: $id, name: "X", email: "Ada@engines.example") { id } }',
        id=other["id"],
    )

    assert refused["code"] == "RESOURCE_EXISTS"
    query = f"query($id: UUID!) {{ contact(id: $id) {{ {FIELDS} }} }}"
    assert (await owner.data(query, id=other["id"]))["contact"] == other


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ('email: "nobody"', "email"),
        ('email: "a@b.example", fitScore: 101', "fitScore"),
        ('email: "a@b.example", urgencyScore: -1', "urgencyScore"),
        ('email: "a@b.example", name: " "', "name"),
        ('email: "a@b.example", company: {domain: "no domain"}', "company.domain"),
        ('email: "a@b.example", company: {name: ""}', "company"),
        ('email: "a@b.example", addresses: [{platformName: SMS, address: "030 123"}]', "addresses[0]"),
        ('email: "a@b.example", addresses: [{platformName: TELEGRAM, address: ""}]', "addresses[0]"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_written(
    owner: Administrator, arguments: str, path: str
) -> None:
    refused = await owner.refused(f"mutation {{ createContact({arguments}) {{ id }} }}")

    assert (refused["code"], refused["details"]["path"]) == ("VALIDATION_ERROR", path)
    assert await found(owner, "") == []
    assert (await owner.data("{ companies { edges { node { id } } } }"))["companies"]["edges"] == []


async def test_companies_are_found_by_domain_or_made(owner: Administrator) -> None:
    first = await create(owner, "a@x.example", company={"name": "Engines", "domain": "engines.example"})
    second = await create(owner, "b@x.example", company={"domain": "WWW.ENGINES.example"})
    third = await create(owner, "c@x.example", company={"name": "engines"})
    fourth = await create(owner, "d@x.example", company={"name": "Looms"})
    fifth = await create(owner, "e@x.example", company={"name": "LOOMS"})

    assert first["company"] == second["company"] == third["company"]
    assert fourth["company"] == fifth["company"] != first["company"]


async def test_a_company_is_changed_deleted_and_unique(owner: Administrator) -> None:
    contact = await create(owner, "a@x.example", company={"domain": "looms.test"})
    company_id = contact["company"]["id"]
    taken = await owner.refused('mutation { createCompany(domain: "Looms.test") { id } }')
    in_use = await owner.refused("mutation($id: UUID!) { deleteCompany(id: $id) { id } }", id=company_id)
    await owner.data(
        'mutation($id: UUID!) { updateCompany(id: $id, name: "Analytical Engines", domain: null) { id } }',
        id=company_id,
    )
    nameless = await owner.refused(
        "mutation($id: UUID!) { updateCompany(id: $id, name: null) { id } }", id=company_id
    )

    assert (taken["code"], in_use["code"], nameless["code"]) == (
        "RESOURCE_EXISTS",
        "COMPANY_IN_USE",
        "VALIDATION_ERROR",
    )
    assert await found(owner, 'q: "analyt"') == ["a@x.example"]
    assert await found(owner, 'q: "looms"') == []
    await update(owner, contact["id"], "companyId: null")
    await owner.data("mutation($id: UUID!) { deleteCompany(id: $id) { id } }", id=company_id)
    assert await owner.data("query($id: UUID!) { company(id: $id) { id } }", id=company_id) == {
        "company": None
    }


async def test_contacts_are_found_by_every_filter(owner: Administrator) -> None:
    made = await owner.data('mutation { createContactList(name: "Engineers") { id } }')
    list_id = made["createContactList"]["id"]
    await create(
        owner, "ada@engines.example", name="Ada Lovelace", company={"name": "Engines"}, listId=list_id
    )
    await create(
        owner,
        "g.hopper@navy.example",
        name="Zoë Hopper",
        qualificationStatus="NURTURE",
        addresses=[{"platformName": "SMS", "address": "+4930123456"}],
    )

    assert await found(owner, "") == ["g.hopper@navy.example", "ada@engines.example"]
    assert await found(owner, 'q: "LOVE"') == ["ada@engines.example"]
    assert await found(owner, 'q: "ada engi"') == ["ada@engines.example"]
    assert await found(owner, 'q: "zoe hop"') == ["g.hopper@navy.example"]
    assert await found(owner, 'q: "hopper@navy"') == ["g.hopper@navy.example"]
    assert await found(owner, 'q: "ovelace"') == []
    assert await found(owner, 'q: " "') == await found(owner, "")
    assert await found(owner, f'listId: "{list_id}"') == ["ada@engines.example"]
    assert await found(owner, f'q: "ada", listId: "{list_id}", qualificationStatus: NURTURE') == []
    assert await found(owner, "qualificationStatus: NURTURE") == ["g.hopper@navy.example"]
    assert await found(owner, 'address: {platformName: WHATSAPP, address: "+49 30 123456"}') == [
        "g.hopper@navy.example"
    ]


async def test_pages_follow_each_other_without_gap(owner: Administrator) -> None:
    for number in range(7):
        await create(owner, f"person{number}@engines.example", name="Ada")
    query = """query($after: String) { contacts(first: 3, after: $after, filters: {q: "ada"}) {
      edges { node { email } cursor } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await owner.data(query, after=after))["contacts"]
        seen += [edge["node"]["email"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    assert seen == [f"person{number}@engines.example" for number in reversed(range(7))]
    lists = "query($after: String) { contactLists(after: $after) { edges { cursor } } }"
    assert (await owner.refused(lists, after=after))["code"] == "VALIDATION_ERROR"


async def test_a_deleted_contact_is_gone_and_its_addresses_free(owner: Administrator) -> None:
    created = await create(owner, "ada@engines.example")

    await owner.data("mutation($id: UUID!) { deleteContact(id: $id) { id } }", id=created["id"])

    assert await found(owner, "") == []
    await create(owner, "ada@engines.example")


async def test_a_contact_that_drafts_are_to_stays(server: Server, owner: Administrator) -> None:
    created = await create(owner, "ada@engines.example")
    await server.runtime.database.system.execute(
        """insert into drafts (organisation_id, id, application_id, contact_id, subject, created_at, updated_at)
        values ($1, gen_random_uuid(), $2, $3, 'Hello', now(), now())""",
        owner.tenant.organisation_id,
        owner.tenant.application_id,
        UUID(created["id"]),
    )

    refused = await owner.refused("mutation($id: UUID!) { deleteContact(id: $id) { id } }", id=created["id"])

    assert refused["code"] == "CONTACT_IN_USE"
    assert await found(owner, "") == ["ada@engines.example"]


async def test_events_tell_of_contacts_nothing_personal(owner: Administrator) -> None:
    created = await create(owner, "ada@engines.example", name="Ada Lovelace")
    await update(owner, created["id"], 'name: "Ada King"')
    log = await owner.data("{ auditLog(first: 2) { edges { node { eventType payload } } } }")
    entries = [edge["node"] for edge in log["auditLog"]["edges"]]

    assert [one["eventType"] for one in entries] == ["system.contact.updated", "system.contact.created"]
    assert all(one["payload"]["contact_id"] == created["id"] for one in entries)
    assert "ada" not in str(entries).lower()
