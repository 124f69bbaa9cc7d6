"""The schema that is served, built from the committed SDL, with its scalars read and written."""

from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final, cast

from graphql import GraphQLScalarType, GraphQLSchema, build_schema, print_schema

from outrider.events.bodies import shown_time
from outrider.surfaces.graphql_scalars import parse_json, parse_moment, parse_uuid

_PARSERS: Final = {"UUID": parse_uuid, "DateTime": parse_moment, "JSON": parse_json}


@cache
def admin_schema() -> GraphQLSchema:
    """Build the schema from `schema.graphql` beside this file, at first use: most processes administer nothing."""
    folder = resources.files("outrider.surfaces.admin_graphql")
    schema = build_schema(folder.joinpath("schema.graphql").read_text("utf-8"), no_location=True)
    for name, parse in _PARSERS.items():
        scalar = cast("GraphQLScalarType", schema.type_map[name])
        scalar.coerce_input_value = parse
        scalar.parse_value = parse  # what literals go through
    for name, write in (("UUID", _shown_id), ("DateTime", _shown_moment)):
        scalar = cast("GraphQLScalarType", schema.type_map[name])
        scalar.coerce_output_value = write
        scalar.serialize = write
    return schema


def _shown_id(value: object) -> str:
    return str(value)


def _shown_moment(value: object) -> str:
    return shown_time(cast("datetime", value))


def served_sdl() -> str:
    """Give the schema as text, as it stands under docs/api."""
    return print_schema(admin_schema()) + "\n"
