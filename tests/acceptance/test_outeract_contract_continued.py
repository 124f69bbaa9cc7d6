"""What the developer contract is known to promise: the eighth to the last of its fifteen best-supported statements.

What 9 and 10 say of REST is held by the tests of that surface; of 13 and 14 what the vendors' own providers do, by
theirs.
"""

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.contract import BUILT_IN, CODE, CREATE, PLATFORMS, TOKEN, create, person
from tests.clients import Client, listener


@pytest.fixture
async def connection(client: Client) -> dict[str, Any]:
    return await client.connect("WHATSAPP", "sandbox", {})


# --- 8. Built-in types, and names of one's own


async def test_8_the_built_in_types_require_their_fields(client: Client) -> None:
    schemas = (await client.data("{ eventSchemas { name category requiredFields description jsonSchema } }"))[
        "eventSchemas"
    ]

    assert {schema["name"]: schema["requiredFields"] for schema in schemas} == BUILT_IN
    for schema in schemas:
        assert schema["category"] == schema["name"].split(".")[0]
        assert schema["jsonSchema"]["required"] == schema["requiredFields"]


@pytest.mark.parametrize("name", BUILT_IN)
async def test_8_a_built_in_type_is_no_name_for_a_custom_one(client: Client, name: str) -> None:
    payload = dict.fromkeys(BUILT_IN[name], "x")

    assert (await client.refused(CREATE, type=name, payload=payload))["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "name", ["purchase", "order.created", "custom.thing", "a_b.c_1", "file.seen", "x" * 255]
)
async def test_8_names_of_your_own_are_taken(client: Client, name: str) -> None:
    assert (await create(client, name))["eventType"] == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Order.created", "order created", "order-created", "ördér", "order\n"),
        *("message.mine", "user.mine", "system.mine", "link_code.mine"),
    ],
)
async def test_8_other_names_and_reserved_prefixes_are_not(client: Client, name: str) -> None:
    assert (await client.refused(CREATE, type=name))["code"] == "VALIDATION_ERROR"


# --- 9. Events of your own with edges


async def test_9_an_event_is_created_with_its_edges(client: Client, connection: dict[str, Any]) -> None:
    ada = (await person(client, connection, "+14155551234"))["id"]
    payload = {"order_id": "order_1", "total": 99.99}
    edge = {"edgeType": "placed_by", "targetNodeType": "PLATFORM_USER", "targetNodeId": f"pu_{ada}"}

    made = await create(client, "order.created", payload=payload, edges=[edge])

    assert (made["eventType"], made["payload"]) == ("order.created", payload)
    assert made["edges"] == [
        {
            "edgeType": "placed_by",
            "targetNodeType": "PLATFORM_USER",
            "targetPlatformUser": {"externalId": "+14155551234"},
        }
    ]


# --- 10. Link codes


async def test_10_a_link_code_has_its_format_checksum_and_time(
    client: Client, connection: dict[str, Any]
) -> None:
    ada = (await person(client, connection, "ada"))["id"]

    for _ in range(20):
        made = (await client.data(CODE, person=ada))["generateLinkCode"]
        groups = made["code"].split("-")
        assert re.fullmatch(r"\d{4}-\d{4}-\d{4}-\d{4}", made["code"])
        assert sum(int(group) for group in groups[:3]) % 10_000 == int(groups[3])
    event = made["event"]
    assert event["eventType"] == "link_code.generated"
    assert event["payload"] == {
        "code": made["code"],
        "expiry_minutes": 15,
        "max_uses": 1,
        "uses": 0,
        "generated_by_platform_user_id": ada,
    }
    assert event["edges"] == [{"edgeType": "generated_by", "targetPlatformUser": {"id": ada}}]
    lasts = datetime.fromisoformat(made["expiresAt"]) - datetime.fromisoformat(event["createdAt"])
    assert abs(lasts - timedelta(minutes=15)) < timedelta(seconds=2)


# --- 11. Sending


async def test_11_a_message_is_sent_and_answered(client: Client, connection: dict[str, Any]) -> None:
    sent = await client.send(connection["id"], "+14155551234", "Hello from Outeract!")

    assert sent["status"]["success"] is True
    payload = (await client.event(sent["id"]))["payload"]
    assert payload["type"] == "message"
    assert payload["message"] == {"text": "Hello from Outeract!", "role": "assistant", "type": "text"}
    assert payload["platform"] == "whatsapp"
    assert payload["external_message_id"] == sent["status"]["externalMessageId"]
    assert payload["sent_at"]


async def test_11_the_sandbox_calls_no_platform(client: Client) -> None:
    async with listener() as vendor:
        config = {"bot_token": TOKEN, "api_base_url": vendor.url}
        connection = await client.connect("TELEGRAM", "telegram", config)
        vendor.received.clear()
        pretended = await client.send(connection["id"], "4711", sandbox=True)
        calls = len(vendor.received)
        await client.send(connection["id"], "4711", "for real")

    assert pretended["status"]["success"] is True
    assert calls == 0
    assert b"for real" in vendor.received[0][1]


# --- 12. Webhook subscriptions


SUBSCRIBE = """mutation($url: String!, $patterns: [String!]!) { createWebhookSubscription(
    name: "Mine", targetUrl: $url, eventPatterns: $patterns, secret: "my-webhook-secret-32chars-minimum") {
  id name targetUrl eventPatterns status } }"""


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("message.inbound", ["message.inbound"]),
        ("message.*", ["message.inbound", "message.outbound", "message.sent"]),
        ("*", ["message.inbound", "message.outbound", "message.sent", "purchase"]),
    ],
)
async def test_12_a_subscription_hears_what_its_pattern_matches(
    client: Client, connection: dict[str, Any], pattern: str, expected: list[str]
) -> None:
    async with listener() as endpoint:
        made = (await client.data(SUBSCRIBE, url=endpoint.url, patterns=[pattern]))[
            "createWebhookSubscription"
        ]
        await client.knock(connection, {"messages": [{"id": "m1", "from": "+14155551234", "text": "Hello!"}]})
        await client.send(connection["id"], "+14155551234")
        await create(client, "purchase")
        await endpoint.wait_for(len(expected))
        await asyncio.sleep(0.2)

    assert made.pop("id")
    assert made == {
        "name": "Mine",
        "targetUrl": endpoint.url,
        "eventPatterns": [pattern],
        "status": "active",
    }
    assert sorted(body["event_type"] for body in endpoint.bodies) == expected


async def test_12_a_webhook_has_the_documented_body(client: Client, connection: dict[str, Any]) -> None:
    async with listener() as endpoint:
        subscription = await client.subscribe(endpoint.url, "message.inbound")
        await client.knock(
            connection,
            {"messages": [{"id": "m1", "from": "+14155551234", "name": "John Doe", "text": "Hello!"}]},
        )
        await endpoint.wait_for(1)

    (body,) = endpoint.bodies
    (event,) = await client.events("message.inbound")
    assert (body["subscription_id"], body["event_id"]) == (subscription, event["id"])
    assert body["event_type"] == "message.inbound"
    assert body["app_id"] == str(client.tenant.application_id)
    assert body["payload"]["message"]["text"] == "Hello!"
    assert body["payload"]["message"]["role"] == "user"
    assert (body["payload"]["platform"], body["payload"]["external_message_id"]) == ("whatsapp", "m1")
    sender = body["edges"]["sent_by"]
    assert sender["platform_user_id"]
    assert (sender["external_id"], sender["name"]) == ("+14155551234", "John Doe")
    assert body["edges"]["sent_to"]["platform_user_id"]
    deliveries = await client.data("{ webhookDeliveries { edges { node { id } } } }")
    assert {"id": body["id"]} in [edge["node"] for edge in deliveries["webhookDeliveries"]["edges"]]


# --- 13. The address for platforms


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_13_every_platform_has_an_address_with_id_and_secret(client: Client, platform: str) -> None:
    connection = await client.connect(platform, "sandbox", {})
    path = connection["webhookUrl"].split("/webhooks/")[1]
    body = {"messages": [{"from": "ada", "text": "Hello"}]}

    taken = await client.knock(connection, body)
    wrong = await client.knock({"webhookUrl": connection["webhookUrl"][:-1]}, body)

    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[A-Za-z0-9_-]{12,}", path)
    assert (taken.status, wrong.status) == (200, 401)
    (event,) = await client.events("message.inbound")
    assert event["payload"]["platform"] == platform.lower()


# --- 14. Platforms


async def test_14_the_platforms_are_those_of_the_contract(client: Client) -> None:
    schema = await client.data(
        """{ kinds: __type(name: "PlatformName") { enumValues { name } }
          nodes: __type(name: "NodeType") { enumValues { name } } }"""
    )

    assert {value["name"] for value in schema["kinds"]["enumValues"]} == set(PLATFORMS)
    assert {value["name"] for value in schema["nodes"]["enumValues"]} == {
        "PLATFORM_USER",
        "EVENT",
        "USER",
        "FILE",
    }


async def test_14_telegram_takes_a_token_and_texts_up_to_its_limit(client: Client) -> None:
    async with listener() as vendor:
        config = {"bot_token": TOKEN, "api_base_url": vendor.url}
        connection = await client.connect("TELEGRAM", "telegram", config)

        refused = await client.send_refused(connection["id"], "4711", "x" * 4_097)
        taken = await client.send(
            connection["id"], "4711", "x" * 4_096, wait=False, scheduledAt="2099-01-01T00:00:00Z"
        )

    assert refused["code"] == "VALIDATION_ERROR"
    assert taken["status"]["success"] is True


# --- 15. System users


async def test_15_a_connection_has_a_system_user_who_sends_and_receives(
    client: Client, connection: dict[str, Any]
) -> None:
    sent = await client.send(connection["id"], "ada")
    await client.knock(connection, {"messages": [{"from": "ada", "text": "Hello"}]})
    edges = """query($id: UUID!) { event(id: $id) {
      edges { edgeType targetPlatformUser { externalId user { isSystemUser } platformConnection { id } } } } }"""
    (received,) = await client.events("message.inbound")

    out, back = [
        {
            edge["edgeType"]: edge["targetPlatformUser"]
            for edge in (await client.data(edges, id=event_id))["event"]["edges"]
        }
        for event_id in (sent["id"], received["id"])
    ]
    assert out["sent_by"] == back["sent_to"]
    assert out["sent_to"] == back["sent_by"]
    assert out["sent_by"]["user"] == {"isSystemUser": True}
    assert out["sent_by"]["platformConnection"] == {"id": connection["id"]}
    assert (out["sent_to"]["externalId"], out["sent_to"]["user"]) == ("ada", {"isSystemUser": False})
    system = await client.data(
        "{ users(filters: { isSystemUser: true }) { edges { node { isSystemUser } } } }"
    )
    assert [edge["node"] for edge in system["users"]["edges"]] == [{"isSystemUser": True}]
