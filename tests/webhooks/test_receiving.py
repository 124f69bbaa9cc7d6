"""Webhooks on their way in: what is not authentic, what comes twice, and what vendors really send."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from outrider.core.errors import NotFound, PayloadTooLarge, Unauthorized, Unavailable
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import InboundRequest
from outrider.platforms.sandbox.inbound import SIGNATURE_HEADER, signature_of
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.webhooks import inbound_items, receiving
from tests.clients import Client
from tests.running import Sink, connect_sandbox, listening, new_database, proxied, running, subscribe, until
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "webhook_receiving") as own:
        yield own


@pytest.fixture(scope="module")
async def database(own_dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(own_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        yield found


@pytest.fixture
async def tenant(process: Runtime) -> Tenant:
    return await new_tenant(process.tenancy)


@pytest.fixture
async def sink() -> AsyncGenerator[Sink]:
    async with listening() as found:
        yield found


class Address:
    """Where a connection's platform posts to."""

    def __init__(self, process: Runtime, connection_id: UUID, url: str | None) -> None:
        assert url is not None
        self.process, self.connection_id = process, connection_id
        _, _, webhook_id, self.secret = urlsplit(url).path.split("/")
        self.webhook_id = UUID(webhook_id)

    async def knock(self, body: object, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        request = InboundRequest({"content-type": "application/json", **headers}, raw)
        await taken_in(self.process, self.webhook_id, self.secret, request)


async def taken_in(process: Runtime, webhook_id: UUID, secret: str, request: InboundRequest) -> None:
    """The two steps of the door."""
    entry = await receiving.recognise(process.receiving, webhook_id, secret)
    await receiving.receive(process.receiving, entry, request)


@pytest.fixture
async def address(process: Runtime, tenant: Tenant) -> Address:
    created = await connect_sandbox(process, tenant)
    return Address(process, created.id, created.webhook_url)


async def events(database: Database, tenant: Tenant) -> list[asyncpg.Record]:
    return await database.fetch(
        """select e.id, e.event_type, e.payload::text as payload, e.origin_event_id, r.body, r.headers
        from events e left join raw_bodies r on r.application_id = e.application_id and r.event_id = e.id
        where e.application_id = $1 order by e.position""",
        tenant.application_id,
    )


def message(text: str = "Hello", **more: object) -> dict[str, object]:
    return {"id": f"m{next(_numbers)}", "from": "ada", "text": text, **more}


_numbers = itertools.count()


# --- who may knock


async def test_nothing_tells_which_part_of_an_address_is_wrong(
    process: Runtime, tenant: Tenant, address: Address, database: Database
) -> None:
    signed = await connect_sandbox(process, tenant, config={"signing_secret": "s" * 40})
    signing = Address(process, signed.id, signed.webhook_url)
    request = InboundRequest({}, b"{}")
    asked = [
        (uuid4(), address.secret, request),
        (address.webhook_id, "wrong", request),
        (address.webhook_id, signing.secret, request),
        (address.webhook_id, "\ud800", request),
        (signing.webhook_id, signing.secret, request),
        (signing.webhook_id, signing.secret, InboundRequest({SIGNATURE_HEADER: "sha256=00"}, b"{}")),
        (
            signing.webhook_id,
            signing.secret,
            InboundRequest({SIGNATURE_HEADER: signature_of("x" * 40, b"{}")}, b"{}"),
        ),
    ]
    told = set()
    for webhook_id, secret, given in asked:
        with pytest.raises(Unauthorized) as refused:
            await taken_in(process, webhook_id, secret, given)
        told.add((refused.value.code, refused.value.message, tuple(refused.value.details.items())))
    assert len(told) == 1
    assert await events(database, tenant) == []

    body = orjson.dumps({"messages": [message()]})
    await signing.knock(body, **{SIGNATURE_HEADER: signature_of("s" * 40, body)})
    assert len(await events(database, tenant)) == 1


async def test_nothing_is_taken_in_while_its_secrets_cannot_be_opened(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    signed = await connect_sandbox(process, tenant, config={"signing_secret": "s" * 40})
    signing = Address(process, signed.id, signed.webhook_url)
    find = "select sealed_config from accounts where organisation_id = $1"
    change = "update accounts set sealed_config = $2 where organisation_id = $1"
    sealed = await database.fetchval(find, tenant.organisation_id)
    await database.execute(change, tenant.organisation_id, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    process.directories.connections.clear()
    body = orjson.dumps({"messages": [message()]})
    headers = {SIGNATURE_HEADER: signature_of("s" * 40, body)}
    for given in (headers, {}):
        with pytest.raises(Unavailable):
            await signing.knock(body, **given)
    assert await events(database, tenant) == []

    await database.execute(change, tenant.organisation_id, sealed)
    process.directories.connections.clear()
    await signing.knock(body, **headers)
    assert len(await events(database, tenant)) == 1


async def test_the_copies_of_a_large_body_are_bounded(
    tenant: Tenant, address: Address, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "_MOST_ITEMS", 3)
    body = {"messages": [message() for _ in range(3)]}
    await address.knock(body)
    assert [row["body"] for row in await events(database, tenant)] == [orjson.dumps(body)] * 3

    monkeypatch.setattr(receiving, "_MOST_COPIED", 3 * len(orjson.dumps(body)) - 1)
    large = {"messages": [message() for _ in range(3)]}
    await address.knock(large)
    assert [row["body"] for row in await events(database, tenant)][3:] == [orjson.dumps(large), None, None]

    with pytest.raises(PayloadTooLarge):
        await address.knock({"messages": [message() for _ in range(4)]})
    assert len(await events(database, tenant)) == 6


async def test_an_account_without_a_connection_is_gone(
    process: Runtime, address: Address, database: Database
) -> None:
    await database.execute("update connections set status = 'deleted' where id = $1", address.connection_id)
    process.directories.connections.clear()
    with pytest.raises(NotFound):
        await address.knock({"messages": [message()]})


# --- what comes twice


async def test_a_repeat_changes_nothing_and_is_welcome(
    process: Runtime, tenant: Tenant, address: Address, database: Database, sink: Sink
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.inbound")
    once = {"messages": [message("once", id="same")]}
    await address.knock(once)
    await asyncio.gather(*(address.knock(once) for _ in range(5)))
    await address.knock({"messages": [message("changed", id="same"), message("new")]})

    found = await events(database, tenant)
    assert [orjson.loads(row["payload"])["message"]["text"] for row in found] == ["once", "new"]
    await until(lambda: len(sink.at("/hook")) == 2)
    await asyncio.sleep(0.1)
    assert len(sink.at("/hook")) == 2


async def test_a_repeat_in_two_processes_at_once_is_one_message(
    process: Runtime, tenant: Tenant, address: Address, database: Database, own_dsn: str, tmp_path: Path
) -> None:
    async with running(own_dsn, tmp_path, role="api") as other:
        there = Address.__new__(Address)
        there.__dict__ = {**address.__dict__, "process": other}
        for _ in range(10):
            body = {
                "messages": [message()],
                "receipts": [{"message_id": f"x{next(_numbers)}", "state": "read"}],
            }
            await asyncio.gather(*(one.knock(body) for one in (address, there) * 3))
    assert len(await events(database, tenant)) == 10
    parked = await database.fetchval(
        "select count(*) from parked_receipts where application_id = $1", tenant.application_id
    )
    assert parked == 10


async def test_long_keys_that_begin_alike_are_two(process: Runtime, address: Address) -> None:
    entry = await process.directories.connections.get((await _owner(process, address)), address.connection_id)
    assert entry is not None
    keys = {inbound_items._once_key(entry, "k" * 600 + end).key for end in ("a", "b", "a")}
    assert len(keys) == 2
    assert all(len(key) <= 500 for key in keys)


async def _owner(process: Runtime, address: Address) -> UUID:
    webhook = await process.directories.connections.by_webhook(address.webhook_id)
    assert webhook is not None
    assert webhook.connection is not None
    return webhook.connection.application_id


# --- what vendors send


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"nul \\u0000 here", "nul \ufffd here"),
        (b"half \\ud83d here", "half \ufffd here"),
        (b"byte \xff here", "byte \ufffd here"),
    ],
)
async def test_what_cannot_be_stored_is_shown_and_kept_raw(
    tenant: Tenant, address: Address, database: Database, sent: bytes, shown: str
) -> None:
    body = (
        b'{"messages": [{"id": "'
        + sent
        + b'", "from": "'
        + sent
        + b'", "name": "'
        + sent
        + b'", "text": "'
        + sent
        + b'"}]}'
    )
    await address.knock(body, **{"user-agent": "nul \0 \ud800", "x-secret": "never kept"})

    (row,) = await events(database, tenant)
    payload = orjson.loads(row["payload"])
    assert payload["message"]["text"] == shown
    assert payload["external_message_id"] == shown
    assert row["body"] == body
    assert orjson.loads(row["headers"]) == {
        "content-type": "application/json",
        "user-agent": "nul \ufffd \ufffd",
    }
    person = await database.fetchrow(
        "select external_id, name from platform_users where application_id = $1 and external_id <> 'system'",
        tenant.application_id,
    )
    assert tuple(person) == (shown, shown)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[1]",
        b"null",
        b'{"other": 1}',
        b'{"messages": [7]}',
        b'{"receipts": [{"state": "eaten"}]}',
        b"[" * 100_000,
        b"\0\xff",
    ],
)
async def test_authentic_bodies_of_unknown_kinds_are_kept(
    tenant: Tenant, address: Address, database: Database, body: bytes
) -> None:
    await address.knock(body)
    (row,) = await events(database, tenant)
    assert row["event_type"] == "system.webhook.unrecognised"
    assert row["body"] == body
    assert orjson.loads(row["payload"])["platform_connection_id"] == str(address.connection_id)


async def test_several_items_of_one_body_keep_their_order_and_fail_alone(
    tenant: Tenant, address: Address, database: Database
) -> None:
    await address.knock({"messages": [message(f"{n:02}") if n != 5 else {"nonsense": 1} for n in range(30)]})

    found = await events(database, tenant)
    texts = [orjson.loads(row["payload"]).get("message", {}).get("text") for row in found]
    assert [text for text in texts if text] == [f"{n:02}" for n in range(30) if n != 5]
    assert sum(row["event_type"] == "system.webhook.unrecognised" for row in found) == 1


async def test_webhooks_of_a_conversation_arrive_in_its_order(
    process: Runtime, tenant: Tenant, address: Address, sink: Sink
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "*")
    sink.seconds["/hook"] = 0.01
    for turn in range(6):
        await address.knock({"messages": [message(f"{turn} {n}") for n in range(5)]})
    await until(lambda: len(sink.at("/hook")) == 30)
    texts = [orjson.loads(one.body)["payload"]["message"]["text"] for one in sink.at("/hook")]
    assert texts == [f"{turn} {n}" for turn in range(6) for n in range(5)]


async def test_a_reply_points_at_what_it_answers(
    process: Runtime, tenant: Tenant, address: Address, database: Database, sink: Sink
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.inbound")
    request = SendRequest(connection_id=address.connection_id, recipient="ada", text="Hello")
    ours = await send_message(process.sending, tenant.actor, request)
    await address.knock({"messages": [message(id="theirs", reply_to=ours.external_message_id)]})
    await address.knock({"messages": [message(reply_to="theirs"), message(reply_to="unknown")]})

    edges = await database.fetch(
        """select g.edge_type, g.target_id, e.id from edges g join events e on e.application_id = g.application_id
        and e.id = g.event_id where e.application_id = $1 and e.event_type = 'message.inbound'
        order by e.position, g.id""",
        tenant.application_id,
    )
    inbound = list(dict.fromkeys(edge["id"] for edge in edges))
    replies = {edge["id"]: edge["target_id"] for edge in edges if edge["edge_type"] == "reply_to"}
    assert replies == {inbound[0]: ours.event_id, inbound[1]: inbound[0]}
    assert [edge["edge_type"] for edge in edges if edge["id"] == inbound[0]] == [
        "sent_by",
        "sent_to",
        "reply_to",
    ]
    await until(lambda: len(sink.at("/hook")) == 3)
    body = orjson.loads(sink.at("/hook")[0].body)
    assert body["edges"]["reply_to"] == {"event_id": str(ours.event_id)}


async def test_a_reply_of_another_connection_points_at_nothing(
    process: Runtime, tenant: Tenant, address: Address, database: Database
) -> None:
    stranger = await new_tenant(process.tenancy)
    theirs = await connect_sandbox(process, stranger)
    request = SendRequest(connection_id=theirs.id, recipient="ada", text="Hello")
    foreign = await send_message(process.sending, stranger.actor, request)
    await address.knock({"messages": [message(reply_to=foreign.external_message_id)]})
    kinds = await database.fetch(
        "select edge_type from edges where application_id = $1", tenant.application_id
    )
    assert {row["edge_type"] for row in kinds} == {"sent_by", "sent_to"}


async def test_a_receipt_of_another_connection_touches_nothing(
    process: Runtime, tenant: Tenant, address: Address, database: Database
) -> None:
    other = await connect_sandbox(process, tenant)
    sent = await send_message(
        process.sending, tenant.actor, SendRequest(connection_id=other.id, recipient="ada", text="x")
    )
    await address.knock({"receipts": [{"message_id": sent.external_message_id, "state": "read"}]})
    assert await database.fetchval("select state from messages where id = $1", sent.event_id) == 1


async def test_receipts_become_children_with_their_webhooks(
    process: Runtime, tenant: Tenant, address: Address, database: Database, sink: Sink
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.status")
    request = SendRequest(connection_id=address.connection_id, recipient="receipt-first.ada", text="Hello")
    sent = await send_message(process.sending, tenant.actor, request)
    read = {"message_id": sent.external_message_id, "state": "read", "at": "2026-11-20T10:00:05.123Z"}
    failed = {"message_id": sent.external_message_id, "state": "failed", "error": "nul \0"}
    await address.knock({"receipts": [read, failed, read]})

    await until(lambda: len(sink.at("/hook")) == 4)
    bodies = [orjson.loads(one.body) for one in sink.at("/hook")]
    assert {body["event_type"] for body in bodies} == {
        "message.sent",
        "message.delivered",
        "message.read",
        "message.failed",
    }
    assert {body["origin_event_id"] for body in bodies} == {str(sent.event_id)}
    row = await database.fetchrow(
        "select state, error ->> 'message' as error from messages where id = $1", sent.event_id
    )
    assert tuple(row) == (4, "nul \ufffd")


# --- when it cannot be taken


async def test_a_body_is_bounded_at_four_megabytes(client: Client) -> None:
    connection = await client.connect("TELEGRAM", "sandbox", {})
    start, end = b'{"messages": [{"from": "ada", "text": "', b'"}]}'
    largest = start + b"x" * (4_000_000 - len(start) - len(end)) + end

    assert (await client.knock(connection, largest + b" ")).status == 413
    assert await client.events("message.inbound") == []
    assert (await client.knock(connection, largest)).status == 200


async def test_a_missing_database_is_the_platforms_turn_to_repeat(
    own_dsn: str, tenant: Tenant, address: Address, database: Database, tmp_path: Path
) -> None:
    async with proxied(own_dsn) as proxy, running(proxy.dsn, tmp_path, role="api") as there:
        beside = Address.__new__(Address)
        beside.__dict__ = {**address.__dict__, "process": there}
        await beside.knock({"messages": [message("first")]})
        proxy.shut()
        begun = asyncio.get_running_loop().time()
        repeated = {"messages": [message("second")]}
        with pytest.raises(Unavailable):
            await beside.knock(repeated)
        assert asyncio.get_running_loop().time() - begun < 6
        proxy.is_open = True
        await beside.knock(repeated)
        await beside.knock(repeated)
    found = await events(database, tenant)
    assert [orjson.loads(row["payload"])["message"]["text"] for row in found] == ["first", "second"]


async def test_a_person_is_one_whoever_speaks_first(
    process: Runtime, tenant: Tenant, address: Address, database: Database
) -> None:
    request = SendRequest(connection_id=address.connection_id, recipient="ada", text="Hello")
    await asyncio.gather(
        send_message(process.sending, tenant.actor, request),
        address.knock({"messages": [message(name="Ada")]}),
        send_message(process.sending, tenant.actor, request),
    )
    people = await database.fetch(
        """select p.name, u.name as user_name from platform_users p
        join users u on u.application_id = p.application_id and u.id = p.user_id
        where p.application_id = $1 and p.external_id = 'ada'""",
        tenant.application_id,
    )
    assert [tuple(row) for row in people] == [("Ada", "Ada")]


async def test_nothing_of_this_is_broken(own_dsn: str, process: Runtime) -> None:
    del process
    assert await verify(own_dsn) == {}
