"""The live feed: every event once, in the order of commit, from a cursor on, for as long as the key is good."""

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from outrider.events.creating import NewCustomEvent, create_event
from outrider.runtime import http_protocol
from outrider.runtime.serving import running_server
from outrider.runtime.wiring import Runtime
from outrider.surfaces.developer_graphql import feeding, feeds
from outrider.surfaces.developer_graphql.cursors import FEED as CURSORS
from outrider.tenancy.api_keys import NewApiKey, create_api_key, revoke_api_key
from tests.clients import Caller, Client, Server, new_client
from tests.conftest import settings_for
from tests.events.appends import appending, new_event
from tests.feeds import FEED, following

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


# --- how it is asked for


async def test_a_subscription_is_asked_for_with_its_accept(client: Client) -> None:
    async with following(client, headers={"accept": "application/json"}) as feed:
        assert feed.response.status == 406


@pytest.mark.parametrize(
    "document",
    [
        "subscription { events { cursor } more: events { cursor } }",
        "subscription { __typename }",
        "subscription { events { cursor } __typename }",
        "subscription { events(first: 3) { cursor } }",
        "subscription($with: Boolean = false) { events @include(if: $with) { cursor } }",
        "subscription { events(filters: { nothing: 1 }) { cursor } }",
        "subscription {",
    ],
)
async def test_a_document_that_is_no_subscription_of_this_schema_is_refused_whole(
    client: Client, document: str
) -> None:
    async with following(client, document) as feed:
        assert feed.response.status == 400
        assert (await feed.response.json())["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"


async def test_a_key_that_may_not_read_is_refused(client: Client) -> None:
    assert await ended(await client.with_key("users:read", "events:write")) == "FORBIDDEN"


async def test_a_key_may_follow_only_what_it_may_read(client: Client) -> None:
    reader = await client.with_key("events:read")
    raw = "subscription { events { node { raw { base64 } } } }"

    async with following(reader, raw) as feed:
        told = await feed.told()
        assert told is not None
        assert told.code == "FORBIDDEN"
    async with following(reader) as feed:
        created = await create(client)
        assert ids([await feed.edge()]) == created


async def test_without_a_key_there_is_no_feed(client: Client) -> None:
    async with following(client, headers={"authorization": "Bearer otr_live_nothing"}) as feed:
        assert feed.response.status == 401


async def test_an_event_source_can_get_it(client: Client) -> None:
    async with following(client, method="GET", filters=FERRIES) as feed:
        created = await create(client, 2)
        assert ids(await feed.edges(2)) == created


async def test_nothing_is_changed_by_getting(client: Client) -> None:
    document = 'mutation { createEvent(eventType: "got", payload: {}) { id } }'
    async with following(client, document, method="GET") as feed:
        assert feed.response.status == 405
    assert await client.events("got") == []


@pytest.mark.parametrize(
    "address", ["/", "/?query=", "/?query=%FF", "/?query={x}&variables=x", "/?variables={}"]
)
async def test_an_address_that_asks_nothing_is_refused(client: Client, address: str) -> None:
    answered = await client.request(
        b"", method="GET", path=address, headers={"accept": "text/event-stream", "content-type": ""}
    )
    assert (answered.status, answered.json()["errors"][0]["extensions"]["code"]) == (400, "VALIDATION_ERROR")


async def test_who_reads_nothing_but_events_gets_any_answer_as_one(client: Client) -> None:
    for query, code in (("{ application { id } }", None), ('{ event(id: "x") { id } }', 400)):
        async with following(client, query) as feed:
            if code is not None:
                assert feed.response.status == code
                continue
            told, complete, end = [await feed.told() for _ in range(3)]
            assert told is not None
            assert complete is not None
            assert told.json == {"data": {"application": {"id": str(client.tenant.application_id)}}}
            assert (complete.name, end) == ("complete", None)


# --- how it ends


async def test_a_key_that_is_revoked_ends_its_feeds(client: Client) -> None:
    created = await create_api_key(
        client.server.runtime.tenancy,
        client.tenant.organisation_id,
        NewApiKey(application_id=client.tenant.application_id, name="short", scopes=["*"]),
    )
    async with following(Caller(client.session, client.base_url, created.token)) as feed:
        await feed.place()
        await revoke_api_key(client.server.runtime.tenancy, client.tenant.organisation_id, created.id)
        began = time.monotonic()
        told = await feed.told()

    assert told is not None
    assert told.code == "UNAUTHORIZED"
    assert time.monotonic() - began < 3


async def test_a_key_whose_end_nobody_told_of_ends_its_feeds_within_five_seconds(client: Client) -> None:
    expiring = NewApiKey(
        application_id=client.tenant.application_id,
        name="expiring",
        scopes=["*"],
        expires_at=datetime.now(UTC) + timedelta(seconds=1),
    )
    runtime = client.server.runtime
    expires = await create_api_key(runtime.tenancy, client.tenant.organisation_id, expiring)
    async with (
        following(Caller(client.session, client.base_url, expires.token)) as first,
        following(client) as second,
    ):
        await second.place()
        await runtime.database.system.execute(
            "update api_keys set revoked_at = now() where application_id = $1", client.tenant.application_id
        )
        began = time.monotonic()
        ends = await asyncio.gather(first.told(), second.told())

    assert [end.code for end in ends if end] == ["UNAUTHORIZED"] * 2
    assert time.monotonic() - began < 5.5


async def test_a_read_that_takes_too_long_ends_the_feed(client: Client, dsn: str) -> None:
    blocking = await asyncpg.connect(dsn)
    documents = "subscription { events { node { id edges { id } } } }"
    async with following(client, documents) as feed:
        await feed.place()
        async with blocking.transaction():
            await blocking.execute("lock table edges in access exclusive mode")
            # the append reads no edges
            async with appending(dsn) as appender:
                await appender.append(new_event(client.tenant.application_id))
            told = await feed.told()
    await blocking.close()

    assert told is not None
    assert told.code == "QUERY_TOO_EXPENSIVE"
    assert told.json["errors"][0]["path"] == ["events"]


async def test_silence_is_broken_by_a_comment(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(feeding, "RECOGNISE_SECONDS", 0.1)
    async with following(client) as feed:
        first = await feed.place()
        assert [await feed.place() for _ in range(3)] == [first] * 3


async def test_a_key_has_only_so_many_feeds(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_OF_A_KEY", 2)
    async with following(client) as first, following(client):
        await first.place()
        async with following(client) as refused:
            answer = await refused.response.json()
            assert (refused.response.status, refused.response.headers["retry-after"]) == (429, "1")
            assert answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
            assert answer["errors"][0]["extensions"]["details"] == {"limit": 2}
        other = await client.with_key()
        async with following(other) as another:
            assert another.response.status == 200
    async with asyncio.timeout(5):
        while True:
            async with following(client) as again:
                if again.response.status == 200:
                    break
            await asyncio.sleep(0.05)


async def test_a_process_has_only_so_many_feeds(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_OPEN", 0)
    async with following(client) as refused:
        assert (refused.response.status, refused.response.headers["retry-after"]) == (503, "1")
        assert (await refused.response.json())["errors"][0]["extensions"]["code"] == "UNAVAILABLE"


async def test_who_does_not_read_is_cut_off_and_who_reads_slowly_is_not(
    client: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client does not read is not read from the database either, beyond a batch and what the network holds."""
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 1.5)
    monkeypatch.setattr(http_protocol, "_LOOK_SECONDS", 0.1)
    payload = f'"{"x" * 250_000}"'
    async with appending(dsn) as appender:
        for _ in range(100):
            await appender.append(new_event(client.tenant.application_id, payload=payload))

    async with (
        following(client, after=START, filters=FERRIES) as slow,
        following(client, after=START, filters=FERRIES) as deaf,
    ):
        read = 0
        for _ in range(100):
            await slow.edge()
            read += 1
            await asyncio.sleep(0.04)
        # more than the network between us holds: what is missing was never written
        with pytest.raises(aiohttp.ClientPayloadError):
            await deaf.edges(100)

    assert read == 100


def _request(client: Client, body: str) -> bytes:
    head = (
        "POST / HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {client.key}",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


async def test_a_stop_ends_every_feed_at_once(dsn: str, tmp_path: Path) -> None:
    """Whoever reads hears that it is complete; who does not read does not hold the stop up."""
    payload = f'"{"x" * 250_000}"'
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with running_server(settings_for(tmp_path, dsn, PORT="0"), dsn) as running:
            client = await new_client(Server(running.runtime, f"http://127.0.0.1:{running.port}", session))
            async with appending(dsn) as appender:
                for _ in range(80):
                    await appender.append(new_event(client.tenant.application_id, payload=payload))
            reading = [await stack.enter_async_context(following(client)) for _ in range(5)]
            for feed in reading:
                await feed.place()
            _, deaf = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
            deaf.write(_request(client, json.dumps({"query": FEED, "variables": {"after": START}})))
            await asyncio.sleep(0.5)
            began = time.monotonic()

        assert time.monotonic() - began < 6
        deaf.close()
        for feed in reading:
            told = await feed.told()
            assert told is not None
            assert (told.name, await feed.told()) == ("complete", None)


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
