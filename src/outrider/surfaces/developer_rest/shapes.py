"""What REST shows of each type of the schema: all its plain fields, and which of the things beneath it.

A shape gives three things that belong together: what a document selects, how the answer is written, and the JSON
Schema of it. The types, their descriptions and what may be null are the GraphQL schema's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from graphql import GraphQLField, GraphQLObjectType, is_leaf_type

from outrider.surfaces.developer_graphql.kinds import Kind, kind_of
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.surfaces.developer_rest.names import snake, snake_text

JsonSchema: TypeAlias = dict[str, Any]
Project = Callable[[Any], Any]

ID: Final = "id"
"""In place of a shape: only the id of the thing, as `<name>_id`."""

_SCALARS: Final[Mapping[str, JsonSchema]] = {
    "UUID": {"type": "string", "format": "uuid"},
    "DateTime": {"type": "string", "format": "date-time"},
    "String": {"type": "string"},
    "Int": {"type": "integer"},
    "Boolean": {"type": "boolean"},
    "JSON": {},
}


@dataclass(frozen=True, slots=True)
class Shape:
    """An object that is shown; `name` is that of its schema, `within` are the shapes in it."""

    name: str
    selection: str
    project: Project
    schema: JsonSchema
    within: "tuple[Shape, ...]" = ()

    @property
    def reference(self) -> JsonSchema:
        """Where its schema stands."""
        return {"$ref": f"#/components/schemas/{self.name}"}


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    selection: str
    schema: JsonSchema
    project: Project | None = None
    shape: Shape | None = None


def shape_of(type_name: str, *, name: str | None = None, **nested: Shape | str) -> Shape:
    """Show all plain fields of a type, and of the others those that are named, in the order of the schema."""
    graphql = cast("GraphQLObjectType", SCHEMA.type_map[type_name])
    found = [_member(field, one, nested.get(field)) for field, one in graphql.fields.items()]
    members = [member for member in found if member is not None]
    return Shape(
        name or type_name,
        f"{{ {' '.join(member.selection for member in members)} }}",
        _projecting(members),
        closed({member.key: member.schema for member in members}, snake_text(graphql.description or "")),
        tuple(member.shape for member in members if member.shape is not None),
    )


def closed(properties: Mapping[str, JsonSchema], description: str) -> JsonSchema:
    """Give the schema of an object that has exactly these members, always."""
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _member(name: str, field: GraphQLField, nested: Shape | str | None) -> _Member | None:
    kind, key = kind_of(cast("Any", field).type), snake(name)
    leaf = kind.item or kind
    if is_leaf_type(leaf.graphql):
        return _Member(
            key,
            f"{key}: {name}",
            _described(kind, leaf_schema(leaf), field),
            _lower if leaf.is_word else None,
        )
    if isinstance(nested, Shape):
        project = _each(nested.project) if kind.item else _unless_null(nested.project)
        schema = _described(kind, nested.reference, field)
        return _Member(key, f"{key}: {name} {nested.selection}", schema, project, nested)
    if nested == ID:
        key = f"{key}_id"
        schema = _described(kind, dict(_SCALARS["UUID"]), field)
        return _Member(key, f"{key}: {name} {{ id }}", schema, _unless_null(lambda value: value[ID]))
    return None


def _described(kind: Kind, schema: JsonSchema, field: GraphQLField) -> JsonSchema:
    if kind.item is not None:
        schema = {"type": "array", "items": schema}
    if not kind.is_required:
        schema = or_null(schema)
    # what stood beside a reference was ignored before JSON Schema 2019-09, and still is by some
    return schema if "$ref" in schema else {**schema, "description": snake_text(field.description or "")}


def _projecting(members: Sequence[_Member]) -> Project:
    changes = [(member.key, member.project) for member in members if member.project is not None]

    def write(value: dict[str, Any]) -> dict[str, Any]:
        for key, change in changes:
            value[key] = change(value[key])
        return value

    return write


def _lower(value: str | None) -> str | None:
    """The one place where words are written in lower case."""
    return None if value is None else value.lower()


def _each(project: Project) -> Project:
    return lambda values: [project(value) for value in values]


def _unless_null(project: Project) -> Project:
    return lambda value: None if value is None else project(value)


def leaf_schema(kind: Kind) -> JsonSchema:
    """Give the JSON Schema of a scalar or of a word."""
    if kind.is_word:
        return {"type": "string", "enum": [word.lower() for word in kind.graphql.values]}
    return dict(_SCALARS[kind.graphql.name])


def or_null(schema: JsonSchema) -> JsonSchema:
    """Give the schema of the same or null."""
    if not schema:
        return {}
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    types = cast("list[str] | str", schema["type"])
    found: JsonSchema = {**schema, "type": [*([types] if isinstance(types, str) else types), "null"]}
    if "enum" in schema:
        found["enum"] = [*schema["enum"], None]
    return found
