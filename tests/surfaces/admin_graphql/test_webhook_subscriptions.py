"""Webhook subscriptions over the administration: of an application, of the whole organisation, and what is refused."""

import asyncio
from typing import Any

import pytest

from outrider.webhooks.signing import verify_outbound
from tests.administrators import Administrator
from tests.clients import SECRET, Client, Server, listener
from tests.surfaces.admin_graphql.world import MISSING, new_world

FIELDS = "id applicationId name targetUrl eventPatterns family status statusReason failingSince createdAt"
CREATE = f"""mutation($application: UUID, $url: String!, $patterns: [String!], $secret: String,
    $family: WebhookFamily) {{
  createWebhookSubscription(applicationId: $application, name: "hooks", targetUrl: $url, eventPatterns: $patterns,
      secret: $secret, family: $family) {{ secret subscription {{ {FIELDS} }} }} }}"""
DELIVERIES = """query($id: UUID!, $first: Int, $before: UUID) {
  webhookDeliveries(subscriptionId: $id, first: $first, before: $before) {
    id applicationId eventId state reason finishedAt nextAttemptAt attempts { number result statusCode } } }"""
LIST = f"{{ webhookSubscriptions {{ {FIELDS} }} }}"
URL = "https://hooks.example.com/in"


async def test_a_subscription_goes_through_its_life(owner: Administrator) -> None:
    created = (await owner.data(CREATE, url=URL, patterns=["system.*"], family="OUTBOUND"))[
        "createWebhookSubscription"
    ]
    shown, given = created["subscription"], {"id": created["subscription"]["id"]}
    assert created["secret"].startswith("whsec_")
    assert shown | {"id": "", "createdAt": ""} == {
        "id": "",
        "applicationId": None,
        "name": "hooks",
        "targetUrl": URL,
        "eventPatterns": ["system.*"],
        "family": "OUTBOUND",
        "status": "active",
        "statusReason": None,
        "failingSince": None,
        "createdAt": "",
    }
    assert (await owner.data(LIST))["webhookSubscriptions"] == [shown]

    updated = await owner.data(
        """mutation($id: UUID!) { updateWebhookSubscription(id: $id, name: "more", eventPatterns: ["a.*"]) {
          name targetUrl eventPatterns } }""",
        **given,
    )
    assert updated["updateWebhookSubscription"] == {
        "name": "more",
        "targetUrl": URL,
        "eventPatterns": ["a.*"],
    }
    for verb, status in (("pause", "paused"), ("resume", "active"), ("delete", "deleted")):
        name = f"{verb}WebhookSubscription"
        found = await owner.data(f"mutation($id: UUID!) {{ {name}(id: $id) {{ status }} }}", **given)
        assert found[name] == {"status": status}
    assert (await owner.data(LIST))["webhookSubscriptions"] == []
    again = await owner.refused("mutation($id: UUID!) { pauseWebhookSubscription(id: $id) { id } }", **given)
    assert again["code"] == "NOT_FOUND"


async def test_a_rotated_secret_is_told_once(owner: Administrator) -> None:
    created = (await owner.data(CREATE, url=URL, patterns=["a"], secret=SECRET, family="OUTBOUND"))[
        "createWebhookSubscription"
    ]
    rotate = """mutation($id: UUID!, $secret: String) {
      rotateWebhookSubscriptionSecret(id: $id, secret: $secret) { secret subscription { id } } }"""

    own = await owner.data(rotate, id=created["subscription"]["id"], secret=SECRET + "!")
    made = await owner.data(rotate, id=created["subscription"]["id"])

    assert created["secret"] == SECRET
    assert own["rotateWebhookSubscriptionSecret"]["secret"] == SECRET + "!"
    assert made["rotateWebhookSubscriptionSecret"]["secret"].startswith("whsec_")
    seen = str(await owner.data("{ auditLog(first: 50) { edges { node { payload } } } }"))
    assert SECRET not in seen
    assert made["rotateWebhookSubscriptionSecret"]["secret"] not in seen


async def test_a_test_event_arrives_signed(owner: Administrator) -> None:
    async with listener() as heard:
        created = await owner.data(
            CREATE, url=heard.url, patterns=["never"], secret=SECRET, family="OUTBOUND"
        )
        subscription = created["createWebhookSubscription"]["subscription"]
        sent = await owner.data(
            "mutation($id: UUID!) { testWebhookSubscription(id: $id) { eventId deliveryId } }",
            id=subscription["id"],
        )
        await heard.wait_for(1)

        (headers, raw), (body,) = heard.received[0], heard.bodies
        assert body["id"] == sent["testWebhookSubscription"]["eventId"]
        assert body["eventType"] == "system.webhook.test"
        assert verify_outbound(SECRET, {name.lower(): value for name, value in headers.items()}, raw)
        delivery = await delivered(owner, subscription["id"])
        assert (delivery["id"], delivery["eventId"]) == (headers["webhook-id"], body["id"])
        assert (delivery["applicationId"], delivery["reason"]) == (None, None)
        (attempt,) = delivery["attempts"]
        assert (attempt["number"], attempt["result"], attempt["statusCode"]) == (1, "succeeded", 200)
        assert (await owner.data(DELIVERIES, id=subscription["id"], before=delivery["id"])) == {
            "webhookDeliveries": []
        }


async def delivered(owner: Administrator, subscription_id: str) -> dict[str, Any]:
    """The one delivery of a subscription, once it has ended well."""
    async with asyncio.timeout(10):
        while True:
            found = (await owner.data(DELIVERIES, id=subscription_id))["webhookDeliveries"]
            if found and found[0]["state"] == "succeeded":
                (delivery,) = found
                return dict(delivery)
            await asyncio.sleep(0.05)


async def test_deliveries_to_a_foreign_subscription_are_shown_to_nobody_else(
    server: Server, owner: Administrator, foreigner: Administrator
) -> None:
    foreign = await new_world(server, foreigner)
    tried = "mutation($id: UUID!) { testWebhookSubscription(id: $id) { eventId } }"
    await foreigner.data(tried, id=foreign.subscription)

    shown = [await one.data(DELIVERIES, id=foreign.subscription) for one in (foreigner, owner)]

    # the world has one
    assert [len(one["webhookDeliveries"]) for one in shown] == [2, 0]
    assert (await owner.refused(DELIVERIES, id=MISSING, first=51))["code"] == "VALIDATION_ERROR"


async def test_what_the_developer_api_made_is_shown_and_changed_here(
    server: Server, owner: Administrator, client: Client
) -> None:
    world = await new_world(server, owner)
    made = await owner.data(
        CREATE, application=world.application, url=URL, patterns=["message.*"], family="OUTERACT"
    )
    shown = made["createWebhookSubscription"]["subscription"]
    assert (shown["applicationId"], shown["family"]) == (world.application, "OUTERACT")

    tested = await owner.data(
        "mutation($id: UUID!) { testWebhookSubscription(id: $id) { eventId } }", id=shown["id"]
    )
    log = await owner.data("{ auditLog(first: 1) { edges { node { eventType payload } } } }")
    (entry,) = log["auditLog"]["edges"]
    assert entry["node"] == {
        "eventType": "system.subscription.tested",
        "payload": {"subscription_id": shown["id"], "event_id": tested["testWebhookSubscription"]["eventId"]},
    }

    own = await client.data(
        """mutation($url: String!) { createWebhookSubscription(name: "own", targetUrl: $url,
          eventPatterns: ["message.*"], family: OUTBOUND) { id family } }""",
        url=URL,
    )
    assert own["createWebhookSubscription"]["family"] == "OUTBOUND"
    # another organisation's
    assert own["createWebhookSubscription"]["id"] not in str(await owner.data(LIST))


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"family": "OUTERACT"}, "applicationId"),
        ({"family": "OUTKIT"}, "applicationId"),
        ({"url": "nonsense"}, "targetUrl"),
        ({"patterns": []}, "eventPatterns"),
        ({"patterns": ["No Pattern"]}, "eventPatterns"),
        ({"secret": "short"}, "secret"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_written(
    owner: Administrator, given: dict[str, object], path: str
) -> None:
    whole = {"url": URL, "patterns": ["*"], "family": "OUTBOUND", **given}

    refused = await owner.refused(CREATE, **whole)

    assert (refused["code"], refused["details"]["path"]) == ("VALIDATION_ERROR", path)
    assert (await owner.data(LIST))["webhookSubscriptions"] == []
