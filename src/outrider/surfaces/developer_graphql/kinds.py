"""Types of arguments as far as the compiler cares: required or not, a list, an object, a word, or a plain value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    Undefined,
    ValueNode,
    VariableDefinitionNode,
    type_from_ast,  # pyright: ignore[reportUnknownVariableType] -- its lists are of anything
    value_from_ast,  # pyright: ignore[reportUnknownVariableType]
)
from graphql.utilities.coerce_input_value import coerce_default_value

from outrider.surfaces.developer_graphql.schema import SCHEMA


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of an argument, a variable or an input field. `item` is the kind of a list's entries."""

    graphql: Any
    is_required: bool = False
    item: "Kind | None" = None

    @property
    def is_object(self) -> bool:
        """Whether it is an input object."""
        return type(self.graphql) is GraphQLInputObjectType

    @property
    def is_word(self) -> bool:
        """Whether it is one of a few words."""
        return type(self.graphql) is GraphQLEnumType

    @property
    def holds_objects(self) -> bool:
        """Whether it is an input object or a list of them."""
        return self.is_object or (self.item is not None and self.item.holds_objects)

    @property
    def fields(self) -> Mapping[str, "Kind"]:
        """The fields of an input object."""
        return _fields(self.graphql)

    def literal(self, node: ValueNode) -> Any:
        """Read a value that stands in the document, which was validated."""
        return value_from_ast(node, self.graphql)


def kind_of(graphql: Any) -> Kind:
    """Look at a type of graphql-core."""
    of_type: Any = getattr(graphql, "of_type", None)
    if type(graphql) is GraphQLNonNull:
        return replace(kind_of(of_type), is_required=True)
    if type(graphql) is GraphQLList:
        return Kind(graphql, item=kind_of(of_type))
    return Kind(graphql)


def argument_kind(argument: Any) -> Kind:
    """Look at the type of an argument."""
    return kind_of(argument.type)


def default_of(argument: Any) -> object:
    """Give the default of an argument; None if it has none."""
    default = coerce_default_value(argument)
    return None if default is Undefined else default


def variable_kind(definition: VariableDefinitionNode) -> Kind:
    """Look at the type of a variable."""
    return kind_of(type_from_ast(SCHEMA, definition.type))


@cache
def _fields(graphql: Any) -> dict[str, Kind]:
    return {name: kind_of(field.type) for name, field in graphql.fields.items()}


Read = Callable[[Any], Any]


class Unread(Exception):
    """A value does not fit; graphql-core says why."""


@cache
def reader(kind: Kind) -> Read:
    """Give what reads a value from JSON, as graphql-core does but without looking at the types each time.

    It may raise anything on a value that does not fit.
    """
    read = _reader_of_present(kind)
    if kind.is_required:
        return read
    return lambda value: None if value is None else read(value)


def _reader_of_present(kind: Kind) -> Read:
    if kind.is_object:
        return _object_reader(kind)
    if kind.item is not None:
        return _list_reader(reader(kind.item))
    parse: Read = kind.graphql.coerce_input_value
    if not kind.is_required:
        return parse

    def parse_present(value: Any) -> Any:
        if value is None:
            raise Unread
        return parse(value)

    return parse_present


def _list_reader(read: Read) -> Read:
    def read_list(value: Any) -> list[Any]:
        if value is None:
            raise Unread
        # A single value is a list of one.
        return [read(one) for one in cast("list[Any]", value)] if isinstance(value, list) else [read(value)]

    return read_list


_Member = tuple[str, Read, bool, object]


def _object_reader(kind: Kind) -> Read:
    members: list[_Member] = []

    def read(value: Any) -> dict[str, Any]:
        if not members:  # at the first use, since filters contain filters
            members.extend(_members(kind))
        if type(value) is not dict:
            raise Unread
        return _read_members(members, cast("dict[str, Any]", value))

    return read


def _read_members(members: list[_Member], value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    seen = 0
    for name, read, is_required, default in members:
        if name in value:
            seen += 1
            found[name] = read(value[name])
        elif is_required:
            raise Unread
        elif default is not Undefined:
            found[name] = default
    if seen < len(value):
        raise Unread
    return found


def _members(kind: Kind) -> list[_Member]:
    members: list[_Member] = []
    for name, field in kind.graphql.fields.items():
        inner, default = kind_of(field.type), coerce_default_value(field)
        members.append((name, reader(inner), inner.is_required and default is Undefined, default))
    return members
