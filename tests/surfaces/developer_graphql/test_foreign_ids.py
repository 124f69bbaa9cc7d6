"""Whatever takes an id answers a foreign one, of whatever kind, byte for byte as one of nothing.

The places are found by walking the schema: one that is new fails here until it is said what its id names.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from outrider.surfaces.developer_graphql.cursors import FEED
from outrider.surfaces.developer_graphql.schema import SCHEMA
from tests import clients
from tests.clients import Answered, Client, Server, new_client
from tests.feeds import following
from tests.surfaces.developer_graphql.id_places import Place, id_places
from tests.things import NOWHERE, Things, shown_for, sibling_of, things_of, written

PLACES: Final = [place for place in id_places() if place.parent != "Subscription"]
# The live feed answers in a stream.
FEED_PLACES: Final = [
    place for place in id_places() if place.parent == "Subscription" and "not" not in place.path
]

NAMES: Final = {
    "platformConnection.id": "connection",
    "platformUsers.platformConnectionId": "connection",
    "platformUsers.filters.userId.equals": "user",
    "platformUsers.filters.platformConnectionId.equals": "connection",
    "platformUser.id": "platform_user",
    "user.id": "user",
    "events.filters.hasEdge.targetNodeId.equals": "conversation",
    "events.filters.originEventId.equals": "event",
    "event.id": "event",
    "provenance.eventId": "event",
    "conversations.platformConnectionId": "connection",
    "conversation.id": "conversation",
    "webhookSubscription.id": "subscription",
    "webhookDeliveries.subscriptionId": "subscription",
    "webhookDeliveries.eventId": "test_event",
    "webhookDeliveries.filters.subscriptionId.equals": "subscription",
    "webhookDeliveries.filters.eventId.equals": "test_event",
    "webhookDelivery.id": "delivery",
    "eventSchema.id": "event_schema",
    "logs.eventId": "event",
    "logs.filters.eventId.equals": "event",
    "PlatformUser.events.filters.hasEdge.targetNodeId.equals": "conversation",
    "PlatformUser.events.filters.originEventId.equals": "event",
    "Subscription.events.filters.hasEdge.targetNodeId.equals": "conversation",
    "Subscription.events.filters.originEventId.equals": "event",
    "file.id": "file",
    "suppression.id": "suppression",
    "removeSuppression.id": "suppression",
    "sendMessage.platformConnectionId": "connection",
    "sendMessage.fileIds": "file",
    "sendMessage.replyToEventId": "inbound_message",
    "sendMessages.inputs.platformConnectionId": "connection",
    "sendMessages.inputs.fileIds": "file",
    "sendMessages.inputs.replyToEventId": "inbound_message",
    "cancelMessage.id": "failed_message",
    "createEvent.edges.targetNodeId": "user",
    "createEvent.originEventId": "event",
    "resendMessage.id": "failed_message",
    "resolveMessage.id": "failed_message",
    "markConversationRead.id": "conversation",
    "markConversationRead.upToEventId": "inbound_message",
    "createPlatformConnection.accountId": "account",
    "updatePlatformConnection.id": "connection",
    "deletePlatformConnection.id": "connection",
    "testPlatformConnection.id": "connection",
    "updateUser.id": "user",
    "createPlatformUser.platformConnectionId": "connection",
    "createPlatformUser.userId": "user",
    "updatePlatformUser.id": "platform_user",
    "mergeUsers.sourceUserId": "user",
    "mergeUsers.targetUserId": "user",
    "generateLinkCode.platformUserId": "platform_user",
    "activateLinkCode.platformUserId": "platform_user",
    "updateEventSchema.id": "event_schema",
    "createLog.eventId": "event",
    "updateWebhookSubscription.id": "subscription",
    "pauseWebhookSubscription.id": "subscription",
    "resumeWebhookSubscription.id": "subscription",
    "deleteWebhookSubscription.id": "subscription",
    "rotateWebhookSubscriptionSecret.id": "subscription",
    "testWebhookSubscription.id": "subscription",
    "retryWebhookDelivery.id": "delivery",
}
"""What the id in each place names."""

_MARKER: Final = {"eventType": {"equals": "marker"}}
"""What ends a feed that gives nothing."""

# What a mutation needs besides ids, so that nothing but the id can be wrong.
NEEDED: Final[Mapping[str, object]] = {
    "toExternalId": "+14155550199",
    "externalId": "+14155550199",
    "message": "Hi",
    "eventType": "seen",
    "payload": {},
    "outcome": "FAILED",
    "platformName": "SMS",
    "name": "x",
    "edgeType": "about",
    "targetNodeType": "USER",
}
ALSO: Final[Mapping[str, Mapping[str, object]]] = {
    "sendMessage": {"message": "Hi"},
    "updateEventSchema": {"description": "x"},
    "createPlatformConnection": {"provider": "sandbox"},
}
NODE_TYPES: Final = tuple(SCHEMA.type_map["NodeType"].values)
# Every application of an organisation may use its accounts.
SHARED: Final = {"createPlatformConnection.accountId": {"account"}}


@dataclass(frozen=True)
class Neighbours:
    """An application, another of its organisation, and one of another organisation, each with one of everything."""

    client: Client
    own: Things
    foreign: Mapping[str, Things]

    async def ask(self, place: Place, wanted: str, **needed: object) -> Answered:
        """Put an id into a place, all else being right."""
        others: dict[str, object] = {**NEEDED, "code": self.own.link_code, **self._ids(place), **needed}
        given = {
            name: others[name]
            for name, argument in place.definition.args.items()
            if str(argument.type).endswith("!") and name != place.argument
        }
        given |= ALSO.get(place.field, {})
        given[place.argument] = place.value(wanted, others)
        variables = {**given, "own": self.own.ids["conversation"]}
        body = {"query": place.document(given), "variables": variables}
        return await self.client.request(json.dumps(body).encode())

    async def written(self) -> dict[str, int]:
        """What there is."""
        return await written(self.client.server.runtime.database.system, self.client.tenant)

    def _ids(self, place: Place) -> dict[str, object]:
        start = str(place).rsplit(".", 1)[0] if len(place.path) else place.field
        return {
            name.removeprefix(f"{start}."): self.own.ids[kind]
            for name, kind in NAMES.items()
            if name.startswith(f"{start}.")
        }


@pytest.fixture(scope="module")
async def neighbours(server: Server) -> Neighbours:
    client, stranger = await new_client(server), await new_client(server)
    sibling = await sibling_of(client)
    async with clients.listener() as heard:
        own, *others = [await things_of(one, heard) for one in (client, sibling, stranger)]
    return Neighbours(client, own, dict(zip(("sibling", "stranger"), others, strict=True)))


def test_of_every_place_it_is_said_what_its_id_names() -> None:
    assert {place.name for place in (*PLACES, *FEED_PLACES)} == set(NAMES)


async def test_one_of_every_kind_is_there(neighbours: Neighbours) -> None:
    kinds = set(NAMES.values())

    for things in (neighbours.own, *neighbours.foreign.values()):
        assert kinds <= things.ids.keys()
        assert len(set(things.ids.values())) == len(things.ids)


@pytest.mark.parametrize("whose", ["sibling", "stranger"])
@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_a_foreign_id_answers_as_one_of_nothing(
    neighbours: Neighbours, place: Place, whose: str
) -> None:
    before = await neighbours.written()
    for needed in _variants(place):
        missing = await neighbours.ask(place, NOWHERE, **needed)
        for kind, foreign_id in neighbours.foreign[whose].ids.items():
            if whose == "sibling" and kind in SHARED.get(place.name, ()):
                continue
            found = await neighbours.ask(place, foreign_id, **needed)

            assert (found.status, shown_for(found.body, foreign_id)) == (missing.status, missing.body), kind
    assert await neighbours.written() == before


@pytest.mark.parametrize("place", [one for one in PLACES if one.is_changing], ids=str)
async def test_nothing_but_the_id_was_wrong(neighbours: Neighbours, place: Place) -> None:
    answer = (await neighbours.ask(place, NOWHERE)).json()

    code, details = _refusal(answer)
    assert (code, details.get("resource_id", NOWHERE)) == ("NOT_FOUND", NOWHERE), answer


@pytest.mark.parametrize(
    "place", [one for one in PLACES if not one.is_changing and "not" not in one.path], ids=str
)
async def test_an_id_of_ones_own_finds_something(neighbours: Neighbours, place: Place) -> None:
    own_id = neighbours.own.ids[NAMES[place.name]]

    found = await neighbours.ask(place, own_id)

    assert "errors" not in found.json()
    assert shown_for(found.body, own_id) != (await neighbours.ask(place, NOWHERE)).body


@pytest.mark.parametrize("place", FEED_PLACES, ids=str)
async def test_a_live_feed_gives_nothing_for_a_foreign_id(neighbours: Neighbours, place: Place) -> None:
    foreign = [one for things in neighbours.foreign.values() for one in things.ids.values()]
    # all at once: what holds for none of them holds for each
    filters = [place.value(one, {}) for one in (NOWHERE, *foreign)]
    await neighbours.client.data('mutation { createEvent(eventType: "marker", payload: {}) { id } }')

    async with following(
        neighbours.client, after=FEED.write(0), filters={"or": [*filters, _MARKER]}
    ) as nothing:
        first = await nothing.edge()
    own = place.value(neighbours.own.ids[NAMES[place.name]], {})
    async with following(neighbours.client, after=FEED.write(0), filters={"or": [own, _MARKER]}) as something:
        found = await something.edge()

    assert first["node"]["eventType"] == "marker"
    assert found["node"]["eventType"] != "marker"


def _variants(place: Place) -> list[dict[str, object]]:
    """An edge may lead to anything: of each type in turn."""
    if place.name == "createEvent.edges.targetNodeId":
        return [{"targetNodeType": one} for one in NODE_TYPES]
    return [{}]


def _refusal(answer: Any) -> tuple[str, Mapping[str, object]]:
    if answer.get("errors"):
        extensions = answer["errors"][0]["extensions"]
        return extensions["code"], extensions.get("details", {})
    ((one,),) = answer["data"].values()
    return one["error"]["code"], {}
