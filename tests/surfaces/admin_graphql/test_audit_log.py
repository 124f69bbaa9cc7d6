"""The audit log: every act leaves one entry, and pages of them."""

from typing import Any

import pytest

from outrider.surfaces.admin_graphql.mutations import MUTATIONS
from outrider.tenancy.members.roles import Role
from tests.administrators import Administrator, new_administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import ARGUMENTS, document, new_world

LOG = """query($first: Int, $after: String, $filters: AuditLogFilters) {
  auditLog(first: $first, after: $after, filters: $filters) {
    edges { cursor node { id eventType createdAt by { type id name } payload } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


# going on with a session is no act, and an import ends by itself
_OTHERS = ("refresh", "importContacts")


async def entries(administrator: Administrator, **variables: Any) -> list[dict[str, Any]]:
    page = (await administrator.data(LOG, **{"first": 200, **variables}))["auditLog"]
    return [edge["node"] for edge in page["edges"]]


@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in _OTHERS])
async def test_every_mutation_leaves_one_entry(server: Server, owner: Administrator, name: str) -> None:
    world = await new_world(server, owner)
    given = ARGUMENTS[name](world)
    before = await entries(owner)
    reader = await owner.sign_in() if name == "signOut" else owner
    if reader is not owner:
        before = await entries(reader)

    await owner.data(document("Mutation", name, given), **given)

    # an approved draft is tried to be sent, which the server says for itself
    after = [one for one in await entries(reader) if one["by"]["type"] != "system"]
    assert [one["id"] for one in after[1:]] == [one["id"] for one in before]
    newest = after[0]
    assert newest["eventType"].startswith("system.")
    assert newest["by"]["type"] == "member"
    if name != "acceptInvitation":
        assert newest["by"]["id"] == owner.member_id
        assert newest["by"]["name"] == "The owner"
    assert "by" not in newest["payload"]
    assert "a lighthouse keeper's password" not in str(newest)
    assert "token" not in str(newest["payload"])


async def test_going_on_with_a_session_is_no_act(owner: Administrator) -> None:
    before = await entries(owner)
    again = await owner.refreshed()

    assert await entries(again) == before


async def test_what_is_refused_leaves_no_entry(server: Server, owner: Administrator) -> None:
    viewer = await new_administrator(server, Role.VIEWER, tenant=owner.tenant)
    before = await entries(owner)

    await viewer.refused('mutation { createApplication(name: "x") { id } }')
    await owner.refused('mutation { createApplication(name: "") { id } }')
    await owner.refused("mutation($id: UUID!) { removeMember(id: $id) { id } }", id=owner.member_id)

    assert await entries(owner) == before


async def test_the_log_is_read_in_pages(owner: Administrator) -> None:
    for number in range(5):
        await owner.data(f'mutation {{ updateOrganisation(name: "No {number}") {{ id }} }}')
    whole = await entries(owner)
    seen: list[dict[str, Any]] = []
    after = None
    for _ in range(20):
        page = (await owner.data(LOG, first=2, after=after))["auditLog"]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        seen += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert seen == whole
    assert [one["id"] for one in whole] == sorted((one["id"] for one in whole), reverse=True)


async def test_the_log_is_filtered_by_what_and_when(owner: Administrator) -> None:
    await owner.data('mutation { updateOrganisation(name: "One") { id } }')
    await owner.data('mutation { createApplication(name: "Two") { id } }')
    renamed = {"eventType": {"equals": "system.organisation.updated"}}
    (one,) = await entries(owner, filters=renamed)
    newest = (await entries(owner))[0]

    assert one["payload"]["name"] == "One"
    both = {"eventType": {"in": ["system.organisation.updated", "system.application.created"]}}
    # the fixture's own application was made by the operator
    assert [entry["by"]["type"] for entry in await entries(owner, filters=both)] == [
        "member",
        "member",
        "operator",
    ]
    assert await entries(owner, filters={"eventType": {"in": []}}) == []
    assert await entries(owner, filters={"createdAt": {"gt": newest["createdAt"]}}) == []
    until = {"createdAt": {"lte": newest["createdAt"], "gte": newest["createdAt"]}}
    assert newest in await entries(owner, filters=until)
    assert newest not in await entries(owner, filters={"createdAt": {"lt": newest["createdAt"]}})
    assert await entries(owner, filters={**renamed, "createdAt": {"gte": one["createdAt"]}}) == [one]


@pytest.mark.parametrize(
    "variables",
    [
        {"first": 0},
        {"first": 201},
        {"first": -1},
        {"after": "x"},
        {"after": "QTEBjf"},
        {"after": "\u00e9" * 24},
        {"filters": {"eventType": {"in": ["x"] * 51 + [str(n) for n in range(51)]}}},
        {"filters": {"eventType": {"equals": "\0"}}},
        {"filters": {"createdAt": {"gte": "yesterday"}}},
    ],
)
async def test_what_cannot_be_asked_is_refused(owner: Administrator, variables: dict[str, Any]) -> None:
    answer = await owner.graphql(LOG, **variables)

    assert answer["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"


async def test_what_programs_do_stands_there_as_well(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    created = await owner.data(
        "mutation($id: UUID!) { rotateApiKey(id: $id, overlapMinutes: 0) { token apiKey { id } } }",
        id=world.api_key,
    )
    body = b'{"query": "mutation { updateApplication(name: \\"By a program\\") { id } }"}'

    answered = await owner.request(
        body, headers={"authorization": f"Bearer {created['rotateApiKey']['token']}"}
    )

    assert "errors" not in answered.json()
    newest = (await entries(owner))[0]
    assert newest["by"] == {
        "type": "api_key",
        "id": created["rotateApiKey"]["apiKey"]["id"],
        "name": "world",
    }
