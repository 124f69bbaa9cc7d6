"""Bodies: members are the arguments of a field of the schema, in snake_case, checked one by one.

What is refused is named by its path, such as `edges[0].target_node_id`. Null is as good as left out, as in GraphQL.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from graphql import GraphQLError

from outrider.core.errors import ValidationError
from outrider.core.storable import parse_api_json
from outrider.surfaces.developer_graphql.arguments import LONGEST_LIST
from outrider.surfaces.developer_graphql.kinds import Kind, argument_kind, default_of
from outrider.surfaces.developer_rest.bounds import bounds_of
from outrider.surfaces.developer_rest.names import snake, snake_text
from outrider.surfaces.developer_rest.shapes import JsonSchema, leaf_schema, or_null

_GREATEST_INT: Final = 2**31 - 1
_LEAST_INT: Final = -(2**31)
_JSON_TYPES: Final[Mapping[str, Any]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": int | float,
    "boolean": bool,
    "null": type(None),
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a body and the argument that it becomes."""

    name: str
    argument: str
    kind: Kind
    schema: JsonSchema
    must_stand: bool
    """Whether it may not be left out."""
    json_types: tuple[str, ...] = ()
    """If it is JSON: the types that it may have, where not every one will do."""

    def read(self, value: object, path: str) -> object:
        """Read its value, or raise `ValidationError`."""
        if self.json_types and not any(isinstance(value, _JSON_TYPES[one]) for one in self.json_types):
            # of JSON the schema of the API knows no more than that it is JSON
            raise refused(path, f"must be {' or '.join(one for one in self.json_types if one != 'null')}")
        return read_value(self.kind, value, path)


@dataclass(frozen=True, slots=True)
class Members:
    """What an object that comes in may hold."""

    by_name: Mapping[str, Member]

    def parse(self, body: bytes) -> dict[str, Any]:
        """Read a body as arguments; none at all will do where nothing is required."""
        if not body and not self.is_required:
            return {}
        return self.read(parse_api_json(body), "")

    def read(self, value: object, path: str) -> dict[str, Any]:
        """Read an object as arguments, or raise `ValidationError`."""
        if not isinstance(value, dict):
            raise refused(path, "must be a JSON object")
        given = cast("dict[str, object]", value)
        for name in given:
            if name not in self.by_name:
                raise refused(path, f"has the unknown member {name[:64]!a}")
        for member in self.by_name.values():
            if member.must_stand and member.name not in given:
                raise refused(_under(path, member.name), "is missing")
        members = [(self.by_name[name], part) for name, part in given.items()]
        return {one.argument: one.read(part, _under(path, one.name)) for one, part in members}

    def __bool__(self) -> bool:
        return bool(self.by_name)

    @property
    def is_required(self) -> bool:
        """Whether there must be a body at all."""
        return any(member.must_stand for member in self.by_name.values())

    @property
    def names(self) -> dict[str, str]:
        """How arguments are called here, where that differs."""
        return {one.argument: one.name for one in self.by_name.values() if one.argument != one.name}

    @property
    def schema(self) -> JsonSchema:
        """The JSON Schema of the whole."""
        required = [member.name for member in self.by_name.values() if member.must_stand]
        return {
            "type": "object",
            "properties": {member.name: member.schema for member in self.by_name.values()},
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }


def members_of(
    owner: str,
    arguments: Mapping[str, Any],
    *,
    without: tuple[str, ...] = (),
    required: tuple[str, ...] = (),
    renamed: Mapping[str, str] | None = None,
) -> Members:
    """Make members of the arguments of a field or the fields of an input: all but some.

    `required` are those that may not be left out here although GraphQL lets them.
    """
    found: dict[str, Member] = {}
    for argument, definition in arguments.items():
        if argument not in without:
            name = (renamed or {}).get(argument, snake(argument))
            found[name] = _member(owner, name, argument, definition, must_stand=argument in required)
    return Members(found)


@cache
def _members_of_input(graphql: Any) -> Members:
    return members_of(graphql.name, graphql.fields)


def _member(owner: str, name: str, argument: str, definition: Any, *, must_stand: bool) -> Member:
    kind, default = argument_kind(definition), default_of(definition)
    schema = input_schema(owner, argument, kind)
    if not kind.is_required:
        schema = or_null(schema)
    if default is not None:
        schema["default"] = str(default).lower() if kind.is_word else default
    schema["description"] = snake_text(definition.description or "")
    must_stand = must_stand or (kind.is_required and default is None)
    return Member(name, argument, kind, schema, must_stand, _json_types(kind, schema))


def _json_types(kind: Kind, schema: JsonSchema) -> tuple[str, ...]:
    if getattr(kind.graphql, "name", "") != "JSON" or "type" not in schema:
        return ()
    types = cast("list[str] | str", schema["type"])
    return (types,) if isinstance(types, str) else tuple(types)


def input_schema(owner: str, argument: str, kind: Kind) -> JsonSchema:
    """Give the JSON Schema of a value that comes in, for one that is not null."""
    bounds = bounds_of(owner, argument)
    if kind.is_object:
        return _members_of_input(kind.graphql).schema
    if kind.item is not None:
        items = input_schema(owner, f"{argument}[]", kind.item)
        return {"type": "array", "items": items, "maxItems": LONGEST_LIST, **bounds}
    return {**leaf_schema(kind), **bounds}


def read_value(kind: Kind, value: object, path: str) -> object:
    """Read one value, or raise `ValidationError` that names its path."""
    if value is None:
        if kind.is_required:
            raise refused(path, "must not be null")
        return None
    if kind.is_object:
        return _members_of_input(kind.graphql).read(value, path)
    if kind.item is not None:
        return list(_read_items(kind.item, value, path))
    if kind.is_word:
        return _read_word(kind, value, path)
    return _READERS[kind.graphql.name](kind, value, path)


def _read_items(item: Kind, value: object, path: str) -> Iterator[object]:
    if not isinstance(value, list):
        raise refused(path, "must be a list")
    values = cast("list[object]", value)
    if len(values) > LONGEST_LIST:
        raise refused(path, f"may have at most {LONGEST_LIST} entries")
    for number, one in enumerate(values):
        yield read_value(item, one, f"{path}[{number}]")


def _read_word(kind: Kind, value: object, path: str) -> str:
    words = [word.lower() for word in kind.graphql.values]
    if value not in words:
        raise refused(path, f"must be one of {', '.join(words)}")
    return str(value).upper()


def _read_text(_kind: Kind, value: object, path: str) -> str:
    if not isinstance(value, str):
        raise refused(path, "must be a string")
    return value


def _read_parsed(kind: Kind, value: object, path: str) -> str:
    """An id or a moment: it stays as it is written, if it can be read."""
    text = _read_text(kind, value, path)
    try:
        kind.graphql.coerce_input_value(text)
    except GraphQLError as problem:
        raise ValidationError(f"{path}: {problem.message}", path=path) from None
    return text


def _read_number(_kind: Kind, value: object, path: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused(path, "must be a whole number")
    if not _LEAST_INT <= value <= _GREATEST_INT:
        raise refused(path, f"must lie between {_LEAST_INT} and {_GREATEST_INT}")
    return value


def _read_switch(_kind: Kind, value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise refused(path, "must be true or false")
    return value


def _read_any(_kind: Kind, value: object, _path: str) -> object:
    return value


_READERS: Final[Mapping[str, Callable[[Kind, object, str], object]]] = {
    "String": _read_text,
    "UUID": _read_parsed,
    "DateTime": _read_parsed,
    "Int": _read_number,
    "Boolean": _read_switch,
    "JSON": _read_any,
}


def refused(path: str, what: str) -> ValidationError:
    """Refuse a part of a body, or the whole of it for the empty path."""
    return ValidationError(f"{path or 'The body'} {what}.", **({"path": path} if path else {}))


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
