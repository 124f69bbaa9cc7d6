"""Arguments of a field as a plan sees them: which are given, and where each value comes from at a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from graphql import (
    FieldNode,
    GraphQLField,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
)
from graphql.execution.values import VariableValues

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_text
from outrider.surfaces.developer_graphql.kinds import Kind, argument_kind, default_of

LONGEST_LIST: Final = 500


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that stands in the document, or a default."""

    value: object


@dataclass(frozen=True, slots=True)
class FromVariable:
    """A value that comes with each request: a variable, or a part of one."""

    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list in the document in which variables stand."""

    items: tuple[Constant | FromVariable, ...]


Operand: TypeAlias = Constant | FromVariable | Listed
Given: TypeAlias = "Operand | Mapping[str, Given] | Sequence[Given]"


def given_arguments(definition: GraphQLField, node: FieldNode, variables: VariableValues) -> dict[str, Given]:
    """Give the arguments, input objects taken apart down to their values; null is as good as left out."""
    written = {argument.name.value: argument.value for argument in node.arguments or ()}
    found: dict[str, Given] = {}
    for name, argument in definition.args.items():
        value, default = written.get(name), default_of(argument)
        given: Given | None = None
        if value is not None and not _is_absent(value, variables):
            kind = argument_kind(argument)
            given = _given(kind, value, variables)
            if given is None and kind.is_required:
                raise ValidationError(f"{name} must not be null.", path=name)
        if given is None and default is not None:
            given = Constant(default)
        if given is not None:
            found[name] = given
    return found


def operand(given: Mapping[str, Given], name: str) -> Operand | None:
    """Give a value among arguments or the fields of an input object."""
    return cast("Operand | None", given.get(name))


def members(given: Mapping[str, Given], name: str) -> Mapping[str, Given] | None:
    """Give an input object among arguments or the fields of an input object."""
    return cast("Mapping[str, Given] | None", given.get(name))


def value_of(source: Operand, variables: Mapping[str, Any]) -> object:
    """Give the value at a request."""
    match source:
        case Constant():
            return source.value
        case FromVariable():
            value: Any = variables
            for step in source.path:
                value = value[step]
            return value
        case Listed():
            return [value_of(item, variables) for item in source.items]


def _is_absent(value: ValueNode, variables: VariableValues) -> bool:
    return isinstance(value, VariableNode) and value.name.value not in variables.coerced


def _given(kind: Kind, node: ValueNode, variables: VariableValues) -> "Given | None":
    match node:
        case NullValueNode():
            return None
        case VariableNode():
            name = node.name.value
            return _given_value(kind, variables.coerced.get(name), (name,))
        case ObjectValueNode() if kind.is_object:
            return _given_object(kind, node, variables)
        case _ if kind.item is not None:
            return _given_list(kind.item, node, variables)
        case _:
            return Constant(_storable(kind.literal(node)))


def _given_object(kind: Kind, node: ObjectValueNode, variables: VariableValues) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for field in node.fields:
        given = _given(kind.fields[field.name.value], field.value, variables)
        if given is not None:
            found[field.name.value] = given
    return found


def _given_list(item: Kind, node: ValueNode, variables: VariableValues) -> Given:
    nodes = node.values if isinstance(node, ListValueNode) else (node,)
    _check_length(len(nodes))
    items = [_given(item, one, variables) for one in nodes]
    if None in items:
        raise ValidationError("An entry of a list must not be null.")
    if item.is_object:
        return cast("list[Given]", items)
    return Listed(cast("tuple[Constant | FromVariable, ...]", tuple(items)))


def _given_value(kind: Kind, value: object, path: tuple[str | int, ...]) -> "Given | None":
    """Take apart what a variable holds; its values stay with the variable."""
    if value is None:
        return None
    if kind.is_object:
        members_of = cast("dict[str, object]", value)
        parts = {
            name: _given_value(kind.fields[name], part, (*path, name)) for name, part in members_of.items()
        }
        return {name: part for name, part in parts.items() if part is not None}
    if kind.item is not None:
        values = cast("list[object]", value)
        _check_length(len(values))
        if kind.item.is_object:
            items = [_given_value(kind.item, one, (*path, at)) for at, one in enumerate(values)]
            return cast("list[Given]", items)
    return FromVariable(path)


def _check_length(length: int) -> None:
    if length > LONGEST_LIST:
        raise ValidationError(f"A list may have at most {LONGEST_LIST} entries.")


def _storable(value: object) -> object:
    """A text in the document may be written with escapes that JSON would have been refused for."""
    return storable_text(value, name="A text in the document") if isinstance(value, str) else value
