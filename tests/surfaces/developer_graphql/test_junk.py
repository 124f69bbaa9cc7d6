"""Whatever is given to whatever field: it is never our fault, and what is refused leaves nothing behind."""

import json
from typing import Any

import orjson
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.runtime.parts import Runtime
from outrider.runtime.surfaces import developer_endpoint
from outrider.surfaces.developer_graphql.mutations import MUTATIONS
from outrider.surfaces.developer_graphql.schema import SCHEMA
from tests.surfaces.developer_graphql.door import Door, key_of
from tests.surfaces.developer_graphql.id_places import COMBINING, ROOTS, selection
from tests.surfaces.developer_graphql.test_managing import CREATE_PERSON, CREATE_SCHEMA
from tests.tenants import new_tenant
from tests.things import written

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
            "1234-5678-9012-5924",
            "+14155551234",
            "🌊" * 90,
            "\u202e\ufeff",
            "info",
        ]
    ),
    st.text(max_size=20),
)
_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXTS
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    ["type", "required", "properties", "auto_mark_read", "text", "$ref", "pattern"]
                ),
                _TEXTS,
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)
_MOMENTS = st.sampled_from(["2024-01-15T10:30:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "x"])


def junk(kind: Any, ids: list[str], depth: int = 2) -> st.SearchStrategy[Any]:
    """Values for an argument: many of them fit its type, and few make sense. Filters hold filters down to a depth."""
    match kind:
        case GraphQLNonNull():
            return junk(kind.of_type, ids, depth)
        case GraphQLList():
            return st.one_of(st.none(), st.lists(junk(kind.of_type, ids, depth), max_size=3))
        case GraphQLEnumType():
            return st.sampled_from([*kind.values, "JUNK", None])
        case GraphQLInputObjectType():
            fields = {
                name: junk(one.type, ids, depth - 1)
                for name, one in kind.fields.items()
                if depth > 0 or name not in COMBINING
            }
            needed = [name for name in fields if str(kind.fields[name].type).endswith("!")]
            return st.fixed_dictionaries({name: fields.pop(name) for name in needed}, optional=fields)
        case GraphQLScalarType():
            return {
                "UUID": st.one_of(st.sampled_from(ids), st.sampled_from(["", "x", "pc_", 5, None])),
                "String": st.one_of(_TEXTS, st.none()),
                "Int": st.one_of(st.integers(-5, 50), st.sampled_from([2**31 - 1, -(2**31), 2**31, None])),
                "Boolean": st.sampled_from([True, False, None]),
                "DateTime": st.one_of(_MOMENTS, st.none()),
            }.get(kind.name, _JSON)
        case _:
            raise AssertionError(kind)


@pytest.fixture(scope="module")
async def door(runtime: Runtime) -> Door:
    """A door of its own: what stands behind it afterwards is anybody's guess."""
    tenant = await new_tenant(runtime.tenancy)
    return Door(developer_endpoint(runtime), runtime, tenant, await key_of(runtime, tenant, "*"))


@pytest.fixture(scope="module")
async def ids(door: Door) -> list[str]:
    """Ids of every kind of thing, and of none."""
    connection = await door.data(
        'mutation { createPlatformConnection(platformName: SMS, provider: "sandbox", name: "x") { id } }'
    )
    connection_id = connection["createPlatformConnection"]["id"]
    person = await door.data(CREATE_PERSON, connection=connection_id, external="+14155551234")
    schema = await door.data(CREATE_SCHEMA, name="order.created", schema={"required": ["a"]})
    subscription = await door.data(
        """mutation { createWebhookSubscription(
          name: "x", targetUrl: "http://127.0.0.1:9/", eventPatterns: ["none"]) { id } }"""
    )
    event = await door.data('mutation { createEvent(eventType: "x", payload: {}) { id } }')
    return [
        "00000000-0000-7000-8000-000000000000",
        connection_id,
        person["createPlatformUser"]["id"],
        person["createPlatformUser"]["user"]["id"],
        schema["createEventSchema"]["id"],
        subscription["createWebhookSubscription"]["id"],
        event["createEvent"]["id"],
    ]


def fields_with_arguments() -> list[tuple[str, str]]:
    """Every field that can be read and takes arguments, with the type that it is of."""
    return [
        (kind.name, name)
        for kind in SCHEMA.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        and kind not in {SCHEMA.mutation_type, SCHEMA.subscription_type}
        and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if field.args
    ]


def drawn(data: st.DataObject, parent: str, field: str, ids: list[str]) -> tuple[str, dict[str, Any]]:
    """A call of a field with junk in some or all of its arguments, and its variables."""
    kind = SCHEMA.type_map[parent]
    assert isinstance(kind, GraphQLObjectType)
    arguments = kind.fields[field].args
    given_arguments = {
        argument: data.draw(junk(one.type, ids), label=argument)
        for argument, one in arguments.items()
        if str(one.type).endswith("!") or data.draw(st.booleans())
    }
    head = ", ".join(f"${argument}: {arguments[argument].type}" for argument in given_arguments)
    passed = ", ".join(f"{argument}: ${argument}" for argument in given_arguments)
    call = f"{field}{f'({passed})' if passed else ''}"
    kind_of_answer = get_named_type(kind.fields[field].type)
    body = f"{call} {selection(kind_of_answer.name, 2)}"
    if parent in ROOTS:
        return f"{ROOTS[parent]}{f'({head})' if head else ''} {{ {body} }}", given_arguments
    entry = f"{parent[0].lower()}{parent[1:]}"
    return (
        f"query({head + ', ' if head else ''}$own: UUID!) {{ {entry}(id: $own) {{ {body} }} }}",
        given_arguments,
    )


async def sent(door: Door, document: str, variables: dict[str, Any]) -> Any:
    """What is answered, which is never that something broke."""
    # not with orjson: there are integers beyond 64 bits
    got = await door.knock(json.dumps({"query": document, "variables": variables}).encode())

    assert got.status in {200, 400}
    assert b"INTERNAL_ERROR" not in got.body, (document, variables)
    return orjson.loads(got.body)


@pytest.mark.parametrize("name", list(MUTATIONS))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_mutation_breaks(door: Door, ids: list[str], name: str, data: st.DataObject) -> None:
    document, variables = drawn(data, "Mutation", name, ids)
    before = await written(door.runtime.database.system, door.tenant)

    answer = await sent(door, document, variables)

    if "errors" in answer:
        assert answer["data"] is None
        assert await written(door.runtime.database.system, door.tenant) == before, (answer, variables)


@pytest.mark.parametrize(("parent", "field"), fields_with_arguments())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_read_breaks(
    door: Door, ids: list[str], parent: str, field: str, data: st.DataObject
) -> None:
    document, variables = drawn(data, parent, field, ids)
    if parent not in ROOTS:
        variables["own"] = data.draw(st.sampled_from(ids), label="own")
    before = await written(door.runtime.database.system, door.tenant)

    answer = await sent(door, document, variables)

    assert "errors" not in answer or answer["data"] is None
    assert await written(door.runtime.database.system, door.tenant) == before


def test_every_mutation_is_carried_out_by_an_operation() -> None:
    assert SCHEMA.mutation_type is not None
    assert set(MUTATIONS) == set(SCHEMA.mutation_type.fields)
