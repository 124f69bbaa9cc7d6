"""An archived application that is brought back: with what it had, and no more than that."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.administrators import Administrator
from tests.clients import Server, listener
from tests.surfaces.admin_graphql.world import MISSING, World, new_world

ARCHIVE = "mutation($id: UUID!) { deleteApplication(id: $id) { id archivedAt } }"
RESTORE = """mutation($id: UUID!, $slug: String) { restoreApplication(id: $id, slug: $slug) {
  id slug archivedAt platformConnections { id status } } }"""
KEY = """mutation($a: UUID!) { createApiKey(applicationId: $a, name: "k", scopes: ["*"]) { token apiKey { id } } }"""


@pytest.fixture
async def world(server: Server, owner: Administrator) -> World:
    """An organisation with one of everything."""
    return await new_world(server, owner)


async def shown(owner: Administrator, application: str) -> dict[str, Any]:
    """An application as it is listed."""
    query = "query($id: UUID!) { application(id: $id) { slug archivedAt platformConnections { id status } } }"
    return dict((await owner.data(query, id=application))["application"])


async def answered(owner: Administrator, tokens: Sequence[str], statuses: Sequence[int]) -> None:
    """Fails unless keys are answered so within a second, which is what a change of them may take."""
    body = json.dumps({"query": "{ application { id } }"}).encode()
    found: list[int] = []
    try:
        async with asyncio.timeout(1):
            while found != statuses:
                found = [
                    (await owner.request(body, headers={"authorization": f"Bearer {token}"})).status
                    for token in tokens
                ]
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"the keys are answered {found}, not {statuses}")


async def test_a_restored_application_is_what_it_was(owner: Administrator, world: World) -> None:
    before = await shown(owner, world.application)
    await owner.data(ARCHIVE, id=world.application)

    restored = (await owner.data(RESTORE, id=world.application))["restoreApplication"]

    assert restored == {"id": world.application, **before}
    assert restored["archivedAt"] is None
    assert [one["status"] for one in restored["platformConnections"]] == ["active"]
    log = await owner.data("{ auditLog(first: 1) { edges { node { eventType by { id } payload } } } }")
    (entry,) = log["auditLog"]["edges"]
    assert entry["node"] == {
        "eventType": "system.application.restored",
        "by": {"id": owner.member_id},
        "payload": {"application_id": world.application, "name": "World", "slug": before["slug"]},
    }


async def test_keys_work_again_as_far_as_they_did(server: Server, owner: Administrator, world: World) -> None:
    keys = [(await owner.data(KEY, a=world.application))["createApiKey"] for _ in range(4)]
    tokens = [one["token"] for one in keys]
    await answered(owner, tokens, [200] * 4)
    revoke = "mutation($id: UUID!) { revokeApiKey(id: $id) { id } }"
    # one before and one meanwhile; the last has expired
    await owner.data(revoke, id=keys[1]["apiKey"]["id"])
    await server.runtime.database.system.execute(
        "update api_keys set expires_at = now() where id = $1", keys[3]["apiKey"]["id"]
    )
    await owner.data(ARCHIVE, id=world.application)
    await owner.data(revoke, id=keys[2]["apiKey"]["id"])
    await answered(owner, tokens, [401] * 4)

    await owner.data(RESTORE, id=world.application)

    await answered(owner, tokens, [200, 401, 401, 401])


async def test_only_what_the_archiving_stopped_goes_on(owner: Administrator, world: World) -> None:
    connect = """mutation($a: UUID!, $name: String!) { createPlatformConnection(
      applicationId: $a, platformName: SMS, provider: "sandbox", name: $name) { id } }"""
    made = [
        (await owner.data(connect, a=world.application, name=name))["createPlatformConnection"]["id"]
        for name in ("disabled before", "deleted meanwhile")
    ]
    await owner.data(
        "mutation($id: UUID!) { updatePlatformConnection(id: $id, status: DISABLED) { id } }", id=made[0]
    )
    await owner.data(ARCHIVE, id=world.application)
    await owner.data("mutation($id: UUID!) { deletePlatformConnection(id: $id) { id } }", id=made[1])

    restored = (await owner.data(RESTORE, id=world.application))["restoreApplication"]

    found = {one["id"]: one["status"] for one in restored["platformConnections"]}
    assert found == {world.connection: "active", made[0]: "disabled"}

    # what is disabled after the restoring stays so the next time
    await owner.data(
        "mutation($id: UUID!) { updatePlatformConnection(id: $id, status: DISABLED) { id } }",
        id=world.connection,
    )
    await owner.data(ARCHIVE, id=world.application)
    again = (await owner.data(RESTORE, id=world.application))["restoreApplication"]
    assert {one["status"] for one in again["platformConnections"]} == {"disabled"}


async def test_webhooks_of_a_restored_application_go_on(owner: Administrator, world: World) -> None:
    async with listener() as heard:
        created = await owner.data(
            """mutation($a: UUID!, $url: String!) { createWebhookSubscription(applicationId: $a, name: "hooks",
              targetUrl: $url, eventPatterns: ["shop.*"], family: OUTERACT) { subscription { id } } }""",
            a=world.application,
            url=heard.url,
        )
        token = (await owner.data(KEY, a=world.application))["createApiKey"]["token"]
        await owner.data(ARCHIVE, id=world.application)
        await owner.data(RESTORE, id=world.application)

        event = json.dumps(
            {"query": 'mutation { createEvent(eventType: "shop.opened", payload: {at: "nine"}) { id } }'}
        ).encode()
        answer = await owner.request(event, headers={"authorization": f"Bearer {token}"})
        await heard.wait_for(1)

    assert "errors" not in answer.json()
    assert heard.bodies[0]["event_type"] == "shop.opened"
    assert created["createWebhookSubscription"]["subscription"]["id"]


async def test_a_slug_that_was_taken_meanwhile_needs_another(owner: Administrator, world: World) -> None:
    slug = (await shown(owner, world.application))["slug"]
    await owner.data(ARCHIVE, id=world.application)
    await owner.data('mutation($s: String) { createApplication(name: "Next", slug: $s) { id } }', s=slug)

    refused = await owner.refused(RESTORE, id=world.application)

    assert (refused["code"], refused["details"]) == ("RESOURCE_EXISTS", {"slug": slug})
    assert (await shown(owner, world.application))["archivedAt"]
    assert (await owner.refused(RESTORE, id=world.application, slug="No Slug"))["code"] == "VALIDATION_ERROR"
    restored = await owner.data(RESTORE, id=world.application, slug="world-again")
    assert restored["restoreApplication"]["slug"] == "world-again"


async def test_one_that_an_earlier_release_archived_gets_a_slug_of_its_name(
    server: Server, owner: Administrator, world: World
) -> None:
    await owner.data(ARCHIVE, id=world.application)
    await server.runtime.database.system.execute(
        "update applications set archived_slug = null where id = $1", world.application
    )

    restored = await owner.data(RESTORE, id=world.application)

    assert restored["restoreApplication"]["slug"] == "world"


async def test_what_is_not_archived_is_not_there_to_be_restored(
    server: Server, owner: Administrator, foreigner: Administrator, world: World
) -> None:
    foreign = await new_world(server, foreigner)
    await foreigner.data(ARCHIVE, id=foreign.application)
    hidden = await server.runtime.database.system.fetchval(
        "select id from applications where organisation_id = $1 and kind = 'organisation'",
        owner.tenant.organisation_id,
    )

    for one in (world.application, foreign.application, str(hidden), MISSING):
        refused = await owner.refused(RESTORE, id=one)
        assert (refused["code"], refused["message"]) == ("NOT_FOUND", "Application not found.")
    assert (await shown(foreigner, foreign.application))["archivedAt"]
