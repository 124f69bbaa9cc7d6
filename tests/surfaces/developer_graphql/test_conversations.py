"""Conversations as they are seen from outside: messages come in, answers go out, and all of it is read."""

import asyncio
from typing import Any

import pytest

from tests.clients import Client

FIND = """query($first: Int, $after: String, $connection: UUID) {
  conversations(first: $first, after: $after, platformConnectionId: $connection) {
    edges { cursor node {
      id unreadCount lastMessageAt lastMessage { id eventType createdAt }
      platformUser { externalId } platformConnection { id }
      participants { externalId user { isSystemUser } } } }
    pageInfo { hasNextPage endCursor } } }"""
MARK = """mutation($id: UUID!, $event: UUID) {
  markConversationRead(id: $id, upToEventId: $event) { id unreadCount } }"""
ACROSS = """query($userId: UUID!) { user(id: $userId) { id name platformUsers {
  id externalId platformConnection { platformName }
  sentMessages: events(filters: { hasEdge: { edgeType: "sent_by" } }, first: 50) {
    totalCount pageInfo { hasNextPage startCursor endCursor }
    edges { node { id payload createdAt } } } } } }"""
HISTORY = """query($id: UUID!) { events(
  filters: { eventType: { contains: "message" }, or: [
    { hasEdge: { edgeType: "sent_by", targetNodeId: { equals: $id } } },
    { hasEdge: { edgeType: "sent_to", targetNodeId: { equals: $id } } } ] },
  orderBy: { field: CREATED_AT, direction: ASC }) { edges { node { id eventType } } } }"""


async def hear(client: Client, connection: dict[str, Any], sender: str, *texts: str) -> None:
    """Let messages come in."""
    for number, text in enumerate(texts):
        body = {"messages": [{"id": f"{sender}-{text}-{number}", "from": sender, "text": text}]}
        assert (await client.knock(connection, body)).status == 200


async def found(client: Client, **variables: object) -> list[dict[str, Any]]:
    """The conversations, the latest first."""
    page = (await client.data(FIND, **variables))["conversations"]
    return [edge["node"] for edge in page["edges"]]


async def test_whoever_wrote_has_a_conversation_and_the_latest_comes_first(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    await client.send(connection["id"], "+14150000009")
    await hear(client, connection, "+14150000001", "Hi")
    await hear(client, connection, "+14150000002", "Hello", "Anybody?")
    answer = await client.send(connection["id"], "+14150000001")

    conversations = await found(client)

    assert [one["platformUser"]["externalId"] for one in conversations] == ["+14150000001", "+14150000002"]
    first, second = conversations
    assert first["lastMessage"]["id"] == answer["id"]
    assert first["lastMessageAt"] == first["lastMessage"]["createdAt"]
    assert second["lastMessage"]["eventType"] == "message.inbound"
    assert [one["unreadCount"] for one in conversations] == [1, 2]
    assert first["platformConnection"] == {"id": connection["id"]}
    assert [one["user"]["isSystemUser"] for one in first["participants"]] == [False, True]


async def test_pages_and_connections(client: Client) -> None:
    connection, other = [await client.connect("SMS", "sandbox", {}) for _ in range(2)]
    for number in range(3):
        await hear(client, connection, f"+1415000000{number}", "Hi")
    await hear(client, other, "+14150000000", "Hi")

    page = (await client.data(FIND, first=3))["conversations"]
    rest = (await client.data(FIND, first=3, after=page["pageInfo"]["endCursor"]))["conversations"]

    assert page["pageInfo"]["hasNextPage"] is True
    assert rest["pageInfo"]["hasNextPage"] is False
    assert [edge["node"]["platformUser"]["externalId"] for edge in rest["edges"]] == ["+14150000000"]
    assert len(await found(client, connection=other["id"])) == 1


async def test_a_window_of_time_and_either_order(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    for number in range(3):
        await hear(client, connection, f"+1415000000{number}", "Hi")
        # times are told in milliseconds: no two of these messages may share one
        await asyncio.sleep(0.005)
    document = """query($times: DateTimeFilter, $way: OrderDirection!) {
      conversations(filters: { lastMessageAt: $times }, orderBy: { field: CREATED_AT, direction: $way }) {
        totalCount totalCountExact edges { node { platformUser { externalId } lastMessageAt } } } }"""

    async def within(way: str, **times: str) -> list[str]:
        page = (await client.data(document, times=times, way=way))["conversations"]
        assert (page["totalCount"], page["totalCountExact"]) == (len(page["edges"]), True)
        return [edge["node"]["platformUser"]["externalId"][-1] for edge in page["edges"]]

    moments = [one["lastMessageAt"] for one in (await found(client))[::-1]]

    assert await within("ASC") == ["0", "1", "2"]
    assert await within("DESC", gte=moments[1]) == ["2", "1"]
    assert await within("ASC", gt=moments[0], lt=moments[2]) == ["1"]
    assert await within("ASC", lte=moments[0]) == ["0"]


async def test_marking_as_read(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    await hear(client, connection, "+14150000001", "one", "two", "three")
    (conversation,) = await found(client)
    inbound = sorted(event["id"] for event in await client.events("message.inbound"))

    marked = (await client.data(MARK, id=conversation["id"], event=inbound[0]))["markConversationRead"]
    again = (await client.data(MARK, id=conversation["id"]))["markConversationRead"]
    repeated = (await client.data(MARK, id=conversation["id"]))["markConversationRead"]
    await hear(client, connection, "+14150000001", "four")

    assert marked == {"id": conversation["id"], "unreadCount": 2}
    assert again == repeated == {"id": conversation["id"], "unreadCount": 0}
    assert (await found(client))[0]["unreadCount"] == 1
    marks = await client.events("system.conversation.read")
    assert [mark["payload"]["read_up_to_event_id"] for mark in marks] == [inbound[2], inbound[0]]


async def test_what_cannot_be_marked(client: Client, stranger: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    await hear(client, connection, "+14150000001", "Hi")
    sent = await client.send(connection["id"], "+14150000002")
    (conversation,) = await found(client)

    foreign = await stranger.refused(MARK, id=conversation["id"])
    missing = await stranger.refused(MARK, id="00000000-0000-7000-8000-000000000000")
    no_inbound = await client.refused(MARK, id=conversation["id"], event=sent["id"])

    assert foreign["code"] == missing["code"] == no_inbound["code"] == "NOT_FOUND"
    assert foreign["details"]["resource_type"] == "Conversation"
    assert no_inbound["details"]["resource_type"] == "Event"
    assert not await client.events("system.conversation.read")
    assert await stranger.data(
        "query($id: UUID!) { conversation(id: $id) { id } }", id=conversation["id"]
    ) == {"conversation": None}


@pytest.mark.parametrize("document", [ACROSS, HISTORY], ids=["across", "history"])
async def test_the_documented_patterns(client: Client, document: str) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    await hear(client, connection, "+14150000001", "one", "two")
    sent = await client.send(connection["id"], "+14150000001")
    (conversation,) = await found(client)
    inbound = sorted(event["id"] for event in await client.events("message.inbound"))

    if document == HISTORY:
        edges = (await client.data(HISTORY, id=conversation["id"]))["events"]["edges"]
        assert [edge["node"]["id"] for edge in edges] == [*inbound, sent["id"]]
        return
    person = (
        await client.data(
            "query($id: UUID!) { platformUser(id: $id) { user { id } } }", id=conversation["id"]
        )
    )["platformUser"]
    (identity,) = (await client.data(ACROSS, userId=person["user"]["id"]))["user"]["platformUsers"]
    messages = identity["sentMessages"]
    assert [edge["node"]["id"] for edge in messages["edges"]] == inbound[::-1]
    assert messages["totalCount"] == 2
    assert messages["pageInfo"]["hasNextPage"] is False
