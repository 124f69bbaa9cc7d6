"""Lists of contacts over the administration: kept, archived, filled."""

from typing import Any

import pytest

from outrider.outreach.lists import MOST_MOVED
from tests.administrators import Administrator
from tests.outreach.test_contacts import create, found

FIELDS = """id name sourceType description connectionPoint goal memberId applicationId accountId contactCount
  archivedAt createdAt updatedAt"""


async def make(owner: Administrator, arguments: str = 'name: "Engineers"') -> dict[str, Any]:
    return (await owner.data(f"mutation {{ createContactList({arguments}) {{ {FIELDS} }} }}"))[
        "createContactList"
    ]


async def change(owner: Administrator, name: str, list_id: str, arguments: str = "") -> dict[str, Any]:
    return (
        await owner.data(f"mutation($id: UUID!) {{ {name}(id: $id{arguments}) {{ {FIELDS} }} }}", id=list_id)
    )[name]


async def test_a_list_is_shown_as_it_was_made_and_changed(owner: Administrator) -> None:
    account = await owner.data('mutation { createAccount(platformName: EMAIL, provider: "sandbox") { id } }')
    account_id, application_id = account["createAccount"]["id"], str(owner.tenant.application_id)
    made = await make(
        owner,
        f"""name: " Engineers ", sourceType: API, description: "People", connectionPoint: "The fair", goal: "A call",
        applicationId: "{application_id}", accountId: "{account_id}\"""",
    )

    assert made | {"id": "", "createdAt": "", "updatedAt": ""} == {
        "id": "",
        "name": "Engineers",
        "sourceType": "API",
        "description": "People",
        "connectionPoint": "The fair",
        "goal": "A call",
        "memberId": owner.member_id,
        "applicationId": application_id,
        "accountId": account_id,
        "contactCount": 0,
        "archivedAt": None,
        "createdAt": "",
        "updatedAt": "",
    }
    changed = await change(
        owner, "updateContactList", made["id"], ', name: "All", goal: null, accountId: null'
    )
    assert changed == made | {
        "name": "All",
        "goal": None,
        "accountId": None,
        "updatedAt": changed["updatedAt"],
    }


async def test_an_archived_list_takes_nobody_until_it_is_brought_back(owner: Administrator) -> None:
    made = await make(owner)
    contact = await create(owner, "ada@engines.example")
    move = "mutation($c: [UUID!]!, $l: UUID) { moveContacts(contactIds: $c, listId: $l) }"
    archived = await change(owner, "archiveContactList", made["id"])

    refused = await owner.refused(move, c=[contact["id"]], l=made["id"])
    creating = await owner.refused(
        'mutation($l: UUID) { createContact(email: "b@x.example", listId: $l) { id } }', l=made["id"]
    )
    shown = await owner.data("{ contactLists { edges { node { id } } } }")
    everything = await owner.data(
        "{ contactLists(includeArchived: true) { edges { node { id archivedAt } } } }"
    )

    assert archived["archivedAt"] is not None
    assert await change(owner, "archiveContactList", made["id"]) == archived
    assert refused["details"] == creating["details"] == {"path": "listId"}
    assert shown["contactLists"]["edges"] == []
    assert everything["contactLists"]["edges"][0]["node"]["id"] == made["id"]
    assert (await change(owner, "unarchiveContactList", made["id"]))["archivedAt"] is None
    assert (await owner.data(move, c=[contact["id"]], l=made["id"]))["moveContacts"] == 1


async def test_contacts_are_moved_together_or_not_at_all(
    owner: Administrator, foreigner: Administrator
) -> None:
    first, second = await make(owner), await make(owner, 'name: "Second"')
    people = [(await create(owner, f"p{number}@x.example"))["id"] for number in range(3)]
    theirs = (await create(foreigner, "theirs@x.example"))["id"]
    move = "mutation($c: [UUID!]!, $l: UUID) { moveContacts(contactIds: $c, listId: $l) }"

    moved = await owner.data(move, c=[*people, people[0]], l=first["id"])
    refused = await owner.refused(move, c=[*people, theirs], l=second["id"])
    again = await owner.data(move, c=people[:2], l=second["id"])
    unlisted = await owner.data(move, c=people[:1], l=None)
    many = await owner.refused(
        move, c=[theirs[:-4] + f"{n:04x}" for n in range(MOST_MOVED + 1)], l=first["id"]
    )

    assert (moved["moveContacts"], again["moveContacts"], unlisted["moveContacts"]) == (3, 2, 1)
    assert (refused["code"], refused["details"]["resource_id"]) == ("NOT_FOUND", theirs)
    assert many["details"] == {"path": "contactIds"}
    assert await found(owner, f'listId: "{first["id"]}"') == ["p2@x.example"]
    assert await found(owner, f'listId: "{second["id"]}"') == ["p1@x.example"]
    counted = await owner.data("query($id: UUID!) { contactList(id: $id) { contactCount } }", id=first["id"])
    assert counted["contactList"]["contactCount"] == 1


@pytest.mark.parametrize("arguments", ['name: " "', f'name: "x", goal: "{"g" * 4001}"'])
async def test_a_list_that_cannot_be_is_refused(owner: Administrator, arguments: str) -> None:
    refused = await owner.refused(f"mutation {{ createContactList({arguments}) {{ id }} }}")

    assert refused["code"] == "VALIDATION_ERROR"
