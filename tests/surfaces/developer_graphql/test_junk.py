"""Whatever is given to whatever mutation: it is never our fault, and what is refused leaves nothing behind."""

import json
from typing import Any

import orjson
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.runtime.surfaces import developer_endpoint
from outrider.runtime.wiring import Runtime
from outrider.surfaces.developer_graphql.mutations import MUTATIONS
from outrider.surfaces.developer_graphql.schema import SCHEMA
from tests.surfaces.developer_graphql.door import Door, key_of
from tests.surfaces.developer_graphql.test_managing import CREATE_PERSON, CREATE_SCHEMA
from tests.tenants import new_tenant

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


def junk(kind: Any, ids: list[str]) -> st.SearchStrategy[Any]:
    """Values for an argument: many of them fit its type, and few make sense."""
    match kind:
        case GraphQLNonNull():
            return junk(kind.of_type, ids)
        case GraphQLList():
            return st.one_of(st.none(), st.lists(junk(kind.of_type, ids), max_size=3))
        case GraphQLEnumType():
            return st.sampled_from([*kind.values, "JUNK", None])
        case GraphQLInputObjectType():
            return st.fixed_dictionaries(
                {
                    name: junk(one.type, ids)
                    for name, one in kind.fields.items()
                    if str(one.type).endswith("!")
                },
                optional={
                    name: junk(one.type, ids)
                    for name, one in kind.fields.items()
                    if not str(one.type).endswith("!")
                },
            )
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


async def count_facts(door: Door) -> int:
    """Every change leaves an event: in the application's log, or in its organisation's."""
    applications = [door.tenant.application_id, door.tenant.hidden_application_id]
    count = await door.runtime.database.system.fetchval(
        "select count(*) from events where application_id = any ($1)", applications
    )
    return int(count)


@pytest.mark.parametrize("name", list(MUTATIONS))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_mutation_breaks(door: Door, ids: list[str], name: str, data: st.DataObject) -> None:
    assert SCHEMA.mutation_type is not None
    arguments = SCHEMA.mutation_type.fields[name].args
    given_arguments = {
        argument: data.draw(junk(one.type, ids), label=argument)
        for argument, one in arguments.items()
        if str(one.type).endswith("!") or data.draw(st.booleans())
    }
    head = ", ".join(f"${argument}: {arguments[argument].type}" for argument in given_arguments)
    passed = ", ".join(f"{argument}: ${argument}" for argument in given_arguments)
    document = f"mutation{f'({head})' if head else ''} {{ {name}{f'({passed})' if passed else ''} {{ __typename }} }}"
    before = await count_facts(door)

    # not with orjson: there are integers beyond 64 bits
    got = await door.knock(json.dumps({"query": document, "variables": given_arguments}).encode())

    answer = orjson.loads(got.body)
    assert got.status in {200, 400}
    assert b"INTERNAL_ERROR" not in got.body, (document, given_arguments)
    if "errors" in answer:
        assert answer["data"] is None
        assert await count_facts(door) == before, (answer, given_arguments)


def test_every_mutation_is_carried_out_by_an_operation() -> None:
    assert SCHEMA.mutation_type is not None
    assert set(MUTATIONS) == set(SCHEMA.mutation_type.fields)
