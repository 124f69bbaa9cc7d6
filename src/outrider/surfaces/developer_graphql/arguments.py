"""Arguments of a field as a plan sees them: which are given, and where each value comes from at a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    value_from_ast,
)
from graphql.execution.values import VariableValues

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_text

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
    """Give the arguments that are not null, input objects taken apart down to their values."""
    written = {argument.name.value: argument.value for argument in node.arguments or ()}
    found: dict[str, Given] = {}
    for name, argument in definition.args.items():
        value = written.get(name)
        if value is None or _is_absent(value, variables):
            default = argument.default_value
            given = None if default is Undefined or default is None else Constant(default)
        else:
            given = _given(argument.type, value, variables)
            if given is None and isinstance(argument.type, GraphQLNonNull):
                raise ValidationError(f"{name} must not be null.", field=name)
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


def _given(kind: GraphQLInputType, node: ValueNode, variables: VariableValues) -> "Given | None":
    if isinstance(kind, GraphQLNonNull):
        kind = cast("GraphQLInputType", kind.of_type)
    if isinstance(node, NullValueNode):
        return None
    if isinstance(node, VariableNode):
        name = node.name.value
        return _given_value(kind, variables.coerced.get(name), (name,))
    if isinstance(kind, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
        return _given_object(kind, node, variables)
    if isinstance(kind, GraphQLList):
        return _given_list(cast("GraphQLInputType", kind.of_type), node, variables)
    return Constant(_storable(value_from_ast(node, kind)))


def _given_object(
    kind: GraphQLInputObjectType, node: ObjectValueNode, variables: VariableValues
) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for field in node.fields:
        given = _given(kind.fields[field.name.value].type, field.value, variables)
        if given is not None:
            found[field.name.value] = given
    return found


def _given_list(item_kind: GraphQLInputType, node: ValueNode, variables: VariableValues) -> Given:
    nodes = node.values if isinstance(node, ListValueNode) else (node,)
    if len(nodes) > LONGEST_LIST:
        raise ValidationError(f"A list may have at most {LONGEST_LIST} entries.")
    items = [_given(item_kind, item, variables) for item in nodes]
    if any(item is None for item in items):
        raise ValidationError("An entry of a list must not be null.")
    if _is_object(item_kind):
        return cast("list[Given]", items)
    return Listed(cast("tuple[Constant | FromVariable, ...]", tuple(items)))


def _given_value(kind: GraphQLInputType, value: object, path: tuple[str | int, ...]) -> "Given | None":
    """Take apart what a variable holds; its values stay with the variable."""
    if isinstance(kind, GraphQLNonNull):
        kind = cast("GraphQLInputType", kind.of_type)
    if value is None:
        return None
    if isinstance(kind, GraphQLInputObjectType):
        found: dict[str, Given] = {}
        for name, part in cast("dict[str, object]", value).items():
            given = _given_value(kind.fields[name].type, part, (*path, name))
            if given is not None:
                found[name] = given
        return found
    if isinstance(kind, GraphQLList):
        values = cast("list[object]", value)
        if len(values) > LONGEST_LIST:
            raise ValidationError(f"A list may have at most {LONGEST_LIST} entries.")
        item_kind = cast("GraphQLInputType", kind.of_type)
        if _is_object(item_kind):
            items = [_given_value(item_kind, item, (*path, at)) for at, item in enumerate(values)]
            return cast("list[Given]", items)
    return FromVariable(path)


def _is_object(kind: GraphQLInputType) -> bool:
    inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    return isinstance(inner, GraphQLInputObjectType)


def _storable(value: object) -> object:
    """A text in the document may be written with escapes that JSON would have been refused for."""
    return storable_text(value, name="A text in the document") if isinstance(value, str) else value
