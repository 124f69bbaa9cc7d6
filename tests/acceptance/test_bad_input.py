"""What strangers and careless callers send: each gets its documented error, nothing is written, the log says why."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.core import log
from outrider.tenancy.api_keys import list_api_keys, revoke_api_key
from outrider.webhooks.inbound_items import UNRECOGNISED
from tests.clients import Answered, Client

_TABLES = [
    "events",
    "edges",
    "messages",
    "once_keys",
    "users",
    "platform_users",
    "connections",
    "subscriptions",
    "delivery_queue",
    "deliveries",
    "external_messages",
    "parked_receipts",
    "raw_bodies",
    "fan_outs",
]
_WRITTEN = " union all ".join(
    f"select '{table}' as name, count(*) from {table} where application_id = any ($1::uuid[])"
    for table in _TABLES
)
_CREATE = """mutation($type: String!, $payload: JSON!, $edges: [EdgeInput!], $origin: UUID, $key: String) {
  createEvent(eventType: $type, payload: $payload, edges: $edges, originEventId: $origin, idempotencyKey: $key) {
    id } }"""
_CANCEL = "mutation($id: UUID!) { cancelMessage(id: $id) { id } }"
_SEND = """mutation($c: UUID!, $text: String!) {
  sendMessage(platformConnectionId: $c, toExternalId: "ada", message: $text) { id status { state } } }"""
_REFUSE = """
create or replace function refuse_poison() returns trigger language plpgsql as $$ begin
  if new.payload::text like '%poisoned barrel%' then raise exception 'poison' using errcode = '22P05'; end if;
  return new; end $$;
create or replace trigger refuse_poison before insert on events for each row execute function refuse_poison();
"""
# The trigger stays: to drop it would wait for, and lock out, whoever reads meanwhile.
_ALLOW = """
create or replace function refuse_poison() returns trigger language plpgsql as $$ begin return new; end $$
"""

Lines = list[dict[str, Any]]


@pytest.fixture
def lines() -> Generator[Lines]:
    """What the server logs meanwhile."""
    written: Lines = []
    with log.redirected(lambda line: written.append(json.loads(line))):
        yield written


async def written(client: Client) -> dict[str, int]:
    """How many rows the client's organisation has, by table."""
    pool = client.server.runtime.database.system
    ids = [client.tenant.application_id, client.tenant.hidden_application_id]
    return {row["name"]: row["count"] for row in await pool.fetch(_WRITTEN, ids)}


@pytest.fixture
async def connection(client: Client) -> str:
    """A connection of the client's."""
    return str((await client.connect("WHATSAPP", "sandbox", {}))["id"])


@pytest.fixture
async def untouched(client: Client, connection: str) -> AsyncGenerator[None]:
    """Nothing of the client's was written by the test."""
    del connection
    before = await written(client)
    yield
    await asyncio.sleep(0.05)
    assert await written(client) == before


def _request(query: str, **variables: object) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def _check_envelope(answered: Answered, status: int, code: str, meant: int) -> dict[str, Any]:
    assert answered.status == status, answered.body
    assert answered.headers["Content-Type"].startswith("application/json")
    assert b"Traceback" not in answered.body
    assert b".py" not in answered.body
    found = answered.json()
    assert found["data"] is None
    error: dict[str, Any] = found["errors"][0]
    assert error["message"]
    assert error["extensions"]["code"] == code
    assert error["extensions"]["http"] == {"status": meant}
    return error


_NULS = {"as text": r"a \u0000 b", "half a pair": r"\ud800", "the other half": r"a\udfffb"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b'{"query": ', "not valid JSON", id="broken JSON"),
        pytest.param(b"query { application { id } }", "not valid JSON", id="no JSON"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"\xc3\x28", "UTF-8", id="no UTF-8"),
        pytest.param(b"[]", "one request", id="a list"),
        pytest.param(b'{"query": 7}', "query", id="a number for a document"),
        pytest.param(b'{"query": "{ application { id } }", "vars": {}}', "unknown", id="an unknown member"),
        pytest.param(_request("{ application { id colour } }"), "colour", id="an unknown field"),
        pytest.param(_request("{ application(id: 1) { id } }"), "id", id="an unknown argument"),
        pytest.param(_request("mutation { destroy { id } }"), "destroy", id="an unknown mutation"),
        pytest.param(_request(_SEND, c="7", text="x"), "not an id", id="no id"),
        pytest.param(_request(_SEND, c=7, text="x"), "string", id="a number for an id"),
        pytest.param(_request(_SEND, c=str(uuid4()), text=["x"]), "text", id="a list for a text"),
        pytest.param(_request(_SEND, c=str(uuid4())), "text", id="a variable left out"),
        pytest.param(_request(_SEND, c=None, text="x"), "null", id="null for what is required"),
        pytest.param(
            _request("{ application { " + "platformConnections { id } " * 300 + "} }"),
            "500",
            id="too many fields",
        ),
        pytest.param(
            _request(
                '{ event(id: "%s") { %s id %s } }' % (uuid4(), "originEvent { " * 40, "} " * 40)  # noqa: UP031
            ),
            "deep",
            id="a deep document",
        ),
        pytest.param(_request("{" + " a" * 100_000), "", id="a long document"),
        pytest.param(b'{"query":' * 100_000, "nested deeper", id="endless nesting"),
        pytest.param(b"[" * 500_000, "nested deeper", id="endless lists"),
    ],
)
@pytest.mark.usefixtures("untouched")
async def test_what_is_no_request_is_refused_as_invalid(
    client: Client, lines: Lines, body: bytes, said: str
) -> None:
    answered = await client.request(body)

    error = _check_envelope(answered, 400, "VALIDATION_ERROR", 400)
    assert said in error["message"]
    line = lines[-1]
    assert (line["event"], line["level"], line["outcome"]) == ("graphql.answered", "warning", "refused")
    assert (line["status"], line["code"]) == (400, "VALIDATION_ERROR")
    assert said in line["reason"]
    assert line["request_id"] == answered.headers["x-request-id"]
    assert line["application_id"] == str(client.tenant.application_id)


@pytest.mark.parametrize("flaw", _NULS.values(), ids=_NULS.keys())
@pytest.mark.parametrize("where", ["text", "recipient", "metadata", "key of metadata", "document"])
@pytest.mark.usefixtures("untouched")
async def test_what_no_database_can_hold_is_refused_wherever_it_stands(
    client: Client, lines: Lines, connection: str, flaw: str, where: str
) -> None:
    body: dict[str, Any] = {
        "query": """mutation($c: UUID!, $to: String!, $text: String!, $metadata: JSON) { sendMessage(
          platformConnectionId: $c, toExternalId: $to, message: $text, metadata: $metadata) { id } }""",
        "variables": {"c": connection, "to": "ada", "text": "fine", "metadata": {"a": ["b"]}},
    }
    variables: dict[str, Any] = body["variables"]
    match where:
        case "text":
            variables["text"] = "@"
        case "recipient":
            variables["to"] = "@"
        case "metadata":
            variables["metadata"] = {"a": [1, {"b": "@"}]}
        case "key of metadata":
            variables["metadata"] = {"@": 1}
        case _:
            body = {
                "query": f'mutation {{ sendMessage(platformConnectionId: "{connection}", message: "@") {{ id }} }}'
            }
    raw = json.dumps(body).replace("@", flaw).encode()

    answered = await client.request(raw)

    _check_envelope(answered, 400, "VALIDATION_ERROR", 400)
    assert lines[-1]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "written_there",
    [r'"\\u0000"', r'"\\ud800"', r'{a: [{b: "\\u0000"}]}'],
)
@pytest.mark.usefixtures("untouched")
async def test_escapes_of_the_document_itself_are_looked_at_too(client: Client, written_there: str) -> None:
    query = 'mutation { createEvent(eventType: "order.placed", payload: %s) { id } }' % written_there  # noqa: UP031
    raw = b'{"query": "%s"}' % query.replace('"', '\\"').encode()

    answered = await client.request(raw)

    found = answered.json()
    assert found["data"] is None
    assert found["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "in chunks"])
@pytest.mark.usefixtures("untouched")
async def test_ten_megabytes_are_refused(client: Client, lines: Lines, is_chunked: bool) -> None:
    body = _request(_SEND, c=str(uuid4()), text="x" * 10_000_000)

    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    try:
        answered = await client.request(pieces() if is_chunked else body)
    except ConnectionError:
        # the answer may come while we still write, and the rest is not wanted
        answered = None

    if answered is not None:
        _check_envelope(answered, 413, "PAYLOAD_TOO_LARGE", 413)
    (line,) = [line for line in lines if line["event"] == "graphql.answered"]
    assert (line["status"], line["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (await client.data("{ application { id } }"))["application"]


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("PUT", {}, (405, "VALIDATION_ERROR", 405)),
        ("DELETE", {}, (405, "VALIDATION_ERROR", 405)),
        ("POST", {"content-type": "text/plain"}, (415, "VALIDATION_ERROR", 415)),
        ("POST", {"content-type": "application/x-www-form-urlencoded"}, (415, "VALIDATION_ERROR", 415)),
        ("POST", {"content-type": ""}, (415, "VALIDATION_ERROR", 415)),
        ("POST", {"authorization": ""}, (401, "UNAUTHORIZED", 401)),
        ("POST", {"authorization": "Bearer "}, (401, "UNAUTHORIZED", 401)),
        ("POST", {"authorization": "Bearer otr_live_" + "A" * 43}, (401, "UNAUTHORIZED", 401)),
        ("POST", {"authorization": "Bearer " + "x" * 5_000}, (401, "UNAUTHORIZED", 401)),
        ("POST", {"authorization": "Basic b3V0cmlkZXI6cGFzcw=="}, (401, "UNAUTHORIZED", 401)),
        ("POST", {"authorization": "Bearer otr_live_\xe9\xff" + "A" * 43}, (401, "UNAUTHORIZED", 401)),
        ("POST", {"x-outeract-app-id": str(uuid4())}, (200, "FORBIDDEN", 403)),
        ("POST", {"x-outeract-app-id": "somewhere"}, (200, "FORBIDDEN", 403)),
    ],
)
@pytest.mark.usefixtures("untouched")
async def test_what_http_itself_forbids(
    client: Client,
    lines: Lines,
    connection: str,
    method: str,
    headers: dict[str, str],
    expected: tuple[int, str, int],
) -> None:
    status, code, meant = expected
    answered = await client.request(_request(_SEND, c=connection, text="x"), method=method, headers=headers)

    _check_envelope(answered, status, code, meant)
    assert (lines[-1]["outcome"], lines[-1]["code"]) == ("refused", code)
    assert lines[-1]["reason"]
    if status == 405:
        assert answered.headers["Allow"] == "POST"
    if status == 401:
        assert answered.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_path_that_is_not_there(client: Client) -> None:
    for path in ("/nothing", "/v1/nothing", "/webhooks-and-more", "//", "/%00", "/..%2f..%2fetc/passwd"):
        answered = await client.request(b"{}", path=path)

        assert answered.status in {401, 404, 405}, (path, answered.body)
        assert b"Traceback" not in answered.body


@pytest.mark.parametrize(
    ("scope", "query"),
    [
        ("events:read", _SEND),
        ("events:read", _CREATE),
        ("events:write", "{ events { edges { node { id } } } }"),
        ("events:read", "{ users { edges { node { id } } } }"),
        ("users:read", "{ application { id } }"),
        ("events:write", 'mutation { createPlatformConnection(platformName: SMS, name: "x") { id } }'),
        (
            "events:write",
            'mutation { createWebhookSubscription(name: "x", targetUrl: "u", eventPatterns: ["*"]) { id } }',
        ),
    ],
)
async def test_a_key_without_the_scope_is_refused(
    client: Client, lines: Lines, connection: str, scope: str, query: str
) -> None:
    limited = await client.with_key(scope)
    before = await written(client)
    variables: dict[str, Any] = {}
    if query is _SEND:
        variables = {"c": connection, "text": "x"}
    elif query is _CREATE:
        variables = {"type": "order.placed", "payload": {}}

    answered = await limited.request(_request(query, **variables))

    error = _check_envelope(answered, 200, "FORBIDDEN", 403)
    assert error["path"]
    assert (lines[-1]["outcome"], lines[-1]["code"]) == ("refused", "FORBIDDEN")
    assert await written(client) == before


async def test_a_revoked_key_is_refused(client: Client) -> None:
    other = await client.with_key()
    application = await other.data("{ application { id } }")
    keys = await list_api_keys(client.server.runtime.tenancy, client.tenant.organisation_id)

    await revoke_api_key(client.server.runtime.tenancy, client.tenant.organisation_id, keys[-1].id)

    async with asyncio.timeout(6):
        while (await other.request(_request("{ application { id } }"))).status == 200:
            await asyncio.sleep(0.02)
    _check_envelope(await other.request(_request("{ application { id } }")), 401, "UNAUTHORIZED", 401)
    assert await client.data("{ application { id } }") == application


@dataclass(frozen=True)
class Foreign:
    """Ids of another tenant's things, and ids that nobody has."""

    connection: str
    event: str
    platform_user: str
    user: str
    scheduled: str


@pytest.fixture
async def foreign(stranger: Client) -> Foreign:
    connection = str((await stranger.connect("WHATSAPP", "sandbox", {}))["id"])
    event = await stranger.send(connection, "ada")
    scheduled = await stranger.send(connection, "ada", scheduledAt="2099-01-01T00:00:00Z")
    people = await stranger.data("{ platformUsers { edges { node { id user { id } } } } }")
    person = people["platformUsers"]["edges"][0]["node"]
    return Foreign(connection, event["id"], person["id"], person["user"]["id"], scheduled["id"])


def _edge(kind: str, target: str) -> dict[str, Any]:
    edges = [{"edgeType": "about", "targetNodeType": kind, "targetNodeId": target}]
    return {"type": "order.placed", "payload": {}, "edges": edges}


_REPLY = """mutation($c: UUID!, $to: UUID!) { sendMessage(platformConnectionId: $c, toExternalId: "ada",
  message: "x", replyToEventId: $to) { id } }"""
_BORROW = """mutation($a: UUID!) {
  createPlatformConnection(platformName: WHATSAPP, name: "x", accountId: $a) { id } }"""


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (_SEND, lambda mine, theirs: {"c": theirs.connection, "text": "x"}),
        (_REPLY, lambda mine, theirs: {"c": mine, "to": theirs.event}),
        (_CANCEL, lambda mine, theirs: {"id": theirs.scheduled}),
        (_CREATE, lambda mine, theirs: _edge("EVENT", theirs.event)),
        (_CREATE, lambda mine, theirs: _edge("PLATFORM_USER", theirs.platform_user)),
        (_CREATE, lambda mine, theirs: _edge("USER", theirs.user)),
        (_CREATE, lambda mine, theirs: {"type": "order.placed", "payload": {}, "origin": theirs.event}),
    ],
    ids=["connection", "reply", "cancel", "event", "platform user", "user", "origin"],
)
@pytest.mark.usefixtures("untouched")
async def test_somebody_elses_thing_answers_exactly_as_a_missing_one(
    client: Client,
    stranger: Client,
    foreign: Foreign,
    connection: str,
    query: str,
    variables: Callable[[str, Foreign], dict[str, Any]],
) -> None:
    before = await written(stranger)
    missing = Foreign(*(str(uuid4()) for _ in range(5)))
    ids = {**asdict(foreign), **asdict(missing)}

    theirs = await client.request(_request(query, **variables(connection, foreign)))
    nobodys = await client.request(_request(query, **variables(connection, missing)))

    _check_envelope(theirs, 200, "NOT_FOUND", 404)
    assert _without(asdict(foreign), theirs.body) == _without(ids, nobodys.body)
    assert await written(stranger) == before


def _without(ids: dict[str, str], body: bytes) -> str:
    text = body.decode()
    for one in ids.values():
        text = text.replace(one, "…")
    return text


async def test_somebody_elses_things_cannot_be_read(
    client: Client, stranger: Client, foreign: Foreign
) -> None:
    found = await client.data(
        """query($event: UUID!, $c: UUID!, $person: UUID!, $user: UUID!) {
          event(id: $event) { id } platformConnection(id: $c) { id } platformUser(id: $person) { id }
          user(id: $user) { id } events { totalCount } platformUsers(platformConnectionId: $c) { totalCount }
          users(filters: {isSystemUser: false}) { totalCount }
          webhookDeliveries(subscriptionId: $c) { edges { cursor } }
          platformConnections { id } webhookSubscriptions { id } }""",
        event=foreign.event,
        c=foreign.connection,
        person=foreign.platform_user,
        user=foreign.user,
    )
    mine = await stranger.data("query($id: UUID!) { event(id: $id) { id } }", id=foreign.event)

    assert found == {
        "event": None,
        "platformConnection": None,
        "platformUser": None,
        "user": None,
        "events": {"totalCount": 0},
        "platformUsers": {"totalCount": 0},
        "users": {"totalCount": 0},
        "webhookDeliveries": {"edges": []},
        "platformConnections": [],
        "webhookSubscriptions": [],
    }
    assert mine["event"]["id"] == foreign.event


async def test_somebody_elses_account_cannot_be_joined(client: Client, stranger: Client) -> None:
    await stranger.connect("WHATSAPP", "sandbox", {})
    found = await stranger.data("{ platformConnections { accountId } }")
    before = await written(client)

    theirs = await client.refused(_BORROW, a=found["platformConnections"][0]["accountId"])
    nobodys = await client.refused(_BORROW, a=str(uuid4()))

    assert theirs["code"] == nobodys["code"] == "NOT_FOUND"
    assert theirs["message"] == nobodys["message"]
    assert await written(client) == before


async def test_a_cursor_of_somebody_else_only_says_where_to_go_on(
    client: Client, foreign: Foreign, stranger: Client
) -> None:
    del foreign
    page = await stranger.data("{ events(first: 1) { pageInfo { endCursor } } }")
    query = "query($after: String) { events(after: $after) { edges { node { id } } } }"

    found = await client.data(query, after=page["events"]["pageInfo"]["endCursor"])

    assert found["events"]["edges"] == []


@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", base64.b64encode(b"E1" + bytes(15)).decode(), "\u2603" * 24]
)
@pytest.mark.parametrize("name", ["events", "users", "platformUsers", "webhookDeliveries"])
@pytest.mark.usefixtures("untouched")
async def test_a_bad_cursor_is_refused(client: Client, lines: Lines, name: str, cursor: str) -> None:
    answered = await client.request(
        _request("query($after: String) { %s(after: $after) { edges { cursor } } }" % name, after=cursor)  # noqa: UP031
    )

    error = _check_envelope(answered, 200, "VALIDATION_ERROR", 400)
    assert error["path"] == [name]
    assert "cursor" in lines[-1]["reason"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"type": "Order Placed"}, "event type"),
        ({"type": "message.inbound"}, "reserved"),
        ({"type": "system.x"}, "reserved"),
        ({"type": ""}, "event type"),
        ({"type": "x" * 256}, "255"),
        ({"payload": {"n": 2**70}}, "64 bits"),
        (
            {"edges": [{"edgeType": "a b", "targetNodeType": "EVENT", "targetNodeId": str(uuid4())}]},
            "edge type",
        ),
        ({"key": ""}, "key"),
        ({"key": "k" * 256}, "key"),
    ],
)
@pytest.mark.usefixtures("untouched")
async def test_an_event_that_may_not_be(
    client: Client, lines: Lines, changed: dict[str, Any], said: str
) -> None:
    refused = await client.refused(_CREATE, **{"type": "order.placed", "payload": {}, **changed})

    assert refused["code"] in {"VALIDATION_ERROR", "PAYLOAD_TOO_LARGE"}
    assert said in refused["message"]
    assert lines[-1]["outcome"] == "refused"
    assert said in lines[-1]["reason"]


@pytest.mark.parametrize(
    "variables",
    [
        {"name": "x", "provider": "telegram", "channel": "TELEGRAM", "config": {}},
        {"name": "x", "provider": "telegram", "channel": "TELEGRAM", "config": {"bot_token": 7}},
        {
            "name": "x",
            "provider": "telegram",
            "channel": "TELEGRAM",
            "config": {"bot_token": "1:a", "colour": 1},
        },
        {"name": "x", "provider": "telegram", "channel": "EMAIL", "config": {"bot_token": "1:a"}},
        {"name": "x", "provider": "carrier-pigeon", "channel": "EMAIL", "config": {}},
        {"name": "x", "provider": "sandbox", "channel": "EMAIL", "config": []},
        {
            "name": "x",
            "provider": "sandbox",
            "channel": "EMAIL",
            "config": {"api_base_url": "file:///etc/passwd"},
        },
        {"name": " ", "provider": "sandbox", "channel": "EMAIL", "config": {}},
        {"name": "x" * 1_000, "provider": "sandbox", "channel": "EMAIL", "config": {}},
        {"name": "x", "provider": "sandbox", "channel": "EMAIL", "config": {}, "identifier": "Not A Slug!"},
    ],
)
@pytest.mark.usefixtures("untouched")
async def test_a_connection_that_may_not_be(client: Client, variables: dict[str, Any]) -> None:
    refused = await client.refused(
        """mutation($name: String!, $provider: String!, $channel: PlatformName!, $config: JSON, $identifier: String) {
          createPlatformConnection(platformName: $channel, provider: $provider, name: $name, config: $config,
            identifier: $identifier) { id } }""",
        **variables,
    )

    assert refused["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "ftp://example.org/"},
        {"url": "https://user:pass@example.org/"},
        {"url": "nonsense"},
        {"patterns": []},
        {"patterns": ["*.inbound"]},
        {"patterns": ["a b"]},
        {"patterns": ["a"] * 101},
        {"secret": "short"},
        {"secret": "whsec_" + "!" * 40},
        {"name": ""},
    ],
)
@pytest.mark.usefixtures("untouched")
async def test_a_subscription_that_may_not_be(client: Client, lines: Lines, changed: dict[str, Any]) -> None:
    usual = {"name": "x", "url": "https://example.org/", "patterns": ["*"], "secret": None}

    refused = await client.refused(
        """mutation($name: String!, $url: String!, $patterns: [String!]!, $secret: String) {
          createWebhookSubscription(name: $name, targetUrl: $url, eventPatterns: $patterns, secret: $secret) {
            id } }""",
        **{**usual, **changed},
    )

    assert refused["code"] == "VALIDATION_ERROR"
    if "secret" in changed:
        assert changed["secret"] not in json.dumps([refused, lines])


@pytest.fixture
async def poisonous(client: Client) -> AsyncGenerator[None]:
    """A database that chokes on one word, as it does on data that slipped through every check."""
    pool = client.server.runtime.database.system
    await pool.execute(_REFUSE)
    yield
    await pool.execute(_ALLOW)


@pytest.mark.usefixtures("poisonous")
async def test_one_poisoned_item_among_two_hundred_fails_alone(
    client: Client, lines: Lines, connection: str
) -> None:
    async def send(number: int) -> dict[str, Any]:
        text = "poisoned barrel" if number == 77 else f"barrel {number}"
        return await client.graphql(_SEND, c=connection, text=text)

    answers = await asyncio.gather(*(send(number) for number in range(200)))

    bad = [number for number, answer in enumerate(answers) if "errors" in answer]
    assert bad == [77]
    error = answers[77]["errors"][0]
    assert error["extensions"]["code"] == "INTERNAL_ERROR"
    assert "barrel" not in error["message"]
    assert {answer["data"]["sendMessage"]["status"]["state"] for answer in answers[:77]} == {"sent"}
    assert (await written(client))["messages"] == 199
    assert [line["reason"] for line in lines if line["event"] == "append.poisoned"] == ["poison"]


@pytest.mark.usefixtures("poisonous")
async def test_one_poisoned_item_of_a_list_has_an_answer_of_its_own(client: Client, connection: str) -> None:
    inputs = [
        {"platformConnectionId": connection, "toExternalId": "ada", "message": text}
        for text in ("first", "poisoned barrel", "third")
    ]

    found = await client.data(
        "mutation($i: [SendMessageInput!]!) { sendMessages(inputs: $i) { message { id } error { code } } }",
        i=inputs,
    )

    assert [(one["error"] or {}).get("code") for one in found["sendMessages"]] == [
        None,
        "INTERNAL_ERROR",
        None,
    ]


async def test_two_hundred_requests_of_which_some_are_nonsense(client: Client, connection: str) -> None:
    nonsense = [
        b"{",
        _request(_SEND, c=connection, text="nul").replace(b"nul", rb"\u0000"),
        _request(_SEND, c=str(uuid4()), text="x"),
        _request("{ nothing }"),
    ]

    async def send(number: int) -> Answered:
        is_odd = number % 50 == 0
        return await client.request(
            nonsense[number // 50] if is_odd else _request(_SEND, c=connection, text=f"No. {number}")
        )

    answers = await asyncio.gather(*(send(number) for number in range(200)))

    refused = {number for number, answer in enumerate(answers) if "errors" in answer.json()}
    assert refused == {0, 50, 100, 150}
    assert (await written(client))["messages"] == 196


@dataclass(frozen=True)
class Door:
    """The address for a platform's webhooks."""

    client: Client
    path: str

    async def knock(self, body: Any, *, method: str = "POST", path: str | None = None) -> Answered:
        headers = {"authorization": "", "content-type": "application/json"}
        return await self.client.request(body, method=method, path=path or self.path, headers=headers)


@pytest.fixture
async def door(client: Client) -> Door:
    made = await client.connect("TELEGRAM", "sandbox", {})
    return Door(client, urlsplit(made["webhookUrl"]).path)


@pytest.mark.usefixtures("untouched_behind_the_door")
async def test_strangers_at_the_door_are_all_told_the_same(client: Client, door: Door, lines: Lines) -> None:
    _, _, webhook_id, secret = door.path.split("/")
    body = b'{"messages": [{"from": "ada", "text": "let me in"}]}'
    attempts = [
        f"/webhooks/{webhook_id}/{secret[:-1]}",
        f"/webhooks/{webhook_id}/{secret}x",
        f"/webhooks/{webhook_id}/",
        f"/webhooks/{webhook_id}",
        f"/webhooks/{uuid4()}/{secret}",
        f"/webhooks/no-id/{secret}",
        f"/webhooks/{webhook_id}/{secret}/more",
        f"/webhooks/{webhook_id}/%00%ff{secret}",
    ]

    answers = [await door.knock(body, path=path) for path in attempts]

    assert [answer.status for answer in answers] == [401] * len(attempts)
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].json()["error"]["code"] == "UNAUTHORIZED"
    refusals = [line for line in lines if line["event"] == "webhook.refused"]
    assert len(refusals) == len(attempts)
    assert {(line["outcome"], line["status"], line["code"]) for line in refusals} == {
        ("refused", 401, "UNAUTHORIZED")
    }
    assert secret not in json.dumps(lines)
    assert await client.data("{ application { id } }")


@pytest.fixture
async def untouched_behind_the_door(client: Client, door: Door) -> AsyncGenerator[None]:
    """Nothing of the client's was written by the test, once the door was made."""
    del door
    before = await written(client)
    yield
    assert await written(client) == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.usefixtures("untouched_behind_the_door")
async def test_the_door_takes_post_only(door: Door, method: str) -> None:
    answered = await door.knock(b"{}", method=method)

    assert answered.status == 405
    assert answered.headers["Allow"] == "POST"


@pytest.mark.parametrize("is_chunked", [False, True], ids=["announced", "in chunks"])
@pytest.mark.usefixtures("untouched_behind_the_door")
async def test_five_megabytes_are_too_much_for_the_door(door: Door, lines: Lines, is_chunked: bool) -> None:
    body = b'{"messages": [{"from": "ada", "text": "' + b"x" * 5_000_000 + b'"}]}'

    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    try:
        answered = await door.knock(pieces() if is_chunked else body)
    except ConnectionError:
        answered = None

    if answered is not None:
        assert answered.status == 413
    (line,) = [line for line in lines if line["event"] == "webhook.refused"]
    assert (line["status"], line["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\xff\xfe\xfd",
        b"null",
        b"[[[[",
        b"[" * 100_000,
        b'{"messages": 7}',
        b'{"something": "else"}',
        b'{"messages": [{"from": {"a": 1}, "text": []}]}',
        b'{"receipts": [{"message_id": "x", "state": "eaten"}]}',
        b'{"messages": [{"from": "' + b"a" * 300 + b'", "text": "x"}]}',
        json.dumps({"messages": [{"from": "ada", "text": None}]}).encode("utf-16"),
    ],
)
async def test_junk_with_the_right_secret_is_kept_and_acknowledged(
    client: Client, door: Door, body: bytes
) -> None:
    answered = await door.knock(body)

    assert answered.status == 200
    kept = await client.events(UNRECOGNISED)
    assert await client.events("message.inbound") == []
    if body == b'{"messages": 7}':
        assert kept == []
    else:
        assert [base64.b64decode(event["raw"]["base64"]) for event in kept] == [body]


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "yesterday", "", None, 7, "1e99"]
)
async def test_an_odd_time_of_a_receipt_is_no_reason_to_lose_it(
    client: Client, door: Door, at: object
) -> None:
    found = await client.data("{ platformConnections { id } }")
    sent = await client.send(found["platformConnections"][0]["id"], "ada")
    receipt = {"id": "r", "message_id": sent["status"]["externalMessageId"], "state": "read", "at": at}

    answered = await door.knock(json.dumps({"receipts": [receipt]}).encode())

    assert answered.status == 200
    children = await client.children(sent["id"], "message.sent", "message.read")
    message = await client.event(sent["id"])
    read_at = message["payload"]["read_at"]
    assert read_at == children[-1]["payload"]["read_at"]
    # a time that cannot be right is that of its arrival
    assert message["createdAt"] <= read_at < "2100"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["messages", "receipts", "from", "text", "id", "message_id", "state", "at", "name"]
                )
                | st.text(max_size=5),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
async def test_whatever_a_platform_posts_is_answered_200(client: Client, door: Door, body: bytes) -> None:
    answered = await door.knock(body)

    assert answered.status == 200, answered.body


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=st.text(max_size=30),
    recipient=st.text(max_size=300),
    metadata=st.none()
    | st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.floats()),
    key=st.none() | st.text(max_size=300),
    scheduled_at=st.none() | st.datetimes().map(lambda found: found.isoformat() + "Z") | st.text(max_size=5),
)
async def test_whatever_is_asked_to_be_sent_is_taken_or_refused(
    client: Client, connection: str, **asked: object
) -> None:
    answered = await client.graphql(
        """mutation($c: UUID!, $recipient: String!, $text: String!, $metadata: JSON, $key: String,
            $scheduled_at: DateTime) {
          sendMessage(platformConnectionId: $c, toExternalId: $recipient, message: $text, metadata: $metadata,
            idempotencyKey: $key, scheduledAt: $scheduled_at, wait: false) { id status { state } } }""",
        c=connection,
        **asked,
    )

    if "errors" in answered:
        code = answered["errors"][0]["extensions"]["code"]
        assert code in {"VALIDATION_ERROR", "IDEMPOTENCY_CONFLICT"}, answered
    else:
        assert answered["data"]["sendMessage"]["status"]["state"] in {"accepted", "sent", "failed"}


async def test_a_stranger_is_turned_away_before_its_body_is_read(client: Client, connection: str) -> None:
    del connection
    parts = urlsplit(client.server.base_url)
    for path in (f"/webhooks/{uuid4()}/secret", "/webhooks/nobody/here", "/"):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n"
        writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()
