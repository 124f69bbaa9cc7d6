"""Types of arguments as far as the compiler cares: required or not, a list, an object, a word, or a plain value."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

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
