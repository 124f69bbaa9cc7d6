"""The committed schema is the one that is served, says what everything is, and every field of it answers."""

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
)

from outrider.surfaces.admin_graphql.reading import RESOLVERS
from outrider.surfaces.admin_graphql.schema import SCHEMA, served_sdl
from tests.administrators import Administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import ARGUMENTS, document, fields_of, new_world
from tools.check_schema_drift import COMMITTED


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert served_sdl() in {path.read_text("utf-8") for path in COMMITTED}
    build_schema(served_sdl())


def test_everything_has_a_description() -> None:
    silent: list[str] = []
    for name, kind in SCHEMA.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Boolean"}:
            continue
        silent += [name] if not kind.description else []
        if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
            silent += [f"{name}.{field}" for field, one in kind.fields.items() if not one.description]
        if isinstance(kind, GraphQLObjectType):
            silent += [
                f"{name}.{field}({argument})"
                for field, one in kind.fields.items()
                for argument, given in one.args.items()
                if not given.description
            ]
        if isinstance(kind, GraphQLEnumType):
            silent += [f"{name}.{value}" for value, one in kind.values.items() if not one.description]
    assert not silent


def test_every_resolver_is_of_a_field() -> None:
    for name in RESOLVERS:
        parent, _, field = name.partition(".")
        assert field in fields_of(parent), name


def everything(kind: Any, levels: int) -> str:
    """All fields of a type that need no argument, some levels deep."""
    found = get_named_type(kind)
    if not isinstance(found, GraphQLObjectType):
        return ""
    inner = {
        name: everything(field.type, levels - 1)
        for name, field in found.fields.items()
        if levels > 1 or not isinstance(get_named_type(field.type), GraphQLObjectType)
    }
    return " { __typename " + " ".join(f"{name}{text}" for name, text in inner.items()) + " }"


async def test_every_field_of_every_list_answers(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    await owner.data(
        "mutation($id: UUID!) { testPlatformConnection(id: $id) { success } }", id=world.connection
    )
    ids = {"application": world.application, "suppressions": world.application}
    for name, field in fields_of("Query").items():
        wanted = next((one for one in ("id", "applicationId") if one in field.args), None)
        head = "($id: UUID!)" if wanted else ""
        passed = f"({wanted}: $id)" if wanted else ""

        got = await owner.data(
            f"query{head} {{ {name}{passed}{everything(field.type, 4)} }}", id=ids.get(name, world.template)
        )

        assert got[name], name


@pytest.mark.parametrize("name", list(fields_of("Mutation")))
async def test_every_field_of_every_answer_answers(server: Server, owner: Administrator, name: str) -> None:
    world = await new_world(server, owner)
    given = ARGUMENTS[name](world)
    selected = everything(fields_of("Mutation")[name].type, 3)

    got = await owner.data(document("Mutation", name, given).replace(" { __typename }", selected), **given)

    assert got[name]
