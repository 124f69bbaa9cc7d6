"""How a live feed is asked for, and how it ends: with its key, its client, its limits, or the server."""

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from outrider.runtime import http_protocol
from outrider.runtime.running import running_server
from outrider.surfaces.developer_graphql import feeding, feeds
from outrider.tenancy.api_keys import NewApiKey, create_api_key, revoke_api_key
from tests.clients import Caller, Client, Server, new_client
from tests.conftest import settings_for
from tests.events.appends import appending, new_event
from tests.feeds import FEED, following
from tests.surfaces.developer_graphql.test_live_feed import FERRIES, START, create, ended, ids

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


async def test_an_organisation_has_only_so_many_feeds_however_many_keys(
    client: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_OF_AN_ORGANISATION", 1)
    other = await client.with_key()
    async with following(client) as first, following(other) as refused, following(stranger) as theirs:
        await first.place()
        assert [one.response.status for one in (refused, theirs)] == [429, 200]
        assert (await refused.response.json())["errors"][0]["extensions"]["details"] == {"limit": 1}


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
