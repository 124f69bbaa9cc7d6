"""Dossiers over the administration: written, researched, aged, and read in the audit log."""

import asyncio
from typing import Any

import pytest

from tests.administrators import Administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import World, new_world

FIELDS = """contactId level summary facts { text source eventId } researchedAt expiresAt expired researched"""
READ = f"query($id: UUID!) {{ dossier(contactId: $id) {{ {FIELDS} }} dossierLifetime researchWaiting }}"
WRITE = f"""mutation($id: UUID!, $facts: [DossierFactInput!]!, $at: DateTime, $level: Int!) {{
  writeDossier(contactId: $id, level: $level, summary: "Likes lighthouses.", facts: $facts, researchedAt: $at) {{
    {FIELDS} }} }}"""
ASK = """mutation($contacts: [UUID!], $list: UUID, $stale: Boolean, $all: Boolean, $level: Int) {
  researchContacts(contactIds: $contacts, listId: $list, stale: $stale, all: $all, level: $level) {
    contacts waiting } }"""


async def written(world: World, **given: object) -> dict[str, Any]:
    found = await world.owner.data(
        WRITE, **{"id": world.contact, "facts": [], "level": 3, "at": None, **given}
    )
    dossier: dict[str, Any] = found["writeDossier"]
    return dossier


async def test_a_dossier_is_shown_as_it_was_written_and_stands_in_the_log(
    server: Server, owner: Administrator
) -> None:
    world = await new_world(server, owner)
    facts = [{"text": "Owns one.", "source": "https://example.com", "eventId": None}]

    dossier = await written(world, facts=facts, at="2026-01-01T00:00:00Z")

    assert dossier == {
        "contactId": world.contact,
        "level": 3,
        "summary": "Likes lighthouses.",
        "facts": facts,
        "researchedAt": "2026-01-01T00:00:00.000Z",
        "expiresAt": "2026-01-31T00:00:00.000Z",
        "expired": True,
        "researched": False,
    }
    assert await owner.data(READ, id=world.contact) == {
        "dossier": dossier,
        "dossierLifetime": 30,
        "researchWaiting": 0,
    }
    log = await owner.data(
        """{ auditLog(first: 1, filters: {eventType: {equals: "system.dossier.written"}}) {
          edges { node { payload by { id } } } } }"""
    )
    (entry,) = log["auditLog"]["edges"]
    assert entry["node"]["by"]["id"] == owner.member_id
    assert entry["node"]["payload"]["facts"] == facts
    assert entry["node"]["payload"]["contact_id"] == world.contact


async def test_a_longer_lifetime_makes_an_old_dossier_good_again(
    server: Server, owner: Administrator
) -> None:
    world = await new_world(server, owner)
    await written(world, at="2026-01-01T00:00:00Z")

    set_ = await owner.data("mutation { setDossierLifetime(days: 3650) }")

    assert set_ == {"setDossierLifetime": 3650}
    found = (await owner.data(READ, id=world.contact))["dossier"]
    assert (found["expired"], found["expiresAt"]) == (False, "2035-12-30T00:00:00.000Z")


async def test_one_is_researched_at_once_and_deleted(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)

    made = await owner.data(
        f"mutation($id: UUID!) {{ researchContact(contactId: $id) {{ {FIELDS} }} }}", id=world.contact
    )
    deletion = "mutation($id: UUID!) { deleteDossier(contactId: $id) }"
    deleted = [(await owner.data(deletion, id=world.contact))["deleteDossier"] for _ in range(2)]

    dossier = made["researchContact"]
    assert (dossier["level"], dossier["researched"], dossier["expired"]) == (4, True, False)
    assert "Ada Lovelace is reached at ada@world.example." in [fact["text"] for fact in dossier["facts"]]
    assert deleted == [True, False]
    assert (await owner.data(READ, id=world.contact))["dossier"] is None


async def test_a_list_is_researched_in_the_background(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    await written(world)

    nobody = await owner.data(ASK, list=world.contact_list, stale=True, level=2)
    asked = await owner.data(ASK, list=world.contact_list, contacts=[world.contact], level=2)

    assert nobody["researchContacts"]["contacts"] == 0
    assert asked["researchContacts"] == {"contacts": 1, "waiting": 1}
    async with asyncio.timeout(10):
        while (await owner.data(READ, id=world.contact))["dossier"]["level"] != 2:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "contactIds"),
        ({"stale": False, "all": False}, "contactIds"),
        ({"contacts": []}, "contactIds"),
        ({"all": True, "level": 0}, "level"),
        ({"all": True, "level": 5}, "level"),
    ],
)
async def test_a_request_that_says_not_whom_or_how_is_refused(
    owner: Administrator, given: dict[str, object], path: str
) -> None:
    refused = await owner.refused(ASK, **given)

    assert (refused["code"], refused["details"]["path"]) == ("VALIDATION_ERROR", path)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"level": 9}, "level"),
        ({"at": "2999-01-01T00:00:00Z"}, "researchedAt"),
        ({"facts": [{"text": "", "source": "x"}]}, "facts[0].text"),
        ({"facts": [{"text": "x", "source": "y" * 501}]}, "facts[0].source"),
        ({"facts": [{"text": "x", "source": "y"}] * 101}, "facts"),
    ],
)
async def test_a_bad_dossier_is_refused_with_its_place(
    server: Server, owner: Administrator, given: dict[str, object], path: str
) -> None:
    world = await new_world(server, owner)
    before = await owner.data(READ, id=world.contact)

    refused = await owner.refused(
        WRITE, **{"id": world.contact, "facts": [], "level": 3, "at": None, **given}
    )

    assert (refused["code"], refused["details"]["path"]) == ("VALIDATION_ERROR", path)
    assert await owner.data(READ, id=world.contact) == before
