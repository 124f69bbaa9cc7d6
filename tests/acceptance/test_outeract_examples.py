"""The examples of the developer contract, section by section, against a running server; only the ids are ours.

Those of sending and of the plain lists of events run in the tests of the GraphQL surface, word for word, and through
real clients; those in REST in the tests of that surface.
"""

from typing import Any

import pytest

from tests.clients import Client, listener

ORDER_SCHEMA = {
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {
        "order_id": {"type": "string", "pattern": "^order_[a-zA-Z0-9]+$"},
        "total": {"type": "number", "minimum": 0},
        "currency": {"type": "string", "enum": ["USD", "EUR", "GBP"], "default": "USD"},
    },
}
CREATE = """mutation($type: String!, $payload: JSON!, $origin: UUID) {
  createEvent(eventType: $type, payload: $payload, originEventId: $origin) { id } }"""
ACTIVATE = """mutation($code: String!, $person: UUID!) { activateLinkCode(code: $code, platformUserId: $person) {
  event { eventType payload edges { edgeType targetPlatformUser { id } } }
  mergeEvent { eventType payload } } }"""


@pytest.fixture
async def connection(client: Client) -> dict[str, Any]:
    return await client.connect("WHATSAPP", "sandbox", {})


async def people(client: Client) -> list[dict[str, Any]]:
    """Everybody who is not ours."""
    found = await client.data(
        """{ platformUsers(first: 200) { edges { node {
          id externalId name user { id name isSystemUser } platformConnection { platformName } } } } }"""
    )
    return [
        edge["node"] for edge in found["platformUsers"]["edges"] if not edge["node"]["user"]["isSystemUser"]
    ]


async def write_in(
    client: Client, connection: dict[str, Any], *texts: str, sender: str = "+14155551234"
) -> None:
    for text in texts:
        got = await client.knock(
            connection, {"messages": [{"from": sender, "name": "John Doe", "text": text}]}
        )
        assert got.status == 200


# --- 1. Endpoints and authentication


async def test_introspection(client: Client) -> None:
    found = await client.data("{ __schema { types { name description } } }")

    described = {one["name"]: one["description"] for one in found["__schema"]["types"]}
    assert {"Event", "PlatformUser", "EventFilters"} <= set(described)
    assert all(text for name, text in described.items() if not name.startswith("__"))


# --- 2. The schema


async def test_the_application(client: Client, connection: dict[str, Any]) -> None:
    found = await client.data(
        "query { application { id name config platformConnections { id platformName name status } } }"
    )

    assert found["application"] == {
        "id": str(client.tenant.application_id),
        "name": "Ferry desk",
        "config": {},
        "platformConnections": [
            {
                "id": connection["id"],
                "platformName": "WHATSAPP",
                "name": "sandbox WHATSAPP",
                "status": "active",
            }
        ],
    }


async def test_one_event_with_what_surrounds_it(client: Client, connection: dict[str, Any]) -> None:
    sent = await client.send(connection["id"], "+14155551234")
    (child,) = await client.children(sent["id"], "message.sent")
    query = """query GetEvent($id: UUID!) { event(id: $id) {
      id eventType payload status createdAt processedAt originEvent { id eventType }
      childEvents { id eventType payload createdAt }
      edges { id edgeType targetNodeType targetUser { id name } targetPlatformUser { id externalId name } } } }"""

    message = (await client.data(query, id=sent["id"]))["event"]
    follower = (await client.data(query, id=child["id"]))["event"]

    assert (message["eventType"], message["status"], message["originEvent"]) == (
        "message.outbound",
        "completed",
        None,
    )
    assert message["processedAt"]
    assert [one["id"] for one in message["childEvents"]] == [child["id"]]
    assert message["edges"][1]["targetPlatformUser"]["externalId"] == "+14155551234"
    assert message["edges"][1]["targetUser"] is None
    assert follower["originEvent"] == {"id": sent["id"], "eventType": "message.outbound"}


async def test_users_and_platform_users(client: Client, connection: dict[str, Any]) -> None:
    await write_in(client, connection, "Hello")
    ((person, *_), platform_user_id) = await people(client), connection["id"]

    users = await client.data(
        """query($filters: UserFilters) { users(first: 10, filters: $filters) { edges { node {
          id name isSystemUser createdAt platformUsers { id externalId platformConnection { platformName } } } } } }""",
        filters={"isSystemUser": False},
    )
    one = await client.data(
        "query($id: UUID!) { user(id: $id) { id name platformUsers { id externalId } } }",
        id=person["user"]["id"],
    )
    listed = await client.data(
        """query($id: UUID) { platformUsers(platformConnectionId: $id, first: 10) { edges { node {
          id externalId name profilePictureUrl user { id } platformConnectionId } } } }""",
        id=platform_user_id,
    )

    (user,) = [edge["node"] for edge in users["users"]["edges"]]
    assert (user["name"], user["isSystemUser"]) == ("John Doe", False)
    assert user["platformUsers"][0]["platformConnection"] == {"platformName": "WHATSAPP"}
    assert one["user"]["platformUsers"] == [{"id": person["id"], "externalId": "+14155551234"}]
    assert {edge["node"]["platformConnectionId"] for edge in listed["platformUsers"]["edges"]} == {
        connection["id"]
    }


async def test_a_connection_is_created_and_tested(client: Client) -> None:
    created = await client.data(
        """mutation { createPlatformConnection(platformName: TELEGRAM, name: "My Bot", provider: "sandbox",
          config: {}) { id webhookUrl } }"""
    )
    tested = await client.data(
        """mutation($id: UUID!) { testPlatformConnection(id: $id) {
          success message health { status lastCheckedAt } } }""",
        id=created["createPlatformConnection"]["id"],
    )

    assert "/webhooks/" in created["createPlatformConnection"]["webhookUrl"]
    assert tested["testPlatformConnection"]["success"] is True
    assert tested["testPlatformConnection"]["health"]["lastCheckedAt"]


# --- 5. Events


async def test_the_payload_of_a_message_that_came_in(client: Client, connection: dict[str, Any]) -> None:
    await client.knock(
        connection, {"messages": [{"id": "wamid.xyz", "from": "+14155551234", "text": "Hello!"}]}
    )

    (event,) = await client.events("message.inbound")
    payload = event["payload"]
    assert payload["type"] == "message"
    assert payload["message"] == {"text": "Hello!", "role": "user", "type": "text"}
    assert (payload["platform"], payload["external_message_id"]) == ("whatsapp", "wamid.xyz")
    assert payload["created_at"]
    assert [edge["edgeType"] for edge in event["edges"]] == ["sent_by", "sent_to"]


async def test_the_life_of_a_message(client: Client, connection: dict[str, Any]) -> None:
    await write_in(client, connection, "Is anybody there?", sender="ada.read")
    sent = await client.send(connection["id"], "ada.read", "Yes.")
    await client.children(sent["id"], "message.read")

    found = await client.data(
        """{ events(filters: { eventType: { contains: "message" } }, first: 50,
          orderBy: { field: CREATED_AT, direction: ASC }) { edges { node { eventType } } } }"""
    )
    payload = (await client.event(sent["id"]))["payload"]

    kinds = [edge["node"]["eventType"] for edge in found["events"]["edges"]]
    wanted = ("message.inbound", "message.outbound", "message.delivered", "message.read")
    assert [kind for kind in kinds if kind in wanted] == list(wanted)
    assert payload["sent_at"] <= payload["delivered_at"] <= payload["read_at"]
    assert payload["failed_at"] is None


async def test_a_message_that_fails_says_why(client: Client, connection: dict[str, Any]) -> None:
    sent = await client.send(connection["id"], "ada.rejected")

    (failed,) = await client.children(sent["id"], "message.failed")
    assert sent["status"]["success"] is False
    assert failed["payload"]["status"] == "failed"
    assert failed["payload"]["failed_at"]
    assert failed["payload"]["error"]["code"] == "RECIPIENT_NOT_FOUND"
    assert failed["payload"]["error"]["message"]


async def test_a_schema_of_your_own_is_kept_to(client: Client) -> None:
    made = await client.data(
        """mutation($schema: JSON!) { createEventSchema(name: "order.created", description: "An order was placed",
          jsonSchema: $schema) { id name description jsonSchema } }""",
        schema=ORDER_SCHEMA,
    )
    good = {"order_id": "order_abc123", "total": 99.99, "currency": "USD"}

    assert made["createEventSchema"]["jsonSchema"] == ORDER_SCHEMA
    assert await client.data(CREATE, type="order.created", payload=good)
    for changed in ({"order_id": "abc"}, {"total": -1}, {"currency": "CHF"}, {"order_id": None}):
        refused = await client.refused(CREATE, type="order.created", payload=good | changed)
        assert refused["code"] == "VALIDATION_ERROR"
        assert next(iter(changed)) in refused["message"] + str(refused.get("details"))
    assert (await client.refused(CREATE, type="order.created", payload={"total": 1}))[
        "code"
    ] == "VALIDATION_ERROR"


@pytest.mark.parametrize("event_type", ["order.created", "purchase", "custom.thing"])
async def test_undeclared_types_are_taken_as_they_are(client: Client, event_type: str) -> None:
    payload = {"anything": [1, None, {"x": "y"}]}

    made = await client.data(CREATE, type=event_type, payload=payload)

    assert (await client.event(made["createEvent"]["id"]))["payload"] == payload


# --- 6. Link codes and configuration


async def test_a_code_joins_two_faces_of_one_person(client: Client, connection: dict[str, Any]) -> None:
    telegram = await client.connect("TELEGRAM", "sandbox", {})
    await write_in(client, connection, "It is me")
    await write_in(client, telegram, "And here", sender="4711")
    owner, redeemer = [
        next(one for one in await people(client) if one["externalId"] == external)
        for external in ("+14155551234", "4711")
    ]
    made = await client.data(
        """mutation($id: UUID!) { generateLinkCode(platformUserId: $id, expiryMinutes: 15, maxUses: 1) {
          code expiresAt event { id } } }""",
        id=owner["id"],
    )

    code = made["generateLinkCode"]["code"]
    done = (await client.data(ACTIVATE, code=code, person=redeemer["id"]))["activateLinkCode"]
    again = await client.refused(ACTIVATE, code=code, person=redeemer["id"])

    kept, absorbed = owner["user"]["id"], redeemer["user"]["id"]
    payload = done["event"]["payload"]
    assert done["event"]["eventType"] == "link_code.activation"
    assert payload["code"] == code
    assert payload["source_platform_user_id"] == owner["id"]
    assert payload["target_platform_user_id"] == redeemer["id"]
    assert payload["link_code_event_id"] == made["generateLinkCode"]["event"]["id"]
    assert {edge["edgeType"]: edge["targetPlatformUser"]["id"] for edge in done["event"]["edges"]} == {
        "source": owner["id"],
        "target": redeemer["id"],
    }
    assert done["mergeEvent"]["eventType"] == "user.merged"
    merge = done["mergeEvent"]["payload"]
    assert (merge["source_user_id"], merge["target_user_id"]) == (absorbed, kept)
    assert merge["merged_platform_users"] == [redeemer["id"]]
    assert {one["user"]["id"] for one in await people(client)} == {kept}
    assert again["code"] in {"LINK_CODE_EXHAUSTED", "VALIDATION_ERROR"}


@pytest.mark.parametrize("code", ["1234-5678-9012-3456", "1234567890125924", "1234-5678-9012", ""])
async def test_a_code_without_its_checksum_is_none(
    client: Client, connection: dict[str, Any], code: str
) -> None:
    await write_in(client, connection, "Hello")
    (person,) = await people(client)

    assert (await client.refused(ACTIVATE, code=code, person=person["id"]))["code"] in {
        "VALIDATION_ERROR",
        "NOT_FOUND",
    }


async def test_codes_are_found_in_messages_where_that_is_wanted(
    client: Client, connection: dict[str, Any]
) -> None:
    configured = await client.data(
        'mutation { updateApplication(config: { link_code_auto_detect: "enabled" }) { id config } }'
    )
    await write_in(client, connection, "Hello")
    (owner,) = await people(client)
    made = await client.data(
        "mutation($id: UUID!) { generateLinkCode(platformUserId: $id) { code } }", id=owner["id"]
    )

    await write_in(client, connection, f"my code: {made['generateLinkCode']['code']}", sender="+14155550000")

    assert configured["updateApplication"]["config"]["link_code_auto_detect"] == "enabled"
    assert {one["user"]["id"] for one in await people(client)} == {owner["user"]["id"]}


# --- 7. Conversations


async def test_the_conversation_with_one_platform_user(client: Client, connection: dict[str, Any]) -> None:
    await write_in(client, connection, "One")
    await client.send(connection["id"], "+14155551234", "Two")
    await write_in(client, connection, "Three")
    await write_in(client, connection, "Somebody else", sender="+14155550000")
    ada = next(one for one in await people(client) if one["externalId"] == "+14155551234")

    found = await client.data(
        """query Conversation($id: UUID!) {
          events(
            filters: {
              eventType: { contains: "message" }
              or: [
                { hasEdge: { edgeType: "sent_by", targetNodeId: { equals: $id } } }
                { hasEdge: { edgeType: "sent_to", targetNodeId: { equals: $id } } }
              ]
            }
            orderBy: { field: CREATED_AT, direction: ASC }
          ) { edges { node { id eventType payload createdAt } } }
        }""",
        id=ada["id"],
    )

    texts = [edge["node"]["payload"]["message"]["text"] for edge in found["events"]["edges"]]
    assert texts == ["One", "Two", "Three"]


async def test_what_one_person_wrote_across_platforms(client: Client, connection: dict[str, Any]) -> None:
    telegram = await client.connect("TELEGRAM", "sandbox", {})
    await write_in(client, connection, "From here")
    await write_in(client, telegram, "From there", sender="4711")
    await client.send(telegram["id"], "4711", "An answer")
    one, other = [person["user"]["id"] for person in await people(client)]
    await client.data(
        "mutation($a: UUID!, $b: UUID!) { mergeUsers(sourceUserId: $a, targetUserId: $b) { user { id } } }",
        a=one,
        b=other,
    )

    found = await client.data(
        """query Across($userId: UUID!) { user(id: $userId) { id name platformUsers {
          id externalId platformConnection { platformName }
          sentMessages: events(filters: { hasEdge: { edgeType: "sent_by" } }, first: 50) {
            edges { node { id payload createdAt } } } } } }""",
        userId=other,
    )

    sent = {
        person["platformConnection"]["platformName"]: [
            edge["node"]["payload"]["message"]["text"] for edge in person["sentMessages"]["edges"]
        ]
        for person in found["user"]["platformUsers"]
    }
    assert sent == {"WHATSAPP": ["From here"], "TELEGRAM": ["From there"]}


# --- 8. Platforms


async def test_a_mail_has_its_subject_and_may_be_html(client: Client) -> None:
    connection = await client.connect("EMAIL", "sandbox", {})
    metadata = {"subject": "Welcome!", "content_type": "text/html"}

    sent = await client.send(connection["id"], "user@example.com", "<h1>Welcome!</h1>", metadata=metadata)

    payload = (await client.event(sent["id"]))["payload"]
    assert sent["status"]["success"] is True
    assert payload["message"]["text"] == "<h1>Welcome!</h1>"
    assert payload["metadata"] == metadata


async def test_several_connections_of_one_platform_stand_beside_each_other(client: Client) -> None:
    for name in ("One", "Two"):
        await client.data(
            """mutation($name: String!) { createPlatformConnection(platformName: SMS, provider: "sandbox",
              name: $name) { id } }""",
            name=name,
        )

    found = await client.data("{ platformConnections { name platformName } }")
    assert found["platformConnections"] == [
        {"name": "One", "platformName": "SMS"},
        {"name": "Two", "platformName": "SMS"},
    ]


# --- 10. Webhooks out


async def test_the_other_patterns_of_the_list(client: Client, connection: dict[str, Any]) -> None:
    patterns = ["message.status", "custom.*", "user.*", "link_code.*"]
    async with listener() as endpoint:
        await client.subscribe(endpoint.url, *patterns)
        sent = await client.send(connection["id"], "ada.read")
        await client.children(sent["id"], "message.read")
        await client.data(CREATE, type="purchase", payload={})
        await client.data(
            "mutation($id: UUID!) { generateLinkCode(platformUserId: $id) { code } }",
            id=(await people(client))[0]["id"],
        )
        wanted = {"message.sent", "message.delivered", "message.read", "purchase", "link_code.generated"}
        await endpoint.wait_for_types(*wanted)

    assert {body["event_type"] for body in endpoint.bodies} == wanted


# --- 12. Logs


async def test_a_log_entry_about_an_event(client: Client) -> None:
    event_id = (await client.data(CREATE, type="order.created", payload={}))["createEvent"]["id"]

    made = await client.data(
        """mutation CreateLog($id: UUID!) { createLog(
          message: "Processing completed", logLevel: "info", logType: "execution",
          payload: { step: "final", duration_ms: 150 }, eventId: $id) { id createdAt message logLevel } }""",
        id=event_id,
    )
    listed = await client.data(
        "query($id: UUID) { logs(eventId: $id) { edges { node { id payload } } } }", id=event_id
    )

    assert (made["createLog"]["message"], made["createLog"]["logLevel"]) == ("Processing completed", "info")
    assert made["createLog"]["createdAt"]
    assert [edge["node"] for edge in listed["logs"]["edges"]] == [
        {"id": made["createLog"]["id"], "payload": {"step": "final", "duration_ms": 150}}
    ]
