"""Whatever takes an id over REST answers a foreign one, of whatever kind, byte for byte as one of nothing.

The places are found by walking the OpenAPI document: one that is new fails here until it is said what its id names.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from outrider.surfaces.developer_rest.openapi import served_openapi
from tests import clients
from tests.clients import Answered, Server, new_client
from tests.surfaces.developer_rest.rest import Rest
from tests.things import NOWHERE, Things, shown_for, sibling_of, things_of, written

DOCUMENT: Final[dict[str, Any]] = json.loads(served_openapi())

NAMES: Final = {
    "get_event": "event",
    "get_event_provenance": "event",
    "list_events?origin_event_id": "event",
    "list_events?target_node_id": "conversation",
    "create_event.edges[].target_node_id": "platform_user",
    "create_event.origin_event_id": "event",
    "create_events.events[].edges[].target_node_id": "platform_user",
    "create_events.events[].origin_event_id": "event",
    "get_message": "inbound_message",
    "cancel_message": "failed_message",
    "resend_message": "failed_message",
    "resolve_message": "failed_message",
    "send_message.platform_connection_id": "connection",
    "send_message.file_ids[]": "file",
    "send_message.reply_to_event_id": "inbound_message",
    "send_messages.messages[].platform_connection_id": "connection",
    "send_messages.messages[].file_ids[]": "file",
    "send_messages.messages[].reply_to_event_id": "inbound_message",
    "list_conversations?platform_connection_id": "connection",
    "get_conversation": "conversation",
    "mark_conversation_read": "conversation",
    "mark_conversation_read.up_to_event_id": "inbound_message",
    "get_user": "user",
    "update_user": "user",
    "merge_users.source_user_id": "user",
    "merge_users.target_user_id": "user",
    "list_platform_users?platform_connection_id": "connection",
    "list_platform_users?user_id": "user",
    "get_platform_user": "platform_user",
    "update_platform_user": "platform_user",
    "create_platform_user.platform_connection_id": "connection",
    "create_platform_user.user_id": "user",
    "generate_link_code.platform_user_id": "platform_user",
    "activate_link_code.platform_user_id": "platform_user",
    "get_file": "file",
    "get_platform_connection": "connection",
    "update_platform_connection": "connection",
    "delete_platform_connection": "connection",
    "test_platform_connection": "connection",
    "create_platform_connection.account_id": "account",
    "get_webhook_subscription": "subscription",
    "update_webhook_subscription": "subscription",
    "delete_webhook_subscription": "subscription",
    "pause_webhook_subscription": "subscription",
    "resume_webhook_subscription": "subscription",
    "rotate_webhook_subscription_secret": "subscription",
    "test_webhook_subscription": "subscription",
    "list_webhook_deliveries?subscription_id": "subscription",
    "list_webhook_deliveries?event_id": "test_event",
    "get_webhook_delivery": "delivery",
    "retry_webhook_delivery": "delivery",
    "get_suppression": "suppression",
    "remove_suppression": "suppression",
    "get_event_schema": "event_schema",
    "update_event_schema": "event_schema",
    "list_logs?event_id": "event",
    "create_log.event_id": "event",
}
"""What the id in each place names: of the path, of the query string, of the body."""

# Bodies whose example names a vendor, or another thing that would be missing first.
BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "mark_conversation_read": {},
    "create_platform_connection": {"platform_name": "sms", "provider": "sandbox", "name": "x"},
    "update_platform_connection": {"name": "x"},
}
# Every application of an organisation may use its accounts.
SHARED: Final = {"create_platform_connection.account_id": {"account"}}
# What is wrong with one entry of a batch is told at its place.
BATCHES: Final = ("create_events", "send_messages")

Way = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """One place: the way to the id in the body, or the parameter, or neither for the id of the path."""

    method: str
    path: str
    operation: str
    parameter: str | None = None
    way: Way = ()

    def __str__(self) -> str:
        inside = "".join(step if step == "[]" else f".{step}" for step in self.way)
        return f"{self.operation}{f'?{self.parameter}' if self.parameter else ''}{inside}"

    @property
    def is_changing(self) -> bool:
        """Whether it is of a route that changes something."""
        return self.method != "GET"


def places() -> Iterator[Place]:
    """Walk the document."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            route = (method.upper(), path.removeprefix("/v1"), operation["operationId"])
            if "{id}" in path:
                yield Place(*route)
            for one in operation.get("parameters", ()):
                if one["in"] == "query" and one["schema"].get("format") == "uuid":
                    yield Place(*route, parameter=one["name"])
            for way in ways(body_of(operation).get("schema", {})):
                yield Place(*route, way=way)


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    """The body as JSON, and its example."""
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    found: dict[str, Any] = content.get("application/json", {})
    return found


def ways(schema: dict[str, Any], way: Way = ()) -> Iterator[Way]:
    """Every way to an id in what a schema describes."""
    if schema.get("format") == "uuid":
        yield way
    for name, part in schema.get("properties", {}).items():
        yield from ways(part, (*way, name))
    if "items" in schema:
        yield from ways(schema["items"], (*way, "[]"))


PLACES: Final = list(places())
OPERATIONS: Final = {one["operationId"]: one for path in DOCUMENT["paths"].values() for one in path.values()}


@dataclass(frozen=True)
class Neighbours:
    """An application, another of its organisation, and one of another organisation, each with one of everything."""

    rest: Rest
    own: Things
    foreign: Mapping[str, Things]

    async def ask(self, place: Place, wanted: str) -> Answered:
        """Put an id into a place, all else being right."""
        path_id = self.own.ids[NAMES[place.operation]] if "{id}" in place.path else ""
        if place.parameter is None and not place.way:
            path_id = wanted
        query = f"?{urlencode({place.parameter: wanted})}" if place.parameter else ""
        body = self._body(place, wanted) if "requestBody" in OPERATIONS[place.operation] else None
        return await self.rest.call(place.method, place.path.replace("{id}", path_id) + query, body)

    def _body(self, place: Place, wanted: str) -> Any:
        example = body_of(OPERATIONS[place.operation]).get("example", {})
        body = deepcopy(BODIES.get(place.operation, example))
        for one in PLACES:
            if one.operation == place.operation and one.way:
                put(body, one.way, self.own.ids[NAMES[str(one)]], is_only_there=True)
        if "code" in body:
            body["code"] = self.own.link_code
        if place.way:
            put(body, place.way, wanted)
        return body


def put(body: Any, way: Way, value: str, *, is_only_there: bool = False) -> None:
    """Put an id into a body: everywhere where one stands, or also where none does."""
    step, *rest = way
    if step == "[]":
        for number in range(len(body)):
            if rest:
                put(body[number], tuple(rest), value, is_only_there=is_only_there)
            else:
                body[number] = value
    elif step in body or not is_only_there:
        if not rest:
            body[step] = value
            return
        empty = [NOWHERE] if rest == ["[]"] else [{"edge_type": "about", "target_node_type": "platform_user"}]
        put(body.setdefault(step, empty), tuple(rest), value, is_only_there=is_only_there)


@pytest.fixture(scope="module")
async def neighbours(server: Server) -> Neighbours:
    client, stranger = await new_client(server), await new_client(server)
    sibling = await sibling_of(client)
    async with clients.listener() as heard:
        own, *others = [await things_of(one, heard) for one in (client, sibling, stranger)]
    return Neighbours(Rest(client), own, dict(zip(("sibling", "stranger"), others, strict=True)))


def test_of_every_place_it_is_said_what_its_id_names() -> None:
    assert sorted(map(str, PLACES)) == sorted(NAMES)


@pytest.mark.parametrize("whose", ["sibling", "stranger"])
@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_a_foreign_id_answers_as_one_of_nothing(
    neighbours: Neighbours, place: Place, whose: str
) -> None:
    client = neighbours.rest.client
    pool = client.server.runtime.database.system
    before = await written(pool, client.tenant)
    missing = await neighbours.ask(place, NOWHERE)
    for kind, foreign_id in neighbours.foreign[whose].ids.items():
        if whose == "sibling" and kind in SHARED.get(str(place), ()):
            continue
        found = await neighbours.ask(place, foreign_id)

        assert (found.status, shown_for(found.body, foreign_id)) == (missing.status, missing.body), kind
    assert await written(pool, client.tenant) == before


@pytest.mark.parametrize("place", [one for one in PLACES if one.is_changing], ids=str)
async def test_nothing_but_the_id_was_wrong(neighbours: Neighbours, place: Place) -> None:
    answered = await neighbours.ask(place, NOWHERE)

    if place.operation in BATCHES:
        assert answered.status == 200
        assert {one["error"]["code"] for one in answered.json()["data"]} == {"NOT_FOUND"}
        return
    assert answered.status == 404, answered.body
    assert answered.json()["error"]["details"]["resource_id"] == NOWHERE


@pytest.mark.parametrize("place", [one for one in PLACES if not one.is_changing], ids=str)
async def test_an_id_of_ones_own_finds_something(neighbours: Neighbours, place: Place) -> None:
    own_id = neighbours.own.ids[NAMES[str(place)]]

    found = await neighbours.ask(place, own_id)

    assert found.status == 200, found.body
    assert shown_for(found.body, own_id) != (await neighbours.ask(place, NOWHERE)).body
