"""What can be set up and changed through the API, seen from outside."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid5

import pytest

from tests import clients
from tests.clients import Client, Listener

NOWHERE = "00000000-0000-7000-8000-000000000000"
SCHEMA = {
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {"order_id": {"type": "string"}, "total": {"type": "number", "minimum": 0}},
}
CREATE_SCHEMA = """mutation($name: String!, $schema: JSON!) {
  createEventSchema(name: $name, description: "Orders", jsonSchema: $schema) {
    id name description jsonSchema version requiredFields isBuiltIn category versions { version } } }"""
CREATE_PERSON = """mutation($connection: UUID!, $external: String!, $user: UUID) {
  createPlatformUser(platformConnectionId: $connection, externalId: $external, userId: $user, name: "Ann") {
    id externalId name user { id name } platformConnection { id } } }"""
ACTIVATE = """mutation($code: String!, $person: UUID!) { activateLinkCode(code: $code, platformUserId: $person) {
  event { eventType edges { edgeType targetPlatformUser { id } } } mergeEvent { eventType } user { id }
  absorbedUserId mergedPlatformUserIds sourcePlatformUser { id } targetPlatformUser { id user { id } } } }"""


@pytest.fixture
async def listener() -> AsyncGenerator[Listener]:
    """An endpoint for webhooks."""
    async with clients.listener() as heard:
        yield heard


async def person(client: Client, connection: dict[str, Any], external_id: str) -> dict[str, Any]:
    created = await client.data(CREATE_PERSON, connection=connection["id"], external=external_id)
    found: dict[str, Any] = created["createPlatformUser"]
    return found


async def test_a_failed_message_is_sent_again(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    failed = await client.send(connection["id"], "+12025550104")
    sent = await client.send(connection["id"], "+14155550000")
    again = "mutation($id: UUID!) { resendMessage(id: $id) { id status { state } } }"
    resolve = "mutation($id: UUID!) { resolveMessage(id: $id, outcome: SENT) { id } }"

    refused = await client.refused(again, id=sent["id"])
    unresolved = await client.refused(resolve, id=sent["id"])

    assert (refused["code"], refused["http"]) == ("NOT_RESENDABLE", {"status": 409})
    assert (unresolved["code"], unresolved["http"]) == ("NOT_RESOLVABLE", {"status": 409})
    assert failed["status"]["success"] is False
    resent = (await client.data(again, id=failed["id"]))["resendMessage"]
    assert resent["id"] != failed["id"]
    (edge,) = [one for one in (await client.event(resent["id"]))["edges"] if one["edgeType"] == "resend_of"]
    assert edge["targetNodeId"] == failed["id"]


async def test_users_are_created_and_named(client: Client) -> None:
    created = (await client.data('mutation { createUser(name: "Ann") { id name isSystemUser } }'))[
        "createUser"
    ]
    changed = await client.data(
        'mutation($id: UUID!) { updateUser(id: $id, name: "Zoë") { id name platformUsers { id } } }',
        id=created["id"],
    )
    refused = await client.refused(
        'mutation($id: UUID!) { updateUser(id: $id, name: "x") { id } }', id=NOWHERE
    )

    assert (created["name"], created["isSystemUser"]) == ("Ann", False)
    assert changed["updateUser"] == {"id": created["id"], "name": "Zoë", "platformUsers": []}
    assert refused["code"] == "NOT_FOUND"
    assert refused["details"] == {"resource_type": "User", "resource_id": NOWHERE}


async def test_platform_users_are_created_once(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    created = await person(client, connection, "+14155551234")

    refused = await client.refused(CREATE_PERSON, connection=connection["id"], external="+14155551234")

    assert created["externalId"] == "+14155551234"
    assert created["platformConnection"] == {"id": connection["id"]}
    assert (refused["code"], refused["http"]) == ("RESOURCE_EXISTS", {"status": 409})
    assert refused["details"] == {
        "external_id": "+14155551234",
        "platform_connection_id": connection["id"],
    }


async def test_a_platform_user_is_changed_in_what_is_said(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    ann = await person(client, connection, "+14155551234")
    change = """mutation($id: UUID!, $name: String, $picture: String) {
      updatePlatformUser(id: $id, name: $name, profilePictureUrl: $picture) {
        id name profilePictureUrl user { id } } }"""

    shown = await client.data(change, id=ann["id"], picture="https://example.com/ann.png")
    bare = await client.data(change, id=ann["id"], name=None)

    kept = {"id": ann["id"], "user": {"id": ann["user"]["id"]}}
    picture = {"profilePictureUrl": "https://example.com/ann.png"}
    assert shown["updatePlatformUser"] == {**kept, **picture, "name": "Ann"}
    assert bare["updatePlatformUser"] == {**kept, **picture, "name": None}


async def test_merged_users_answer_as_one(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    old, kept = [await person(client, connection, f"+1415555000{number}") for number in range(2)]

    merged = await client.data(
        """mutation($from: UUID!, $to: UUID!) { mergeUsers(sourceUserId: $from, targetUserId: $to) {
          user { id platformUsers { id } } sourceUserId mergedPlatformUserIds
          event { eventType payload } } }""",
        **{"from": old["user"]["id"], "to": kept["user"]["id"]},
    )
    asked = await client.data(
        "query($id: UUID!) { user(id: $id) { id } users { edges { node { id } } totalCount } }",
        id=old["user"]["id"],
    )

    merge = merged["mergeUsers"]
    assert merge["user"]["id"] == kept["user"]["id"]
    assert {one["id"] for one in merge["user"]["platformUsers"]} == {old["id"], kept["id"]}
    assert (merge["sourceUserId"], merge["mergedPlatformUserIds"]) == (old["user"]["id"], [old["id"]])
    assert merge["event"]["eventType"] == "user.merged"
    assert merge["event"]["payload"]["target_user_id"] == kept["user"]["id"]
    assert asked["user"] == {"id": kept["user"]["id"]}
    assert old["user"]["id"] not in {edge["node"]["id"] for edge in asked["users"]["edges"]}


async def test_a_link_code_links(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    owner, redeemer = [await person(client, connection, f"+1415555000{number}") for number in range(2)]

    made = (
        await client.data(
            """mutation GenerateCode($platformUserId: UUID!) {
              generateLinkCode(platformUserId: $platformUserId, expiryMinutes: 15, maxUses: 1) {
                code expiresAt event { id eventType createdAt } } }""",
            platformUserId=owner["id"],
        )
    )["generateLinkCode"]
    activated = (await client.data(ACTIVATE, code=made["code"], person=redeemer["id"]))["activateLinkCode"]
    spent = await client.refused(ACTIVATE, code=made["code"], person=redeemer["id"])

    groups = made["code"].split("-")
    assert int(groups[3]) == sum(map(int, groups[:3])) % 10_000
    assert made["event"]["eventType"] == "link_code.generated"
    assert made["expiresAt"] > made["event"]["createdAt"]
    assert activated["user"] == {"id": owner["user"]["id"]}
    assert activated["absorbedUserId"] == redeemer["user"]["id"]
    assert activated["targetPlatformUser"] == {"id": redeemer["id"], "user": {"id": owner["user"]["id"]}}
    assert activated["sourcePlatformUser"] == {"id": owner["id"]}
    assert activated["mergedPlatformUserIds"] == [redeemer["id"]]
    assert activated["mergeEvent"] == {"eventType": "user.merged"}
    assert {edge["edgeType"] for edge in activated["event"]["edges"]} >= {"source", "target"}
    assert spent["code"] in {"LINK_CODE_EXHAUSTED", "VALIDATION_ERROR"}


async def test_event_schemas(client: Client) -> None:
    created = (await client.data(CREATE_SCHEMA, name="order.created", schema=SCHEMA))["createEventSchema"]
    changed = await client.data(
        """mutation($schema: JSON!) { updateEventSchema(name: "order.created", jsonSchema: $schema) {
          id version description versions { version jsonSchema } } }""",
        schema={**SCHEMA, "required": ["order_id"]},
    )
    listed = (await client.data("{ eventSchemas { id name isBuiltIn requiredFields } }"))["eventSchemas"]
    again = await client.refused(CREATE_SCHEMA, name="order.created", schema=SCHEMA)
    event = await client.data(
        'mutation { createEvent(eventType: "order.created", payload: {order_id: "1"}) { eventTypeId } }'
    )
    broken = await client.refused(
        'mutation { createEvent(eventType: "order.created", payload: {order_id: 1}) { id } }'
    )

    assert created["jsonSchema"] == SCHEMA
    assert (created["version"], created["isBuiltIn"], created["category"]) == (1, False, "custom")
    assert created["requiredFields"] == ["order_id", "total"]
    versions = changed["updateEventSchema"]["versions"]
    assert [one["version"] for one in versions] == [2, 1]
    assert versions[1]["jsonSchema"] == SCHEMA
    assert changed["updateEventSchema"]["description"] == "Orders"
    assert [one["name"] for one in listed[-2:]] == ["user.merged", "order.created"]
    assert (again["code"], broken["code"]) == ("RESOURCE_EXISTS", "VALIDATION_ERROR")
    assert broken["details"]["path"] == "payload.order_id"
    assert event["createEvent"]["eventTypeId"] == created["id"]
    assert created["id"] == str(uuid5(client.tenant.application_id, "order.created"))


async def test_log_entries(client: Client) -> None:
    event = await client.data('mutation { createEvent(eventType: "x", payload: {}) { id } }')
    event_id = event["createEvent"]["id"]

    written = await client.data(
        """mutation($event: UUID) { createLog(message: "Step done", logLevel: "info", logType: "execution",
          payload: {step: "a", duration_ms: 12}, eventId: $event) {
            id createdAt message logLevel payload event { id } } }""",
        event=event_id,
    )
    await client.data('mutation { createLog(message: "Failed", logLevel: "error") { id } }')
    found = await client.data(
        """query($event: UUID) { about: logs(eventId: $event) { edges { node { id } } }
          errors: logs(filters: { logLevel: { in: ["error"] } }) { edges { node { message logType } } } }""",
        event=event_id,
    )
    refused = await client.refused('mutation { createLog(message: "x", logLevel: "loud") { id } }')

    log = written["createLog"]
    assert (log["message"], log["logLevel"], log["event"]) == ("Step done", "info", {"id": event_id})
    assert log["payload"] == {"step": "a", "duration_ms": 12}
    assert found["about"]["edges"] == [{"node": {"id": log["id"]}}]
    assert found["errors"]["edges"] == [{"node": {"message": "Failed", "logType": "execution"}}]
    assert refused["code"] == "VALIDATION_ERROR"


async def test_the_application_is_changed(client: Client) -> None:
    changed = await client.data(
        """mutation { updateApplication(name: "Shop", config: {link_code_auto_detect: "enabled"}) {
          name config } }"""
    )
    refused = await client.refused(
        'mutation { updateApplication(config: {link_code_auto_detect: "x"}) { id } }'
    )

    assert changed["updateApplication"]["name"] == "Shop"
    assert changed["updateApplication"]["config"]["link_code_auto_detect"] == "enabled"
    assert refused["code"] == "VALIDATION_ERROR"


async def test_connections_are_changed_tested_and_deleted(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    given = {"id": connection["id"]}

    changed = await client.data(
        """mutation($id: UUID!) { updatePlatformConnection(
          id: $id, name: "Second", inDoubtPolicy: HOLD, status: DISABLED) {
            name status inDoubtPolicy health { status lastCheckedAt } } }""",
        **given,
    )
    await client.data(
        "mutation($id: UUID!) { updatePlatformConnection(id: $id, status: ACTIVE) { status } }", **given
    )
    tested = await client.data(
        """mutation($id: UUID!) { testPlatformConnection(id: $id) {
          success message health { status lastCheckedAt } } }""",
        **given,
    )
    shown = await client.data(
        "query($id: UUID!) { platformConnection(id: $id) { health { status lastCheckedAt } } }", **given
    )
    deleted = await client.data(
        "mutation($id: UUID!) { deletePlatformConnection(id: $id) { id status } }", **given
    )
    gone = await client.data("query($id: UUID!) { platformConnection(id: $id) { id } }", **given)

    assert changed["updatePlatformConnection"] == {
        "name": "Second",
        "status": "disabled",
        "inDoubtPolicy": "HOLD",
        "health": {"status": "unknown", "lastCheckedAt": None},
    }
    assert tested["testPlatformConnection"]["success"] is True
    assert tested["testPlatformConnection"]["health"] == shown["platformConnection"]["health"]
    assert deleted["deletePlatformConnection"] == {"id": connection["id"], "status": "deleted"}
    assert gone == {"platformConnection": None}


async def test_subscriptions_are_changed_tested_and_deleted(client: Client, listener: Listener) -> None:
    given = {"id": await client.subscribe(listener.url, "order.*")}

    changed = await client.data(
        """mutation($id: UUID!) { updateWebhookSubscription(id: $id, name: "Other", eventPatterns: ["x"]) {
          name eventPatterns targetUrl secret } }""",
        **given,
    )
    paused, resumed = [
        (
            await client.data(
                f"mutation($id: UUID!) {{ done: {verb}WebhookSubscription(id: $id) {{ status }} }}", **given
            )
        )["done"]
        for verb in ("pause", "resume")
    ]
    rotated = await client.data(
        "mutation($id: UUID!) { rotateWebhookSubscriptionSecret(id: $id) { id secret } }", **given
    )
    tested = await client.data(
        "mutation($id: UUID!) { testWebhookSubscription(id: $id) { id eventId event { eventType } } }",
        **given,
    )
    await listener.wait_for(1)
    delivery = tested["testWebhookSubscription"]
    deleted = await client.data(
        "mutation($id: UUID!) { deleteWebhookSubscription(id: $id) { status } }", **given
    )
    gone = await client.data("query($id: UUID!) { webhookSubscription(id: $id) { id } }", **given)

    assert changed["updateWebhookSubscription"] == {
        "name": "Other",
        "eventPatterns": ["x"],
        "targetUrl": listener.url,
        "secret": None,
    }
    assert (paused["status"], resumed["status"]) == ("paused", "active")
    assert len(rotated["rotateWebhookSubscriptionSecret"]["secret"]) >= 32
    assert delivery["event"]["eventType"] == "system.webhook.test"
    assert listener.bodies[0]["id"] == delivery["id"]
    assert deleted["deleteWebhookSubscription"] == {"status": "deleted"}
    assert gone == {"webhookSubscription": None}


async def test_only_what_has_failed_is_delivered_again(client: Client, listener: Listener) -> None:
    subscription_id = await client.subscribe(listener.url, "x")
    tested = await client.data(
        "mutation($id: UUID!) { testWebhookSubscription(id: $id) { id } }", id=subscription_id
    )
    delivery_id = tested["testWebhookSubscription"]["id"]
    await listener.wait_for(1)
    retry = "mutation($id: UUID!) { retryWebhookDelivery(id: $id) { id state } }"

    refused = await client.refused(retry, id=delivery_id)
    missing = await client.refused(retry, id=NOWHERE)
    shown = await client.data(
        "query($id: UUID!) { webhookDelivery(id: $id) { id subscriptionId } }", id=delivery_id
    )

    assert refused["code"] == "NOT_RETRYABLE"
    assert missing["code"] == "NOT_FOUND"
    assert shown["webhookDelivery"] == {"id": delivery_id, "subscriptionId": subscription_id}
