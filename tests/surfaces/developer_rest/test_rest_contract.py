"""The examples of the contract as they are printed, but for the ids, and what the OpenAPI document promises."""

import gc
import json
import re
from typing import Any, cast

import pytest
from jsonschema_rs import Draft202012Validator

from outrider.surfaces.developer_graphql.mutations import MUTATIONS
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.surfaces.developer_rest.documents import Document
from outrider.surfaces.developer_rest.names import snake
from outrider.surfaces.developer_rest.openapi import served_openapi
from outrider.surfaces.developer_rest.table import ROUTES
from tests.clients import Server, new_client
from tests.surfaces.developer_rest.nulls import fill
from tests.surfaces.developer_rest.rest import MISSING, Rest
from tests.surfaces.developer_rest.test_rest_resources import person_of

DOCUMENT: dict[str, Any] = json.loads(served_openapi())
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ROUTED = {route.name for route in ROUTES}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that stands for itself."""
    return {**schema, "components": {"schemas": SCHEMAS}}


async def test_create_an_event_as_documented(rest: Rest) -> None:
    person = await person_of(rest)
    printed = (
        '{"event_type":"order.created","payload":{"order_id":"order_8812"},"edges":[{"edge_type":"placed_by",'
        '"target_node_type":"platform_user","target_node_id":"pu_abc123"}]}'
    )

    created = await rest.post("/events", printed.replace("abc123", person).encode())

    assert created["event_type"] == "order.created"
    assert created["edges"][0]["target_node_id"] == person


async def test_make_a_link_code_as_documented(rest: Rest) -> None:
    person = await person_of(rest)
    printed = '{"platform_user_id":"pu_abc123","expiry_minutes":15,"max_uses":1}'

    made = await rest.post("/link-codes", printed.replace("abc123", person).encode())

    assert list(made) == ["code", "expires_at", "event_id"]
    assert re.fullmatch(r"\d{4}-\d{4}-\d{4}-\d{4}", made["code"])
    event = await rest.get(f"/events/{made['event_id']}")
    assert event["event_type"] == "link_code.generated"
    assert event["payload"]["code"] == made["code"]


async def test_subscribe_as_documented(rest: Rest) -> None:
    own = str(rest.client.tenant.application_id)
    body = {
        "name": "My webhook",
        "target_url": "https://example.com/webhook",
        "event_patterns": ["message.*"],
        "secret": "my-webhook-secret-32chars-minimum",
    }

    answered = await rest.call("POST", "/webhook-subscriptions", body, headers={"x-outeract-app-id": own})

    assert answered.status == 201
    assert answered.json().items() >= body.items()


async def test_a_missing_thing_as_documented(rest: Rest) -> None:
    error = await rest.refused("GET", f"/platform-connections/{MISSING}", status=404)

    assert error == {
        "code": "NOT_FOUND",
        "message": "Platform connection not found.",
        "details": {"resource_type": "PlatformConnection", "resource_id": MISSING},
    }


async def test_a_bad_key_as_documented(rest: Rest) -> None:
    answered = await rest.call("GET", "/events", headers={"authorization": ""})

    assert answered.json() == {
        "error": {"code": "UNAUTHORIZED", "message": "Invalid or missing API key.", "details": {}}
    }


def test_every_mutation_has_its_route() -> None:
    assert {snake(name) for name in MUTATIONS} <= _ROUTED


def test_every_query_has_its_route() -> None:
    assert SCHEMA.query_type is not None
    for name in SCHEMA.query_type.fields:
        assert {f"get_{snake(name)}", f"list_{snake(name)}", f"get_event_{snake(name)}"} & _ROUTED, name


def test_every_route_is_described() -> None:
    assert set(OPERATIONS) == _ROUTED
    for method, path, operation in OPERATIONS.values():
        assert operation["summary"], path
        assert "null" not in operation["summary"], path
        assert re.search(r"[Ss]cope `", operation["description"]), path
        text = json.dumps(operation)
        assert not re.search(r"`[a-z]+[A-Z]", text), (method, path, re.findall(r"`[a-z]+[A-Z]\w*", text))


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_shown_object_is_closed(name: str) -> None:
    def check(schema: Any, place: str) -> None:
        if isinstance(schema, dict):
            found = cast("dict[str, Any]", schema)
            if "properties" in found:
                assert found["additionalProperties"] is False, place
                assert found["required"] == list(found["properties"]), place
            for key, part in found.items():
                check(part, f"{place}.{key}")
        elif isinstance(schema, list):
            for part in cast("list[Any]", schema):
                check(part, place)

    check(SCHEMAS[name], name)


@pytest.mark.parametrize("name", [name for name, (_, _, one) in OPERATIONS.items() if "requestBody" in one])
def test_every_body_has_an_example_that_fits(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    media = operation["requestBody"]["content"]["application/json"]

    Draft202012Validator(resolved(media["schema"])).validate(media["example"])


@pytest.mark.parametrize(
    ("method", "path", "example"),
    [
        pytest.param(method, path, one["requestBody"]["content"]["application/json"]["example"], id=name)
        for name, (method, path, one) in OPERATIONS.items()
        if "requestBody" in one and _ID.search(json.dumps(one["requestBody"]["content"]))
    ],
)
async def test_foreign_ids_in_a_body_answer_as_missing_ones(
    rest: Rest, foreign: Rest, method: str, path: str, example: Any
) -> None:
    connection = await foreign.connect()
    person = await foreign.post(
        "/platform-users", {"platform_connection_id": connection, "external_id": "+14155551234"}
    )
    event = await foreign.post("/events", {"event_type": "x", "payload": {}})
    own = await thing_at(rest, path)
    printed = json.dumps(example)
    ids = sorted(set(_ID.findall(printed)))

    answers = []
    for wanted in (connection, person["id"], person["user_id"], event["id"], MISSING):
        body = printed
        for one in ids:
            body = body.replace(one, wanted)
        answered = await rest.call(method, path.removeprefix("/v1").replace("{id}", own), body.encode())
        answers.append((answered.status, answered.body.replace(wanted.encode(), b"<id>")))

    assert len(set(answers)) == 1, answers
    assert answers[0][0] in {200, 400, 404}


async def thing_at(rest: Rest, path: str) -> str:
    """The id of something of our own for a path that names a conversation."""
    if "{id}" not in path or "conversations" not in path:
        return MISSING
    connection = await rest.client.connect("SMS", "sandbox", {})
    await rest.client.knock(connection, {"messages": [{"from": "ada", "text": "Hello?"}]})
    return str((await rest.get("/conversations"))["data"][0]["id"])


@pytest.fixture(scope="module")
async def filled(server: Server) -> Rest:
    """An application with everything in it."""
    rest = Rest(await new_client(server))
    await fill(rest)
    return rest


async def test_each_member_that_may_be_null_is_null_once(filled: Rest) -> None:
    nulls: set[str] = set()
    values: set[str] = set()
    for method, path, operation in OPERATIONS.values():
        if method == "GET" and "{id}" not in path:
            whole = {"limit": 200, "total_count": "true"} if has_pages(operation) else {}
            answer = await filled.get(path.removeprefix("/v1"), **whole)
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            Draft202012Validator(resolved(schema)).validate(answer)
            gather(schema, answer, path, nulls, values)

    nullable = {
        f"{shape}.{name}"
        for shape, schema in SCHEMAS.items()
        for name, part in schema.get("properties", {}).items()
        if may_be_null(part) and any(found.startswith(f"{shape}.") for found in values)
    }
    assert nullable - nulls == {
        "PlatformUser.user_id",  # the contract's type lets it be null, but there always is one
    }
    # all that a healthy minute brings about; the rest is told by what creates it, or comes with failures of days
    assert {name.split(".")[0] for name in values} >= {name.split(".")[0] for name in nullable}


def has_pages(operation: dict[str, Any]) -> bool:
    return any(one["name"] == "limit" for one in operation.get("parameters", ()))


def may_be_null(schema: dict[str, Any]) -> bool:
    return "null" in schema.get("type", ()) or any(
        one.get("type") == "null" for one in schema.get("anyOf", ())
    )


def gather(schema: dict[str, Any], value: Any, name: str, nulls: set[str], values: set[str]) -> None:
    """Note which members of which objects are null, and which are not."""
    for one in schema.get("anyOf", ()):
        if "$ref" in one and value is not None:
            gather(one, value, name, nulls, values)
    if "$ref" in schema:
        shape = schema["$ref"].rpartition("/")[2]
        gather(SCHEMAS[shape], value, shape, nulls, values)
    for member, part in schema.get("properties", {}).items():
        (nulls if value[member] is None else values).add(f"{name}.{member}")
        gather(part, value[member], f"{name}.{member}", nulls, values)
    if "items" in schema:
        for one in value or ():
            gather(schema["items"], one, name, nulls, values)


def test_every_document_behind_a_route_is_valid() -> None:
    """They are read at their first use; a server must not find out then."""
    documents = [one for one in gc.get_objects() if isinstance(one, Document)]
    assert len(documents) >= len(ROUTES)
    for document in documents:
        assert document.operation.name is None
