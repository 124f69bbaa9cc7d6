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
from outrider.surfaces.admin_graphql.schema import admin_schema, served_sdl
from tests.administrators import Administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import ARGUMENTS, document, fields_of, new_world
from tools.check_schema_drift import COMMITTED


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert served_sdl() in {path.read_text("utf-8") for path in COMMITTED}
    build_schema(served_sdl())


def test_everything_has_a_description() -> None:
    silent: list[str] = []
    for name, kind in admin_schema().type_map.items():
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
        """mutation($id: UUID!, $subscription: UUID!) { testPlatformConnection(id: $id) { success }
          testWebhookSubscription(id: $subscription) { eventId } }""",
        id=world.connection,
        subscription=world.subscription,
    )
    ids = {
        "application": world.application,
        "suppressions": world.application,
        "contact": world.contact,
        "company": world.company,
        "contactList": world.contact_list,
        "contactImport": world.contact_import,
        "draft": world.draft,
        "previewDraft": world.draft,
        "contactId": world.contact,
        "subscriptionId": world.subscription,
    }
    for name, field in fields_of("Query").items():
        keys = ("id", "applicationId", "contactId", "subscriptionId")
        key = next((one for one in keys if one in field.args), None)
        head, passed = ("($id: UUID!)", f"({key}: $id)") if key else ("", "")
        asked = ids.get(name) or ids.get(key or "", world.template)

        got = await owner.data(f"query{head} {{ {name}{passed}{everything(field.type, 4)} }}", id=asked)

        assert got[name] or name == "researchWaiting", name


@pytest.mark.parametrize("name", list(fields_of("Mutation")))
async def test_every_field_of_every_answer_answers(server: Server, owner: Administrator, name: str) -> None:
    world = await new_world(server, owner)
    given = ARGUMENTS[name](world)
    selected = everything(fields_of("Mutation")[name].type, 3)

    got = await owner.data(document("Mutation", name, given).replace(" { __typename }", selected), **given)

    assert got[name]
