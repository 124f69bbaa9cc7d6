"""Whatever is given to whatever route: it is never our fault, and what is refused leaves nothing behind.

Routes, bodies and parameters are those of the OpenAPI document, so that a new one is covered by itself.
"""

import json
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.surfaces.developer_rest.openapi import served_openapi
from tests.clients import Server, new_client
from tests.surfaces.developer_rest.rest import MISSING, Rest

DOCUMENT: dict[str, Any] = json.loads(served_openapi())
OPERATIONS = [
    pytest.param(method.upper(), path, operation, id=operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
_TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "x",
            "\0",
            "x" * 300,
            "message.inbound",
            "order.created",
            "https://127.0.0.1/hook",
            "http://",
        ]
    ),
    st.sampled_from(["1234-5678-9012-5924", "+14155551234", "🌊" * 90, "\u202e\ufeff", "info", "custom."]),
    st.text(max_size=20),
)
_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXTS
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from(["type", "required", "auto_mark_read", "text", "$ref"]), _TEXTS),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)
_FORMATS = {
    "date-time": st.sampled_from(
        ["2024-01-15T10:30:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "x"]
    ),
    "uri": st.sampled_from(["https://127.0.0.1:9/x", "http://", "ftp://x", "https://[::1", "x"]),
}
_NUMBERS = st.one_of(st.integers(-5, 50), st.sampled_from([2**31 - 1, 2**31, -(2**31), 2**70, 1.5, 2.0]))


def junk(schema: dict[str, Any], ids: list[str]) -> st.SearchStrategy[Any]:
    """Values for a schema: many of them fit it, and few make sense."""
    types = schema.get("type", "any")
    kind = types[0] if isinstance(types, list) else types
    if "enum" in schema:
        return st.sampled_from([*schema["enum"], "JUNK", None, 5])
    match kind:
        case "object" if "properties" in schema:
            parts = {name: junk(part, ids) for name, part in schema["properties"].items()}
            required = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {name: part for name, part in parts.items() if name in required},
                optional={name: part for name, part in parts.items() if name not in required}
                | {"unknown": st.just(1)},
            )
        case "array":
            return st.one_of(st.lists(junk(schema.get("items", {}), ids), max_size=3), _JSON)
        case "integer":
            return st.one_of(_NUMBERS, st.none(), st.booleans())
        case "boolean":
            return st.sampled_from([True, False, None, "true"])
        case "string" if schema.get("format") == "uuid":
            return st.one_of(st.sampled_from(ids), st.sampled_from(["", "x", "pc_", 5, None]))
        case "string":
            return st.one_of(_FORMATS.get(schema.get("format", ""), _TEXTS), st.none())
        case _:
            return _JSON


@pytest.fixture(scope="module")
async def rest(server: Server) -> Rest:
    """An application of its own: what it holds afterwards is anybody's guess."""
    return Rest(await new_client(server))


@pytest.fixture(scope="module")
async def ids(rest: Rest) -> list[str]:
    """Ids of every kind of thing, and of none."""
    connection = await rest.connect()
    person = await rest.post(
        "/platform-users", {"platform_connection_id": connection, "external_id": "+14155551234"}
    )
    schema = await rest.post("/event-schemas", {"name": "order.created", "json_schema": {"required": ["a"]}})
    subscription = await rest.post(
        "/webhook-subscriptions",
        {"name": "x", "target_url": "http://127.0.0.1:9/", "event_patterns": ["none"]},
    )
    event = await rest.post("/events", {"event_type": "x", "payload": {}})
    sent = await rest.send(connection)
    things = (person, schema, subscription, event, sent)
    return [MISSING, connection, person["user_id"], *(one["id"] for one in things)]


async def count_facts(rest: Rest) -> int:
    """Every change leaves an event: in the application's log, or in its organisation's."""
    client = rest.client
    applications = [client.tenant.application_id, client.tenant.hidden_application_id]
    count = await client.server.runtime.database.system.fetchval(
        "select count(*) from events where application_id = any ($1)", applications
    )
    return int(count)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_request_breaks(
    rest: Rest, ids: list[str], method: str, path: str, operation: dict[str, Any], data: st.DataObject
) -> None:
    body = b""
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        # not with orjson: there are integers beyond 64 bits
        body = json.dumps(data.draw(st.one_of(junk(schema, ids), junk(schema, ids), _JSON))).encode()
    target = path.removeprefix("/v1")
    parameters: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        value = data.draw(junk(parameter["schema"], ids), label=parameter["name"])
        if parameter["in"] == "path":
            place = value if data.draw(st.integers(0, 9)) == 0 else data.draw(st.sampled_from(ids))
            target = target.replace("{id}", quote(str(place), safe=""))
        elif parameter["in"] == "query" and data.draw(st.integers(0, 3)) == 0:
            parameters[parameter["name"]] = str(value)
    query = f"?{urlencode(parameters)}" if parameters else ""
    before = await count_facts(rest)

    answered = await rest.call(method, target + query, body)

    assert str(answered.status) in operation["responses"], (answered.body, body, target)
    if answered.status >= 400:
        error = orjson.loads(answered.body)["error"]
        assert error["code"] not in {"INTERNAL_ERROR", "UNAVAILABLE"}, (answered.body, body)
        assert "eventType" not in error["message"]
        assert await count_facts(rest) == before, (answered.body, body)
    elif method == "GET":
        assert await count_facts(rest) == before


@pytest.mark.parametrize(
    ("method", "path", "operation"), [one for one in OPERATIONS if "{id}" in str(one.values[1])]
)
async def test_a_foreign_id_in_a_path_answers_as_a_missing_one(
    rest: Rest, ids: list[str], server: Server, method: str, path: str, operation: dict[str, Any]
) -> None:
    stranger = Rest(await new_client(server))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")

    answers = []
    for wanted in (*ids[1:], MISSING):
        answered = await stranger.call(method, path.removeprefix("/v1").replace("{id}", wanted), body)
        answers.append((answered.status, answered.body.replace(wanted.encode(), b"<id>")))

    assert {status for status, _ in answers} == {404}
    assert len(set(answers)) == 1, answers
