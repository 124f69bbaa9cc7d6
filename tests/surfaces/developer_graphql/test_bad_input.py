"""Whatever comes in gets its documented error, nothing is written, and never is it our fault."""

import json

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.surfaces import graphql_limits as limits
from tests.surfaces.developer_graphql.door import Door
from tests.surfaces.developer_graphql.stage import Stage

NOWHERE = "00000000-0000-7000-8000-000000000000"
_LOOP = "query { ...A } fragment A on Query { ...B } fragment B on Query { ...A }"
_DEEP = "{ event(id: %s) { id %s } }" % (json.dumps(NOWHERE), "originEvent { " * 12 + "id" + " }" * 12)  # noqa: UP031
_ALIASES = "{ " + " ".join(f"a{number}: __typename" for number in range(501)) + " }"
_BOMB = "query { ...F0 } " + " ".join(
    f"fragment F{number} on Query {{ a: application {{ id }} ...F{number + 1} ...F{number + 1} }}"
    for number in range(60)
)
_BOMB += " fragment F60 on Query { __typename }"
_WIDE = (
    "{ events(first: 200) { edges { node { childEvents { childEvents { childEvents { id payload } } } } } } }"
)
_SEND = 'mutation { sendMessage(platformConnectionId: %s, toExternalId: "x", message: "y") { id } }'


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"{", "not valid JSON"),
        (b"\xff", "not UTF-8"),
        (b"null", "must be a JSON object"),
        (b'"{ __typename }"', "must be a JSON object"),
        (b'[{"query": "{ __typename }"}]', "one request at a time"),
        (b"{}", "member query"),
        (b'{"query": 1}', "member query"),
        (b'{"query": "  "}', "member query"),
        (b'{"query": "{ __typename }", "variables": []}', "member variables"),
        (b'{"query": "{ __typename }", "operationName": 1}', "member operationName"),
        (b'{"query": "{ __typename }", "extensions": []}', "member extensions"),
        (b'{"query": "{ __typename }", "surprise": 1}', "unknown members: 'surprise'"),
        (b'{"query": "{ __typename }", "operationName": "Other"}', "no operation named"),
        (b'{"query": "query A { __typename } query B { __typename }"}', "several operations"),
        (b'{"query": "fragment A on Query { __typename }"}', "never used"),
        (b'{"query": "{"}', "Syntax Error"),
        (b'{"query": "{ nothing }"}', "Cannot query field"),
        (b'{"query": "{ event { id } }"}', "is required"),
        (b'{"query": "{ event(id: 5) { id } }"}', "not a string"),
        (b'{"query": "{ event(id: \\"zz\\") { id } }"}', "not an id"),
        (b'{"query": "{ application }"}', "must have a selection"),
        (b'{"query": "{ __typename } # \\u0000"}', "NUL"),
        (b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}', "JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": "\\u0000"}}', "NUL"),
        (b'{"query": "subscription { a }"}', "ubscription"),
        (orjson.dumps({"query": _LOOP}), "Cannot spread fragment"),
        (orjson.dumps({"query": _DEEP}), "levels deep"),
        (orjson.dumps({"query": _ALIASES}), "more than 500 fields"),
        (orjson.dumps({"query": _BOMB}), "more than 500 fields"),
        (orjson.dumps({"query": "{ a " * 5000}), "Syntax Error"),
        (orjson.dumps({"query": "{ " + "a " * 5001 + "}"}), "tokens"),
        (orjson.dumps({"query": "#" * (limits.MOST_BYTES + 1)}), "characters"),
        (
            b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}",
            "nested too deeply",
        ),
        (
            orjson.dumps(
                {"query": "query($n: Int) { events(first: $n) { totalCount } }", "variables": {"n": "1"}}
            ),
            "$n",
        ),
        (
            orjson.dumps(
                {"query": "query($i: UUID!) { event(id: $i) { id } }", "variables": {"i": "x" * 9999}}
            ),
            "not an id",
        ),
        (orjson.dumps({"query": "query($i: UUID!) { event(id: $i) { id } }"}), "$i"),
        (
            orjson.dumps(
                {
                    "query": "query($f: EventFilters) { events(filters: $f) { totalCount } }",
                    "variables": {"f": {"surprise": 1}},
                }
            ),
            "surprise",
        ),
        (
            orjson.dumps(
                {
                    "query": "query($f: EventFilters) { events(filters: $f) { totalCount } }",
                    "variables": {"f": {"createdAt": {"gte": "2024-01-15T10:30:00"}}},
                }
            ),
            "not a moment",
        ),
    ],
)
async def test_no_request_at_all(door: Door, body: bytes, why: str) -> None:
    got = await door.knock(body)

    assert (got.status, got.code) == (400, "VALIDATION_ERROR"), got.body
    assert got.error["extensions"]["http"] == {"status": 400}
    assert why in got.error["message"]
    assert got.line["outcome"] == "refused"
    assert got.line["code"] == "VALIDATION_ERROR"
    assert why in got.line["reason"]


@pytest.mark.parametrize(
    ("query", "variables", "code", "status"),
    [
        ("{ events(first: 0) { totalCount edges { cursor } } }", {}, "VALIDATION_ERROR", 400),
        ("{ events(first: 201) { edges { cursor } } }", {}, "VALIDATION_ERROR", 400),
        ("{ events(first: -1) { edges { cursor } } }", {}, "VALIDATION_ERROR", 400),
        ('{ events(after: "junk") { edges { cursor } } }', {}, "VALIDATION_ERROR", 400),
        ('{ events(before: "junk") { edges { cursor } } }', {}, "VALIDATION_ERROR", 400),
        ("{ users(last: 0) { edges { cursor } } }", {}, "VALIDATION_ERROR", 400),
        ("{ logs(last: 201) { edges { cursor } } }", {}, "VALIDATION_ERROR", 400),
        ("{ events(first: 1, last: 1) { totalCount } }", {}, "VALIDATION_ERROR", 400),
        # nothing of the page is wanted, and so nothing of it is sent to the database
        ("{ events(first: 0) { totalCount } }", {}, "VALIDATION_ERROR", 400),
        ('{ users(after: "junk") { totalCount } }', {}, "VALIDATION_ERROR", 400),
        ('{ logs(before: "junk") { __typename } }', {}, "VALIDATION_ERROR", 400),
        (
            "query($n: Int) { webhookDeliveries(last: $n) { totalCount } }",
            {"n": 201},
            "VALIDATION_ERROR",
            400,
        ),
        (
            "{ platformUsers { edges { node { events(first: 0) { edges { cursor } } } } } }",
            {},
            "VALIDATION_ERROR",
            400,
        ),
        (
            '{ conversations(after: "RTEBofdNriRwAIAAAAAAAYag") { edges { cursor } } }',
            {},
            "VALIDATION_ERROR",
            400,
        ),
        (f'{{ provenance(eventId: "{NOWHERE}", depth: 6) {{ isComplete }} }}', {}, "VALIDATION_ERROR", 400),
        ('mutation { updateEventSchema(description: "x") { id } }', {}, "VALIDATION_ERROR", 400),
        ('{ users(after: "RTEBofdNriRwAIAAAAAAAYag") { edges { cursor } } }', {}, "VALIDATION_ERROR", 400),
        (
            '{ events(filters: { eventType: { equals: "\\u0000" } }) { edges { cursor } } }',
            {},
            "VALIDATION_ERROR",
            400,
        ),
        (_WIDE, {}, "VALIDATION_ERROR", 400),
        (f'query($i: UUID = "{NOWHERE}") {{ event(id: $i) {{ id }} }}', {"i": None}, "VALIDATION_ERROR", 400),
        (
            'mutation($t: String = "x") { createEvent(eventType: $t, payload: {}) { id } }',
            {"t": None},
            "VALIDATION_ERROR",
            400,
        ),
        (_SEND % json.dumps(NOWHERE), {}, "NOT_FOUND", 404),
        ('mutation { cancelMessage(id: "%s") { id } }' % NOWHERE, {}, "NOT_FOUND", 404),  # noqa: UP031
        ("mutation { sendMessages(inputs: []) { message { id } } }", {}, "VALIDATION_ERROR", 400),
        ('mutation { createEvent(eventType: "user.x", payload: {}) { id } }', {}, "VALIDATION_ERROR", 400),
        ('mutation { createEvent(eventType: "x", payload: "\\u0000") { id } }', {}, "VALIDATION_ERROR", 400),
        ('mutation { createEvent(eventType: "x", payload: {a: 1e999}) { id } }', {}, "VALIDATION_ERROR", 400),
        (
            'mutation { createEvent(eventType: "x", payload: {}, originEventId: "%s") { id } }' % NOWHERE,  # noqa: UP031
            {},
            "NOT_FOUND",
            404,
        ),
        (
            'mutation { createPlatformConnection(platformName: SMS, provider: "none", name: "x") { id } }',
            {},
            "VALIDATION_ERROR",
            400,
        ),
        (
            'mutation { createWebhookSubscription(name: "x", targetUrl: "ftp://x", eventPatterns: ["*"]) { id } }',
            {},
            "VALIDATION_ERROR",
            400,
        ),
    ],
)
async def test_a_field_that_cannot_be_answered(
    door: Door, query: str, variables: dict[str, object], code: str, status: int
) -> None:
    before = await door.count_events()

    got = await door.ask(query, **variables)

    if (
        got.status == 400
    ):  # a variable that is null where it may not be is refused before anything is carried out
        assert "$i" in got.error["message"]
        return
    assert (got.status, got.code) == (200, code), got.body
    assert got.error["extensions"]["http"] == {"status": status}
    assert orjson.loads(got.body)["data"] is None
    assert len(got.error["path"]) == 1
    assert got.error["locations"][0]["line"] == 1
    assert got.line["code"] == code
    assert got.line["reason"] == got.error["message"]
    assert await door.count_events() == before


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer otr_live_x", "Bearer otr_live_" + "x" * 48],
)
async def test_nobody(door: Door, authorization: str | None) -> None:
    got = await door.knock({"query": "{ __typename }"}, authorization=authorization)

    assert (got.status, got.code) == (401, "UNAUTHORIZED")
    assert got.error["extensions"]["http"] == {"status": 401}
    assert got.headers[b"www-authenticate"] == b"Bearer"
    assert got.line["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    ("scopes", "query"),
    [
        (("users:read",), "{ application { id } }"),
        (("users:read",), "{ __typename events { totalCount } }"),
        (("users:read",), "{ platformUsers { edges { node { platformConnection { id } } } } }"),
        (("events:read",), "{ users { totalCount } }"),
        (("events:read",), "{ platformUsers { totalCount } }"),
        (("events:read",), "{ events { edges { node { edges { targetUser { platformUsers { id } } } } } } }"),
        (("events:read",), "{ events { edges { node { raw { size } } } } }"),
        (("users:read",), "{ platformUsers { edges { node { events { totalCount } } } } }"),
        (("users:read",), "{ conversations { edges { cursor } } }"),
        (("users:read",), f'{{ provenance(eventId: "{NOWHERE}") {{ isComplete }} }}'),
        (("users:read",), "{ eventSchemas { name } }"),
        (("events:read", "logs:write"), "{ logs { edges { cursor } } }"),
        (("logs:read",), "{ logs { edges { node { event { id } } } } }"),
        (("events:read", "logs:read"), 'mutation { createLog(message: "x") { id } }'),
        (("users:read", "events:write"), "mutation { createUser { id } }"),
        (
            ("users:read", "events:write"),
            f'mutation {{ generateLinkCode(platformUserId: "{NOWHERE}") {{ code }} }}',
        ),
        (("events:read",), f'mutation {{ markConversationRead(id: "{NOWHERE}") {{ id }} }}'),
        (("events:read",), 'mutation { createEventSchema(name: "x", jsonSchema: true) { id } }'),
        (("events:write",), 'mutation { updateApplication(name: "x") { id } }'),
        (("events:write",), f'mutation {{ deletePlatformConnection(id: "{NOWHERE}") {{ id }} }}'),
        (("events:write",), f'mutation {{ retryWebhookDelivery(id: "{NOWHERE}") {{ id }} }}'),
        (("events:read", "users:read"), _SEND % json.dumps(NOWHERE)),
        (("events:read",), 'mutation { createEvent(eventType: "x", payload: {}) { id } }'),
        (("events:write",), 'mutation { createPlatformConnection(platformName: SMS, name: "x") { id } }'),
        (
            ("events:write",),
            'mutation { createWebhookSubscription(name: "x", targetUrl: "https://x", eventPatterns: ["*"]) { id } }',
        ),
    ],
)
async def test_a_key_that_may_not(door: Door, scopes: tuple[str, ...], query: str) -> None:
    before = await door.count_events()

    got = await (await door.with_scopes(*scopes)).ask(query)

    assert (got.status, got.code) == (200, "FORBIDDEN"), got.body
    assert got.error["extensions"]["http"] == {"status": 403}
    assert "lacks the scope" in got.line["reason"]
    assert await door.count_events() == before


@pytest.mark.parametrize(
    ("scopes", "query"),
    [
        (
            ("events:read",),
            "{ events { edges { node { edges { targetPlatformUser { id user { id } } } } } } }",
        ),
        (("events:read",), "{ webhookSubscriptions { id } webhookDeliveries { pageInfo { endCursor } } }"),
        (("users:read",), "{ users { edges { node { platformUsers { id } } } } }"),
        (("logs:read",), "{ logs { edges { node { id eventId } } } }"),
        (
            ("events:read",),
            "{ conversations { edges { node { platformUser { name } participants { id } } } } }",
        ),
        (("users:write",), 'mutation { createUser(name: "x") { id name } }'),
        (("logs:write",), 'mutation { createLog(message: "x") { id message } }'),
        (("events:write",), 'mutation { createEvent(eventType: "x", payload: {}) { id edges { id } } }'),
    ],
)
async def test_a_key_that_may(door: Door, scopes: tuple[str, ...], query: str) -> None:
    got = await (await door.with_scopes(*scopes)).ask(query)

    assert got.status == 200
    assert "errors" not in orjson.loads(got.body)
    assert got.line["outcome"] == "ok"


async def test_a_refused_second_field_keeps_the_first_from_happening(door: Door) -> None:
    some = await door.with_scopes("events:write")
    before = await door.count_events()

    got = await some.ask(
        'mutation { createEvent(eventType: "x", payload: {}) { id } '
        'createPlatformConnection(platformName: SMS, name: "x") { id } }'
    )

    assert got.code == "FORBIDDEN"
    assert got.error["path"] == ["createPlatformConnection"]
    assert await door.count_events() == before


async def test_the_application_header(door: Door) -> None:
    own = await door.knock({"query": "{ __typename }"}, x_outeract_app_id=f"app_{door.tenant.application_id}")
    foreign = await door.knock({"query": "{ __typename }"}, x_outeract_app_id=NOWHERE)
    junk = await door.knock({"query": "{ __typename }"}, x_outeract_app_id="junk")

    assert own.body == b'{"data":{"__typename":"Query"}}'
    assert (foreign.status, foreign.code) == (200, "FORBIDDEN")
    assert (junk.status, junk.code) == (200, "FORBIDDEN")


async def test_what_http_refuses(door: Door) -> None:
    body = {"query": "{ __typename }"}

    assert (await door.knock(body, method="GET")).status == 405
    assert (await door.knock(body, method="PUT")).headers[b"allow"] == b"POST"
    assert (await door.knock(body, content_type="text/plain")).status == 415
    assert (await door.knock(body, content_type=None)).status == 415
    assert (await door.knock(body, content_type="application/json; charset=utf-8")).status == 200
    large = await door.knock(b" " * (1024 * 1024 + 1))
    assert (large.status, large.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_the_request_id_comes_back(door: Door) -> None:
    body = {"query": "{ __typename }"}

    assert (await door.knock(body, x_request_id="abc-1")).headers[b"x-request-id"] == b"abc-1"
    made = (await door.knock(body, x_request_id="<script>")).headers[b"x-request-id"]
    assert made != b"<script>"
    assert len(made) == 16


async def test_the_line_of_a_request_says_who_and_what(door: Door) -> None:
    got = await door.ask("query Find { application { id } }")

    assert got.line["operation"] == "Find"
    assert got.line["application_id"] == str(door.tenant.application_id)
    assert got.line["status"] == 200
    assert got.line["duration_ms"] >= 0


async def test_a_fault_of_ours_is_told_without_details(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(*_: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(door.endpoint, "_carry_out", break_down)

    got = await door.ask("{ application { id } }")

    assert (got.status, got.code) == (200, "INTERNAL_ERROR")
    assert got.error["extensions"]["http"] == {"status": 500}
    assert b"secret" not in got.body


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.text() | st.integers(),
            lambda inner: (
                st.lists(inner) | st.dictionaries(st.sampled_from(["query", "variables", "a"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
async def test_any_body_is_refused_and_never_our_fault(door: Door, body: bytes) -> None:
    got = await door.knock(body)

    assert (got.status, got.code) == (400, "VALIDATION_ERROR")


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_broken_queries_are_never_our_fault(door: Door, stage: Stage, data: st.DataObject) -> None:
    text, variables = data.draw(stage.queries)
    cut = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 12))
    junk = data.draw(
        st.sampled_from(["", "{", "}", '"', "null", "$v1", "[", "-1", '"\\u0000"', "...", "@skip", "id"])
    )
    broken = text[:cut] + junk + text[cut + length :]

    got = await door.knock({"query": broken or "-", "variables": variables})

    assert got.status in {200, 400}
    assert b"INTERNAL_ERROR" not in got.body
