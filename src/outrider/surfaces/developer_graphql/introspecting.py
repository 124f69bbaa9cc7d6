"""Introspection: answered by graphql-core, once for every document in which no variable decides about it."""

from collections.abc import Mapping
from typing import Any, Final, cast

import orjson
from graphql import (
    DocumentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableDefinitionNode,
    execute,  # pyright: ignore[reportUnknownVariableType] -- its middleware is a list of anything
)
from graphql.execution import ExecutionResult

from outrider.surfaces.developer_graphql.documents import Operation
from outrider.surfaces.developer_graphql.kinds import variable_kind
from outrider.surfaces.developer_graphql.queries.pages import Piece
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.surfaces.graphql_errors import RequestRefused

# What introspection takes arguments of; such values pass coercion twice unchanged.
_SIMPLE_TYPES: Final = frozenset({"Boolean", "String"})


def introspection(operation: Operation, selected: Selected) -> Piece:
    """Give the answer to `__schema` or `__type`, or what makes it at each request."""
    definitions = tuple(
        definition for definition in (operation.node.variable_definitions or ()) if _is_simple(definition)
    )
    node = OperationDefinitionNode(
        operation=OperationType.QUERY,
        variable_definitions=definitions,
        selection_set=SelectionSetNode(selections=selected.nodes),
    )
    document = DocumentNode(definitions=(node, *operation.fragments.values()))
    if not definitions:
        return _answer(document, selected.key, {})
    names = [definition.variable.name.value for definition in definitions]
    return lambda _row, _arguments, call: _answer(
        document, selected.key, {name: call.variables[name] for name in names if name in call.variables}
    )


def _answer(document: DocumentNode, key: str, variables: Mapping[str, Any]) -> str:
    result = cast("ExecutionResult", execute(SCHEMA, document, variable_values=dict(variables)))
    if result.errors or result.data is None:
        raise RequestRefused(result.errors or ())
    return orjson.dumps(result.data[key]).decode()


def _is_simple(definition: VariableDefinitionNode) -> bool:
    return str(variable_kind(definition).graphql) in _SIMPLE_TYPES
