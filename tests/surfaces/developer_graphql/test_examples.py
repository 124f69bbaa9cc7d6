"""The examples of the published documentation run as they are printed, but for the ids."""

from typing import Any

import pytest

from tests.clients import Client

SEND_MESSAGE = """mutation SendMessage {
sendMessage(
platformConnectionId: "pc_abc123"
toExternalId: "+14155551234"
message: "Hello from Outeract!"
) {
id
status {
success
externalMessageId
}
}
}"""
SANDBOX = """mutation {
sendMessage(
platformConnectionId: "pc_abc123"
toExternalId: "+14155551234"
message: "Test message"
sandbox: true
) {
id
status {
success
}
}
}"""
RECENT_EVENTS = """query RecentEvents {
events(
filters: {
eventType: { contains: "message" }
}
first: 20
orderBy: { field: CREATED_AT, direction: DESC }
) {
edges {
node {
id
eventType
payload
createdAt
edges {
edgeType
targetPlatformUser {
externalId
}
}
}
}
pageInfo {
hasNextPage
endCursor
}
}
}"""
EXACT = """query {
  events(filters: { eventType: { equals: "message.inbound" } }) {
    edges { node { id } }
  }
}"""
PATTERN = """query {
  events(filters: { eventType: { contains: "message" } }) {
    edges { node { id eventType } }
  }
}"""
SEVERAL = """query {
  events(
    filters: {
      eventType: { in: ["message.inbound", "message.outbound"] }
    }
  ) {
    edges { node { id eventType } }
  }
}"""
CUSTOM = """query {
  events(filters: { eventType: { startsWith: "custom." } }) {
    edges { node { id eventType payload } }
  }
}"""


@pytest.mark.parametrize("prefix", ["pc_", ""])
async def test_sending_as_documented(client: Client, prefix: str) -> None:
    connection = await client.connect("SMS", "sandbox", {})

    data = await client.data(SEND_MESSAGE.replace("pc_abc123", prefix + connection["id"]))

    sent = data["sendMessage"]
    assert sent["status"]["success"] is True
    event = await client.event(sent["id"])
    assert event["payload"]["external_message_id"] == sent["status"]["externalMessageId"]
    assert event["payload"]["message"]["text"] == "Hello from Outeract!"


async def test_the_sandbox_as_documented(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})

    data = await client.data(SANDBOX.replace("pc_abc123", connection["id"]))

    assert data["sendMessage"]["status"] == {"success": True}
    assert (await client.event(data["sendMessage"]["id"]))["payload"]["sandbox"] is True


async def test_recent_events_as_documented(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    await client.send(connection["id"], "+14155551234")

    page = (await client.data(RECENT_EVENTS))["events"]

    newest = page["edges"][0]["node"]
    assert newest["eventType"] == "message.sent"
    sent = next(edge["node"] for edge in page["edges"] if edge["node"]["eventType"] == "message.outbound")
    assert [edge["edgeType"] for edge in sent["edges"]] == ["sent_by", "sent_to"]
    assert sent["edges"][1]["targetPlatformUser"] == {"externalId": "+14155551234"}
    assert page["pageInfo"]["hasNextPage"] is False
    assert page["pageInfo"]["endCursor"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (EXACT, []),
        (PATTERN, ["message.sent", "message.outbound"]),
        (SEVERAL, ["message.outbound"]),
        (CUSTOM, ["custom.thing", "purchase"]),
    ],
)
async def test_events_by_type_as_documented(client: Client, document: str, expected: list[str]) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    await client.send(connection["id"], "+14155551234")
    for event_type in ("purchase", "custom.thing"):
        await client.data(
            "mutation($t: String!) { createEvent(eventType: $t, payload: {}) { id } }", t=event_type
        )

    edges: list[Any] = (await client.data(document))["events"]["edges"]

    assert [edge["node"]["eventType"] for edge in edges if "eventType" in edge["node"]] == expected
    assert len(edges) == len(expected)
