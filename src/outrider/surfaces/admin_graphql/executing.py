"""A document carried out by graphql-core: bounded, validated, its needs checked before anything is done."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute,  # pyright: ignore[reportUnknownVariableType] -- its middleware is a list of anything
    parse,
    validate,
)

from outrider.core.errors import AppError
from outrider.core.storable import storable_text
from outrider.surfaces import graphql_limits as limits
from outrider.surfaces.admin_graphql.calling import Call
from outrider.surfaces.admin_graphql.mutations import MUTATIONS, carry_out
from outrider.surfaces.admin_graphql.reading import resolve_field
from outrider.surfaces.admin_graphql.schema import admin_schema
from outrider.surfaces.graphql_errors import FieldRefused, RequestRefused, refusal

_MOST_ERRORS: Final = 10
_TYPENAME: Final = "__typename"


class Document:
    """A valid document, and the one operation of it that is asked for."""

    def __init__(self, text: str, operation_name: str | None) -> None:
        """Raise `RequestRefused` for what is no valid document of the schema."""
        self._node = _load(text)
        self._fragments = {
            one.name.value: one for one in self._node.definitions if isinstance(one, FragmentDefinitionNode)
        }
        self._operation = _chosen(self._node, operation_name)

    @property
    def name(self) -> str | None:
        """What the caller calls it."""
        return self._operation.name.value if self._operation.name else None

    @property
    def is_public(self) -> bool:
        """Whether nobody need be signed in for it."""
        if not self._is_mutation:
            return False
        fields = list(self._root_fields(self._operation.selection_set))
        named = [name for name, _ in fields if name != _TYPENAME]
        return bool(named) and all(MUTATIONS[name].public for name in named)

    def require(self, call: Call) -> None:
        """Refuse what the caller may not do, before anything is done; raises `FieldRefused`."""
        for name, node in self._root_fields(self._operation.selection_set):
            mutation = MUTATIONS.get(name) if self._is_mutation else None
            if mutation is None or mutation.permission is None:
                continue
            try:
                call.member.require(mutation.permission)
            except AppError as problem:
                key = node.alias.value if node.alias else name
                raise FieldRefused(problem, [key], _places(node)) from None

    async def carry_out(self, call: Call, variables: Mapping[str, object]) -> bytes:
        """Give the JSON of `data`; raises `RequestRefused` or `FieldRefused`."""
        found = execute(
            admin_schema(),
            self._node,
            context_value=call,
            variable_values=cast("dict[str, Any]", variables),
            operation_name=self.name,
            field_resolver=_resolve,
        )
        result = found if isinstance(found, ExecutionResult) else await cast("Any", found)
        if result.errors:
            _raise_first(result.errors)
        return orjson.dumps(result.data)

    @property
    def _is_mutation(self) -> bool:
        return self._operation.operation is OperationType.MUTATION

    def _root_fields(self, selection_set: SelectionSetNode) -> Iterable[tuple[str, FieldNode]]:
        """The fields at the top, those of fragments among them, whether or not a directive switches them off."""
        for node in selection_set.selections:
            match node:
                case FieldNode():
                    yield node.name.value, node
                case InlineFragmentNode():
                    yield from self._root_fields(node.selection_set)
                case FragmentSpreadNode():
                    yield from self._root_fields(self._fragments[node.name.value].selection_set)
                case _:
                    continue


def _resolve(source: object, info: "GraphQLResolveInfo[Call]", **arguments: object) -> object:
    given = {name: _storable(value, name) for name, value in arguments.items()}
    if info.parent_type is admin_schema().mutation_type:
        return carry_out(info.field_name, info.context, given)
    return resolve_field(source, info, **given)


def _storable(value: object, name: str) -> object:
    """Pass an argument on, or refuse text in it that no column can hold."""
    match value:
        case str():
            return storable_text(value, name=name)
        case list():
            return [_storable(part, name) for part in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value)
            return {storable_text(key, name=name): _storable(part, name) for key, part in members.items()}
        case _:
            return value


def _load(text: str) -> DocumentNode:
    if len(text) > limits.MOST_BYTES:
        raise refusal(f"The document has {len(text)} characters; at most {limits.MOST_BYTES} are allowed.")
    try:
        document = parse(text, max_tokens=limits.MOST_TOKENS)
    except GraphQLSyntaxError as problem:
        raise RequestRefused([problem]) from None
    limits.check_size(document)
    problems = validate(admin_schema(), document, max_errors=_MOST_ERRORS)
    if problems:
        raise RequestRefused(problems)
    return document


def _chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if not operations:
        raise RequestRefused([GraphQLError("The document has no operation.", document)])
    if name is None:
        if len(operations) != 1:
            raise refusal("The document has several operations: operationName must name one.")
        return operations[0]
    for one in operations:
        if one.name is not None and one.name.value == name:
            return one
    raise refusal(f"The document has no operation named {name[:64]!a}.")


def _raise_first(problems: Iterable[GraphQLError]) -> None:
    """Raise what ended the request, the surprises first: they are ours to look at."""
    found = list(problems)
    for problem in found:
        if problem.original_error is not None and not isinstance(
            problem.original_error, AppError | GraphQLError
        ):
            raise problem.original_error
    first = found[0]
    if isinstance(first.original_error, AppError):
        locations = [place.formatted for place in first.locations or ()]
        raise FieldRefused(
            first.original_error, first.path or [], cast("Any", locations)
        ) from first.original_error.__cause__
    raise RequestRefused(found)


def _places(node: FieldNode) -> list[Mapping[str, object]]:
    place = node.loc.start_token if node.loc else None
    return [{"line": place.line, "column": place.column}] if place else []
