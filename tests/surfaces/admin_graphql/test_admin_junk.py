"""Whatever is given to whatever operation: it is never our fault, and what is refused leaves nothing behind."""

import json
from typing import Any

import orjson
import pytest
from graphql import GraphQLEnumType, GraphQLList, GraphQLNonNull
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.administrators import PASSWORD, PATH, Administrator, new_administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import ARGUMENTS, World, document, fields_of, new_world
from tests.surfaces.developer_graphql.test_junk import junk

_WORDS = {
    "String": [
        PASSWORD,
        "keeper@lighthouse.example",
        "keeper@lighthouse",
        '"a b"@[127.0.0.1]',
        "events:read",
        "*",
        "x" * 5_000,
        "\ud800",
    ],
}
_BODIES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["query", "variables", "operationName", "extensions", "x"]), inner, max_size=4
        ),
    ),
    max_leaves=8,
)


def values(kind: Any, ids: list[str]) -> st.SearchStrategy[Any]:
    """Values for an argument: junk, and words that mean something here."""
    bare = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if isinstance(bare, GraphQLList):
        return st.one_of(st.lists(values(bare.of_type, ids), max_size=3), junk(kind, ids))
    if isinstance(bare, GraphQLEnumType) or bare.name not in _WORDS:
        return junk(kind, ids)
    return st.one_of(st.sampled_from(_WORDS[bare.name]), junk(kind, ids))


@pytest.fixture(scope="module")
async def world(server: Server) -> World:
    """A world of its own: what is left of it afterwards is anybody's guess."""
    return await new_world(server, await new_administrator(server))


async def count_facts(server: Server, owner: Administrator) -> int:
    """Every change leaves an event in the organisation's log; what is done in the background comes later."""
    return int(
        await server.runtime.database.system.fetchval(
            """select count(*) from events where application_id = $1
              and event_type not in ('system.draft.sending', 'system.draft.failed', 'system.dossier.written',
                'system.import.finished', 'system.import.failed')""",
            owner.tenant.hidden_application_id,
        )
    )


_OPERATIONS = [
    (kind, name) for kind in ("Mutation", "Query") for name, field in fields_of(kind).items() if field.args
]


@pytest.mark.parametrize(("kind", "name"), _OPERATIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_operation_breaks(
    server: Server, world: World, kind: str, name: str, data: st.DataObject
) -> None:
    arguments = fields_of(kind)[name].args
    ids = [*world.ids.values(), world.owner.member_id, "00000000-0000-7000-8000-000000000000"]
    usual = ARGUMENTS[name](world) if kind == "Mutation" else {}
    chosen = {
        argument: data.draw(
            st.one_of(st.just(usual[argument]), values(one.type, ids))
            if argument in usual
            else values(one.type, ids),
            label=argument,
        )
        for argument, one in arguments.items()
        if str(one.type).endswith("!") or data.draw(st.booleans())
    }
    text = document(kind, name, chosen)
    before = await count_facts(server, world.owner)

    got = await world.owner.request(json.dumps({"query": text, "variables": chosen}).encode(), path=PATH)

    answer = orjson.loads(got.body)
    assert got.status in {200, 400, 429}, (text, chosen, answer)
    assert b"INTERNAL_ERROR" not in got.body, (text, chosen)
    if "errors" in answer:
        assert answer["data"] is None
        if answer["errors"][0]["extensions"]["http"]["status"] != 401:
            assert await count_facts(server, world.owner) == before, (answer, chosen)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.one_of(st.binary(max_size=50), _BODIES.map(lambda value: json.dumps(value).encode())))
async def test_no_body_breaks(world: World, body: bytes) -> None:
    got = await world.owner.request(body, path=PATH)

    assert got.status == 400
    assert b"INTERNAL_ERROR" not in got.body


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    token=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60),
    dots=st.booleans(),
)
async def test_no_token_breaks(world: World, token: str, dots: bool) -> None:
    given_token = f"eyJ{token}.{token}.{token}" if dots else token

    for path in (PATH, "/"):
        got = await world.owner.request(
            b'{"query": "{ __typename }"}', path=path, headers={"authorization": f"Bearer {given_token}"}
        )
        assert got.status in {401, 429}
