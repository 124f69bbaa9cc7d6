"""Deliveries tried again over the administration: of an organisation's endpoints and of an application's."""

import asyncio
from typing import Any

import pytest

from tests.administrators import Administrator
from tests.clients import Server, listener
from tests.surfaces.admin_graphql.test_webhook_subscriptions import CREATE, DELIVERIES
from tests.surfaces.admin_graphql.world import MISSING, new_world

RETRY = """mutation($id: UUID!) { retryWebhookDelivery(id: $id) {
  id applicationId eventId state attempts { number result statusCode } } }"""
TEST = "mutation($id: UUID!) { testWebhookSubscription(id: $id) { eventId deliveryId } }"


async def delivery_of(owner: Administrator, subscription: str, *, state: str) -> dict[str, Any]:
    """The one delivery of a subscription, once it stands so."""
    async with asyncio.timeout(10):
        while True:
            found = (await owner.data(DELIVERIES, id=subscription))["webhookDeliveries"]
            if found and found[0]["state"] == state:
                (delivery,) = found
                return dict(delivery)
            await asyncio.sleep(0.05)


async def end_as_failed(server: Server, delivery: str) -> None:
    """Give a delivery that ended well the end of one that was given up: ten attempts take days."""
    await server.runtime.database.system.execute(
        "update deliveries set state = 'failed', reason = 'gone' where id = $1", delivery
    )


@pytest.mark.parametrize("of", ["the organisation", "an application"])
async def test_a_failed_delivery_is_tried_again_as_itself(
    server: Server, owner: Administrator, of: str
) -> None:
    application = str(owner.tenant.application_id) if of == "an application" else None
    async with listener() as heard:
        created = await owner.data(
            CREATE, application=application, url=heard.url, patterns=["never"], family="OUTBOUND"
        )
        subscription = created["createWebhookSubscription"]["subscription"]["id"]
        sent = (await owner.data(TEST, id=subscription))["testWebhookSubscription"]
        await delivery_of(owner, subscription, state="succeeded")
        await end_as_failed(server, sent["deliveryId"])

        retried = (await owner.data(RETRY, id=sent["deliveryId"]))["retryWebhookDelivery"]
        await heard.wait_for(2)
        again = await delivery_of(owner, subscription, state="succeeded")

    assert (retried["id"], retried["eventId"]) == (sent["deliveryId"], sent["eventId"])
    assert retried["applicationId"] == application
    assert [one["number"] for one in again["attempts"]] == [1, 2]
    assert heard.received[0][0]["webhook-id"] == heard.received[1][0]["webhook-id"] == retried["id"]
    assert heard.bodies[0] == heard.bodies[1]
    filters = '{eventType: {in: ["system.delivery.retried"]}}'
    log = await owner.data(
        f"{{ auditLog(first: 5, filters: {filters}) {{ edges {{ node {{ by {{ id }} payload }} }} }} }}"
    )
    (entry,) = log["auditLog"]["edges"]
    assert entry["node"]["by"] == {"id": owner.member_id}
    assert entry["node"]["payload"]["delivery_id"] == retried["id"]


async def test_the_organisations_own_endpoint_gets_an_applications_event_again(
    server: Server, owner: Administrator
) -> None:
    """Such a delivery stands with its event, in the application, and its endpoint in the organisation."""
    application = str(owner.tenant.application_id)
    async with listener() as heard:
        created = await owner.data(CREATE, url=heard.url, patterns=["shop.*"], family="OUTBOUND")
        subscription = created["createWebhookSubscription"]["subscription"]["id"]
        answer = await owner.request(
            b'{"query": "mutation { createEvent(eventType: \\"shop.opened\\", payload: {a: 1}) { id } }"}',
            headers={"x-outeract-app-id": application},
        )
        assert "errors" not in answer.json()
        delivery = await delivery_of(owner, subscription, state="succeeded")
        await end_as_failed(server, delivery["id"])

        retried = await owner.data(RETRY, id=delivery["id"])
        await heard.wait_for(2)

    assert retried["retryWebhookDelivery"]["applicationId"] == application
    assert heard.bodies[0] == heard.bodies[1]


async def test_only_what_has_failed_is_tried_again(
    server: Server, owner: Administrator, foreigner: Administrator
) -> None:
    world = await new_world(server, owner)
    sent = (await owner.data(TEST, id=world.subscription))["testWebhookSubscription"]

    waiting = await owner.refused(RETRY, id=sent["deliveryId"])
    refused = [
        await foreigner.refused(RETRY, id=sent["deliveryId"]),
        await foreigner.refused(RETRY, id=MISSING),
    ]

    assert (waiting["code"], waiting["http"]) == ("NOT_RETRYABLE", {"status": 409})
    assert [one["code"] for one in refused] == ["NOT_FOUND", "NOT_FOUND"]
    assert refused[0]["message"] == refused[1]["message"]
