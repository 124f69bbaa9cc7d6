"""The committed schema is the one that is served, and says what everything is."""

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, parse, validate

from outrider.surfaces.developer_graphql.queries.nodes import FIELDS
from outrider.surfaces.developer_graphql.schema import SCHEMA, served_sdl
from tools.check_schema_drift import COMMITTED, drifted


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert not drifted()
    assert served_sdl() in {path.read_text("utf-8") for path in COMMITTED}


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


def test_every_field_of_a_row_is_compiled() -> None:
    for name, fields in FIELDS.items():
        kind = SCHEMA.type_map[name]
        assert isinstance(kind, GraphQLObjectType)
        assert set(fields) == set(kind.fields), name


def test_introspection_as_documented_is_valid() -> None:
    assert not validate(SCHEMA, parse("{ __schema { types { name description } } }"))
