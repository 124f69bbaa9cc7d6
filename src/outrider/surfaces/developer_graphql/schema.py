"""The schema that is served, built from the committed SDL; its fields have no resolvers, reads are compiled."""

from importlib import resources
from typing import Final, cast

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    print_schema,
)

from outrider.surfaces.graphql_scalars import parse_json, parse_moment, parse_uuid

_PARSERS: Final = {"UUID": parse_uuid, "DateTime": parse_moment, "JSON": parse_json}


def load_schema() -> GraphQLSchema:
    """Build the schema from `schema.graphql` beside this file."""
    folder = resources.files("outrider.surfaces.developer_graphql")
    schema = build_schema(folder.joinpath("schema.graphql").read_text("utf-8"), no_location=True)
    for name, parse in _PARSERS.items():
        scalar = cast("GraphQLScalarType", schema.type_map[name])
        scalar.coerce_input_value = parse
        scalar.parse_value = parse  # what literals go through
    return schema


SCHEMA: Final = load_schema()


def served_sdl() -> str:
    """Give the schema as text, as it stands under docs/api."""
    return print_schema(SCHEMA) + "\n"


def field_of(parent: GraphQLObjectType, name: str) -> GraphQLField:
    """Give a field's definition; the document was validated."""
    return parent.fields[name]
