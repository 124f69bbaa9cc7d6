"""The live feed: every event once, in the order of commit, from a cursor on, for as long as the key is good."""

import asyncio
import time
from typing import Any

import pytest

from outrider.events.creating import NewCustomEvent, create_event
from outrider.runtime.parts import Runtime
from outrider.surfaces.developer_graphql import feeding
from outrider.surfaces.developer_graphql.cursors import FEED as CURSORS
from tests.clients import Caller, Client
from tests.events.appends import appending, new_event
from tests.feeds import following

CREATE = "mutation($t: String!, $p: JSON!) { createEvent(eventType: $t, payload: $p) { id } }"
LIST = """query($first: Int, $after: String) {
  events(first: $first, after: $after, orderBy: { field: CREATED_AT, direction: ASC }) {
    edges { node { id } } pageInfo { endCursor } feedCursor } }"""
START = CURSORS.write(0)
FERRIES = {"eventType": {"startsWith": "ferry."}}


async def create(client: Caller, count: int = 1, event_type: str = "ferry.sailed") -> list[str]:
    """Events of one type, one after the other; their ids."""
    return [
        (await client.data(CREATE, t=event_type, p={"n": number}))["createEvent"]["id"]
        for number in range(count)
    ]


def ids(edges: list[Any]) -> list[str]:
    return [edge["node"]["id"] for edge in edges]


async def ended(client: Caller, **variables: object) -> str:
    """The code with which a feed is refused that must be."""
    async with following(client, **variables) as feed:
        assert feed.response.status == 200
        refused = await feed.told()
        assert refused is not None
        complete = await feed.told()
        assert complete is not None
        assert (complete.name, await feed.told()) == ("complete", None)
        return refused.code


# --- what comes


async def test_events_come_as_they_are_stored_from_now_on(client: Client) -> None:
    await create(client, 3)

    async with following(client, filters=FERRIES) as feed:
        assert feed.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert feed.response.headers["cache-control"] == "no-cache"
        created = await create(client, 5)
        edges = await feed.edges(5)

    assert ids(edges) == created
    assert [edge["node"]["payload"] for edge in edges] == [{"n": number} for number in range(5)]


async def test_an_event_has_all_that_a_read_of_it_has(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    whole = """id eventType eventTypeId payload createdAt edges { edgeType targetPlatformUser { externalId } }
      originEvent { id } childEvents { eventType }"""
    query = f"""subscription Live($f: EventFilters) {{ live: events(filters: $f) {{ ...one __typename }} }}
      fragment one on EventEdge {{ node {{ {whole} }} }}"""

    async with following(client, query, f={"eventType": {"equals": "message.inbound"}}) as feed:
        await client.knock(connection, {"messages": [{"from": "ada", "text": "line\none \u2028 two"}]})
        told = await feed.told()

    assert told is not None
    edge = told.json["data"]["live"]
    read = await client.data(f"query($id: UUID!) {{ event(id: $id) {{ {whole} }} }}", id=edge["node"]["id"])
    assert edge == {"node": read["event"], "__typename": "EventEdge"}
    assert edge["node"]["payload"]["message"]["text"] == "line\none \u2028 two"


async def test_a_message_with_media_has_a_link_to_its_file(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})

    async with following(client, filters={"eventType": {"equals": "message.inbound"}}) as feed:
        await client.knock(connection, {"messages": [{"from": "ada", "image": {}}]})
        edge = await feed.edge()

    media = edge["node"]["payload"]["message"]["media"]
    assert media["url"].startswith(f"{client.server.runtime.settings.public_url}/files/{media['id']}?")


async def test_only_what_the_filters_let_through_comes(client: Client) -> None:
    async with following(client, filters={"eventType": {"in": ["a", "c"]}}) as feed:
        for event_type in ("a", "b", "c", "b", "a"):
            await create(client, 1, event_type)
        edges = await feed.edges(3)

    assert [edge["node"]["eventType"] for edge in edges] == ["a", "c", "a"]


async def test_a_payload_that_was_laid_out_over_lines_is_one_line_of_the_stream(
    client: Client, dsn: str
) -> None:
    payload = '{\n  "a": 1,\r\n\t"b": "c\\nd"\r}'
    async with following(client) as feed, appending(dsn) as appender:
        await appender.append(new_event(client.tenant.application_id, payload=payload))
        edge = await feed.edge()

    assert edge["node"]["payload"] == {"a": 1, "b": "c\nd"}


async def test_large_events_come_a_few_at_a_time(client: Client, dsn: str) -> None:
    large = [f'"{number}{"x" * 200_000}"' for number in range(12)]
    async with appending(dsn) as appender:
        for payload in large:
            await appender.append(new_event(client.tenant.application_id, payload=payload))
        await create(client)

    async with following(client, after=START, filters=FERRIES) as feed:
        edges = await feed.edges(13)

    assert [edge["node"]["payload"] for edge in edges[:-1]] == [text[1:-1] for text in large]


async def test_many_events_that_concern_nobody_are_passed_over(
    client: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(feeding, "RECOGNISE_SECONDS", 0.1)
    async with appending(dsn) as appender:
        application_id = client.tenant.application_id
        await asyncio.gather(*(appender.append(new_event(application_id)) for _ in range(2_500)))
    newest = (await client.data(LIST, first=1))["events"]["feedCursor"]

    async with following(client, after=START, filters={"eventType": {"equals": "rare"}}) as feed:
        while await feed.place() != newest:
            pass
        created = await create(client, 1, "rare")
        edge = await feed.edge()

    assert ids([edge]) == created


async def test_another_tenant_hears_nothing(client: Client, stranger: Client) -> None:
    async with following(stranger, after=START, filters=FERRIES) as theirs, following(client) as ours:
        await create(client, 3)
        await ours.edges(3)
        created = await create(stranger)
        assert ids([await theirs.edge()]) == created


# --- where it begins


async def test_a_cursor_resumes_the_feed_behind_its_event(client: Client) -> None:
    async with following(client) as feed:
        created = await create(client, 6)
        edges = await feed.edges(4)
        assert feed.last_id == edges[3]["cursor"]

    async with following(client, after=edges[1]["cursor"]) as feed:
        assert ids(await feed.edges(4)) == created[2:]


async def test_what_was_last_had_goes_before_the_argument(client: Client) -> None:
    created = await create(client, 4)
    async with following(client, after=START, filters=FERRIES) as feed:
        edges = await feed.edges(4)

    last = {"last-event-id": edges[2]["cursor"]}
    async with following(client, headers=last, after=START, filters=FERRIES) as feed:
        assert ids([await feed.edge()]) == created[3:]


async def test_who_comes_back_before_the_first_event_has_missed_none(client: Client) -> None:
    async with following(client) as feed:
        place = await feed.place()
    created = await create(client, 2)

    async with following(client, headers={"last-event-id": place}) as feed:
        assert ids(await feed.edges(2)) == created


async def test_an_event_of_a_list_stands_for_when_it_was_stored(client: Client) -> None:
    created = await create(client, 5)
    page = (await client.data(LIST, first=3))["events"]

    async with following(client, after=page["pageInfo"]["endCursor"]) as feed:
        assert ids(await feed.edges(2)) == created[3:]


async def test_history_read_page_by_page_goes_over_into_the_feed(client: Client, dsn: str) -> None:
    """An append that is held open has an old id and a late place: pages miss it, the feed does not."""
    await create(client, 5)
    late = new_event(client.tenant.application_id)
    await create(client, 5)
    first = (await client.data(LIST, first=8))["events"]
    async with appending(dsn) as appender:
        await appender.append(late)
    await create(client, 3)
    rest = (await client.data(LIST, first=100, after=first["pageInfo"]["endCursor"]))["events"]
    seen = set(ids(first["edges"]) + ids(rest["edges"]))
    assert str(late.event_id) not in seen

    async with following(client, after=first["feedCursor"]) as feed:
        live = await create(client, 2)
        while live[-1] not in seen:
            seen.add((await feed.edge())["node"]["id"])

    everything = (await client.data(LIST, first=200))["events"]
    assert seen == set(ids(everything["edges"]))


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é" * 12,
        "RgAAAAAAAAA=",
        CURSORS.write(2**62),
        "Rv__________",
        "RTEBofdNriRwAIAAAAAAAYag",
        "x" * 5_000,
    ],
)
async def test_a_cursor_that_leads_nowhere_is_refused(client: Client, cursor: str, header: bool) -> None:
    if header:
        headers = {"last-event-id": cursor.encode("ascii", "replace").decode()}
        assert await ended(client, headers=headers) == "VALIDATION_ERROR"
    else:
        assert await ended(client, after=cursor) == "VALIDATION_ERROR"


async def test_a_foreign_event_is_a_missing_one(client: Client, stranger: Client) -> None:
    await create(stranger)
    theirs = (await stranger.data(LIST, first=1))["events"]["pageInfo"]["endCursor"]

    assert await ended(client, after=theirs) == "VALIDATION_ERROR"


# --- other processes


async def test_what_another_process_stores_comes_at_once(client: Client, runtime: Runtime) -> None:
    async with following(client) as feed:
        await feed.place()
        began = time.monotonic()
        created = await create_event(
            runtime.creating, client.tenant.actor, NewCustomEvent(event_type="from.afar", payload={})
        )
        edge = await feed.edge()

    assert edge["node"]["id"] == str(created)
    assert time.monotonic() - began < 1


async def test_what_nobody_told_of_comes_some_seconds_later(client: Client, dsn: str) -> None:
    async with following(client) as feed, appending(dsn) as appender:
        await feed.place()
        item = new_event(client.tenant.application_id)
        await appender.append(item)
        async with asyncio.timeout(5):
            edge = await feed.edge()

    assert edge["node"]["id"] == str(item.event_id)
