"""What the developer contract is known to promise, each of its fifteen best-supported statements as tests.

The number in a name is the statement's. Of 2, 9 and 10 the halves that speak of REST are held by the tests of that
surface, and so is `APP_ID_REQUIRED`, for which one must sign in; of 13 and 14 what needs the vendors' own providers.
"""

import asyncio
import re
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.clients import Client, listener

BUILT_IN = {
    "file.inbound": ["file_id"],
    "link_code.activation": ["link_code_event_id"],
    "link_code.generated": ["code"],
    "message.inbound": ["type", "message", "platform"],
    "message.outbound": ["type", "message", "platform"],
    "user.merged": ["source_user_id", "target_user_id"],
}
PLATFORMS = ["WHATSAPP", "INSTAGRAM", "FACEBOOK", "TELEGRAM", "SLACK", "DISCORD", "SMS", "EMAIL", "IMESSAGE"]
TOKEN = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
NOWHERE = "550e8400-e29b-41d4-a716-446655440000"
CREATE = """mutation($type: String!, $payload: JSON = {}, $edges: [EdgeInput!]) {
  createEvent(eventType: $type, payload: $payload, edges: $edges) {
    id eventType payload createdAt edges { edgeType targetNodeType targetPlatformUser { externalId } } } }"""
PERSON = """mutation($connection: UUID!, $external: String!) {
  createPlatformUser(platformConnectionId: $connection, externalId: $external) { id user { id } } }"""
CODE = """mutation($person: UUID!, $minutes: Int, $uses: Int) {
  generateLinkCode(platformUserId: $person, expiryMinutes: $minutes, maxUses: $uses) {
    code expiresAt event { id eventType payload createdAt edges { edgeType targetPlatformUser { id } } } } }"""
FIND = """query($filters: EventFilters, $first: Int = 50, $after: String, $direction: OrderDirection = DESC) {
  events(filters: $filters, first: $first, after: $after, orderBy: { field: CREATED_AT, direction: $direction }) {
    edges { node { id eventType } cursor }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }"""


@pytest.fixture
async def connection(client: Client) -> dict[str, Any]:
    return await client.connect("WHATSAPP", "sandbox", {})


async def create(client: Client, event_type: str, **more: object) -> dict[str, Any]:
    made: dict[str, Any] = (await client.data(CREATE, type=event_type, **more))["createEvent"]
    return made


async def person(client: Client, connection: dict[str, Any], external: str) -> dict[str, Any]:
    made: dict[str, Any] = (await client.data(PERSON, connection=connection["id"], external=external))[
        "createPlatformUser"
    ]
    return made


async def found(client: Client, filters: object) -> list[str]:
    edges = (await client.data(FIND, filters=filters))["events"]["edges"]
    return [edge["node"]["eventType"] for edge in edges]


# --- 1. Bearer on every call; an API key needs no application header; the scopes


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic b3RyOg==", "Bearer otr_live_abc123"])
async def test_1_without_a_bearer_token_nothing_is_answered(
    client: Client, authorization: str | None
) -> None:
    answered = await client.request(
        b'{"query": "{ application { id } }"}', headers={"authorization": authorization or ""}
    )

    assert answered.status == 401
    assert answered.json()["errors"][0]["extensions"]["code"] == "UNAUTHORIZED"


async def test_1_an_api_key_selects_its_application(client: Client, stranger: Client) -> None:
    body = b'{"query": "{ application { id } }"}'
    own, foreign = (str(one.tenant.application_id) for one in (client, stranger))

    without = await client.request(body)
    agreeing = await client.request(body, headers={"x-outeract-app-id": own})
    other = await client.request(body, headers={"x-outeract-app-id": foreign})

    assert without.json() == agreeing.json() == {"data": {"application": {"id": own}}}
    assert other.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


SCOPED = {
    "events:read": "{ events { totalCount } }",
    "events:write": 'mutation { createEvent(eventType: "purchase", payload: {}) { id } }',
    "users:read": "{ users { totalCount } platformUsers { totalCount } }",
    "users:write": "mutation { createUser { id } }",
    "logs:write": 'mutation { createLog(message: "Hello") { id } }',
}


@pytest.mark.parametrize("scope", [*SCOPED, "*"])
async def test_1_a_scope_grants_what_it_says_and_nothing_else(client: Client, scope: str) -> None:
    # what a mutation answers is read, too
    caller = await client.with_key(*({scope} | ({"events:read"} if scope == "events:write" else set())))

    for needed, document in SCOPED.items():
        answer = await caller.graphql(document)
        if scope in {needed, "*"} or (scope, needed) == ("events:write", "events:read"):
            assert "errors" not in answer, (scope, needed)
        else:
            error = answer["errors"][0]
            assert error["extensions"]["code"] == "FORBIDDEN", (scope, needed)
            assert error["extensions"]["http"] == {"status": 403}


# --- 2. The envelope of errors


async def test_2_an_error_has_its_code_and_status_and_where_it_was(client: Client) -> None:
    query = f"""mutation {{
  sendMessage(platformConnectionId: "{NOWHERE}", toExternalId: "+14155551234", message: "x") {{ id }} }}"""

    answer = await client.graphql(query)

    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["message"]
    assert error["locations"] == [{"line": 2, "column": 3}]
    assert error["path"] == ["sendMessage"]
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert error["extensions"]["http"] == {"status": 404}


# --- 3. Codes and their statuses


async def test_3_every_code_has_its_status_and_details(client: Client, connection: dict[str, Any]) -> None:
    await person(client, connection, "+14155551234")

    missing = await client.send_refused(NOWHERE, "+14155551234")
    twice = await client.refused(PERSON, connection=connection["id"], external="+14155551234")
    invalid = await client.refused(CREATE, type="Not A Name")
    forbidden = await (await client.with_key("logs:write")).refused("{ events { totalCount } }")

    assert (missing["code"], missing["http"]) == ("NOT_FOUND", {"status": 404})
    assert missing["details"] == {"resource_type": "PlatformConnection", "resource_id": NOWHERE}
    assert (twice["code"], twice["http"]) == ("RESOURCE_EXISTS", {"status": 409})
    assert twice["details"] == {
        "external_id": "+14155551234",
        "platform_connection_id": connection["id"],
    }
    assert (invalid["code"], invalid["http"]) == ("VALIDATION_ERROR", {"status": 400})
    assert (forbidden["code"], forbidden["http"]) == ("FORBIDDEN", {"status": 403})


# --- 4. Rate limits


async def test_4_every_answer_tells_the_limit_and_too_many_are_refused(client: Client) -> None:
    await client.server.runtime.database.system.execute(
        "update organisations set tier = 'free' where id = $1", client.tenant.organisation_id
    )
    limited = await client.with_key()
    body = b'{"query": "{ application { id } }"}'

    answers = [await limited.request(body) for _ in range(70)]

    for answered in answers:
        assert answered.headers["x-ratelimit-limit"] == "60"
        assert 0 <= int(answered.headers["x-ratelimit-remaining"]) <= 60
        assert time.time() - 2 < int(answered.headers["x-ratelimit-reset"]) < time.time() + 62
    refused = next(answered for answered in answers if answered.status == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    extensions = refused.json()["errors"][0]["extensions"]
    assert (extensions["code"], extensions["http"]) == ("RATE_LIMITED", {"status": 429})
    assert extensions["details"]["limit"] == 60
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", extensions["details"]["reset_at"])


# --- 5. Lists of events


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_5_events_are_paged_in_their_order(client: Client, direction: str) -> None:
    made = [(await create(client, f"order.n{number}"))["id"] for number in range(7)]
    expected = made if direction == "ASC" else made[::-1]
    seen: list[str] = []
    after: str | None = None

    for number in range(3):
        page = (await client.data(FIND, first=3, after=after, direction=direction))["events"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert page["totalCount"] == 7
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        assert after == page["edges"][-1]["cursor"]
        assert (page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["hasNextPage"]) == (
            number > 0,
            number < 2,
        )

    assert seen == expected


# --- 6. Filters


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"equals": "order.created"}, {"order.created"}),
        ({"contains": "order"}, {"order.created", "reorder"}),
        ({"in": ["purchase", "reorder", "none"]}, {"purchase", "reorder"}),
        ({"startsWith": "order."}, {"order.created"}),
    ],
)
async def test_6_a_text_is_compared_in_four_ways(
    client: Client, condition: dict[str, object], expected: set[str]
) -> None:
    for event_type in ("order.created", "reorder", "purchase"):
        await create(client, event_type)

    assert set(await found(client, {"eventType": condition})) == expected


async def test_6_moments_edges_and_alternatives_are_conditions(
    client: Client, connection: dict[str, Any]
) -> None:
    ada = (await person(client, connection, "ada"))["id"]
    edge = {"edgeType": "placed_by", "targetNodeType": "PLATFORM_USER", "targetNodeId": ada}
    first = await create(client, "order.created", edges=[edge])
    await asyncio.sleep(0.005)
    await create(client, "purchase")
    placed = {"hasEdge": {"edgeType": "placed_by", "targetNodeId": {"equals": ada}}}
    later = datetime.fromisoformat(first["createdAt"]) + timedelta(milliseconds=1)

    assert await found(client, placed) == ["order.created"]
    assert await found(client, {"hasEdge": {"edgeType": "placed_by"}}) == ["order.created"]
    assert await found(client, {"createdAt": {"gte": later.isoformat()}}) == ["purchase"]
    assert await found(client, {"or": [placed, {"eventType": {"equals": "purchase"}}]}) == [
        "purchase",
        "order.created",
    ]
    assert await found(client, {"eventType": {"equals": "purchase"}, "or": [placed]}) == []


# --- 7. Events and what follows from them


async def test_7_what_becomes_of_a_message_points_at_it(client: Client, connection: dict[str, Any]) -> None:
    sent = await client.send(connection["id"], "ada.read")
    children = await client.children(sent["id"], "message.delivered", "message.read")

    message = await client.event(sent["id"])
    assert message["originEventId"] is None
    assert [edge["edgeType"] for edge in message["edges"]] == ["sent_by", "sent_to"]
    external_id = sent["status"]["externalMessageId"]
    for child in children:
        status = child["eventType"].removeprefix("message.")
        assert child["payload"]["status"] == status
        assert child["payload"]["external_message_id"] == external_id
        assert set(child["payload"]) == {"status", "external_message_id", f"{status}_at"}
        origin = await client.data(
            "query($id: UUID!) { event(id: $id) { originEvent { id } } }", id=child["id"]
        )
        assert origin["event"]["originEvent"] == {"id": sent["id"]}


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
