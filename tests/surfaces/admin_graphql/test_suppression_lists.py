"""Suppression lists as members edit them: what they show, page by page, and what that refuses."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from outrider.surfaces.admin_graphql.cursors import AUDIT_LOG, written_cursor
from tests.administrators import Administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import MISSING, World, new_world

LIST = """query($a: UUID!, $first: Int, $after: String, $filters: SuppressionFilters) {
  suppressions(applicationId: $a, first: $first, after: $after, filters: $filters) {
    edges { cursor node { id platformName address reason since } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
ADD = """mutation($a: UUID!, $p: PlatformName!, $address: String!, $note: String) {
  addSuppression(applicationId: $a, platformName: $p, address: $address, note: $note) {
    id platformName address reason since } }"""
REMOVE = (
    """mutation($a: UUID!, $id: UUID!) { removeSuppression(applicationId: $a, id: $id) { id address } }"""
)


@pytest.fixture
async def world(server: Server, owner: Administrator) -> World:
    return await new_world(server, owner)


async def page(world: World, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await world.owner.data(LIST, a=world.application, **more))["suppressions"]
    return found


async def addresses(world: World, **filters: Any) -> list[str]:
    return [edge["node"]["address"] for edge in (await page(world, filters=filters))["edges"]]


async def add(world: World, platform: str, address: str, **more: Any) -> dict[str, Any]:
    given = {"a": world.application, "p": platform, "address": address, **more}
    found: dict[str, Any] = (await world.owner.data(ADD, **given))["addSuppression"]
    return found


async def test_an_address_is_added_listed_and_removed(server: Server, world: World) -> None:
    pool = server.runtime.database.system
    added = await add(world, "EMAIL", "Ada@Ferry.example", note="asked")
    assert (added["platformName"], added["reason"]) == ("EMAIL", "MANUAL")
    assert added["address"] == "ada@ferry.example"
    assert (await add(world, "EMAIL", "ADA@ferry.example"))["id"] == added["id"]
    assert (await page(world))["edges"][0]["node"] == added

    given = {"a": world.application, "id": added["id"]}
    assert (await world.owner.data(REMOVE, **given))["removeSuppression"]["address"] == added["address"]
    assert await addresses(world) == ["gone@lighthouse.example"]
    assert (await world.owner.refused(REMOVE, **given))["code"] == "NOT_FOUND"
    # the application hears of it as of any event
    facts = await pool.fetch(
        """select event_type, payload ->> 'note' as note, payload -> 'by' ->> 'id' as by from events
           where application_id = $1 and lower(payload ->> 'address') = 'ada@ferry.example' order by position""",
        UUID(world.application),
    )
    member = str(world.owner.member_id)
    assert [tuple(fact) for fact in facts] == [
        ("system.suppression.added", "asked", member),
        ("system.suppression.removed", None, member),
    ]
    # and the organisation's own log suppresses nobody
    hidden = world.owner.tenant.hidden_application_id
    assert await pool.fetchval("select count(*) from suppressions where application_id = $1", hidden) == 0


async def test_the_audit_log_says_whose_list_it_was(world: World) -> None:
    added = await add(world, "SMS", "+1 555 867 5310")

    log = await world.owner.data(
        "{ auditLog(first: 1) { edges { node { eventType by { type id } payload } } } }"
    )
    entry = log["auditLog"]["edges"][0]["node"]
    assert entry["eventType"] == "system.suppression_list.added"
    assert entry["by"] == {"type": "member", "id": world.owner.member_id}
    assert entry["payload"]["application_id"] == world.application
    assert entry["payload"]["event_id"] == added["id"]
    assert entry["payload"]["address"] == "+15558675310"


async def test_the_list_is_filtered(world: World) -> None:
    await add(world, "EMAIL", "ada@ferry.example")
    await add(world, "SMS", "+15558675310")

    mails = ["ada@ferry.example", "gone@lighthouse.example"]
    assert await addresses(world) == ["+15558675310", *mails]
    assert await addresses(world, platformName="EMAIL") == mails
    assert await addresses(world, platformName="EMAIL", address="ADA@ferry.example") == mails[:1]
    assert await addresses(world, platformName="SMS", address="ADA@ferry.example") == []
    assert await addresses(world, reason="MANUAL", platformName=None) == ["+15558675310", *mails]
    assert await addresses(world, reason="BOUNCED") == []


async def test_the_list_is_read_in_pages(world: World) -> None:
    for number in range(4):
        await add(world, "EMAIL", f"ada-{number}@ferry.example")

    seen: list[str] = []
    after, pages = None, 0
    while True:
        found = await page(world, first=2, after=after)
        seen += [edge["node"]["address"] for edge in found["edges"]]
        assert found["pageInfo"]["hasPreviousPage"] is (pages > 0)
        assert found["pageInfo"]["startCursor"] == found["edges"][0]["cursor"]
        after, pages = found["pageInfo"]["endCursor"], pages + 1
        if not found["pageInfo"]["hasNextPage"]:
            break
    assert seen == [*(f"ada-{one}@ferry.example" for one in (3, 2, 1, 0)), "gone@lighthouse.example"]
    assert pages == 3


@pytest.mark.parametrize(
    "given",
    [
        {"first": 0},
        {"first": 201},
        {"first": -1},
        {"after": "x"},
        {"after": "é"},
        {"after": written_cursor(AUDIT_LOG, UUID(MISSING))},
    ],
)
async def test_what_cannot_be_asked_is_refused(world: World, given: dict[str, Any]) -> None:
    refused = await world.owner.refused(LIST, a=world.application, **given)

    assert refused["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("platform", "address"),
    [
        ("EMAIL", "no address"),
        ("EMAIL", "a@b.example\r\nBcc: x"),
        ("SMS", "x"),
        ("TELEGRAM", "7"),
        ("EMAIL", ""),
    ],
)
async def test_what_is_no_address_is_refused(world: World, platform: str, address: str) -> None:
    refused = await world.owner.refused(ADD, a=world.application, p=platform, address=address)

    assert refused["code"] == "VALIDATION_ERROR"
    assert await addresses(world) == ["gone@lighthouse.example"]


async def test_an_entry_of_another_application_is_a_missing_one(world: World) -> None:
    other = (await world.owner.data('mutation { createApplication(name: "Other") { id } }'))[
        "createApplication"
    ]["id"]

    for one in (world.suppression, MISSING, str(uuid4())):
        refused = await world.owner.refused(REMOVE, a=other, id=one)
        assert refused["code"] == "NOT_FOUND"
        assert refused["message"] == "Suppression not found."
    assert await addresses(world) == ["gone@lighthouse.example"]
