"""What the developer contract is known to promise: the first seven of its fifteen best-supported statements.

The number in a name is the statement's. What 2 says of REST is held by the tests of that surface, and so is
`APP_ID_REQUIRED` of 3, for which one must sign in.
"""

import asyncio
import re
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.contract import CREATE, FIND, NOWHERE, PERSON, create, found, person
from tests.clients import Client


@pytest.fixture
async def connection(client: Client) -> dict[str, Any]:
    return await client.connect("WHATSAPP", "sandbox", {})


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
