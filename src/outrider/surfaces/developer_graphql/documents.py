"""Documents that were parsed and validated once, and with them the plans of their operations."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.execution.values import VariableValues, get_variable_values

from outrider.surfaces import graphql_limits as limits
from outrider.surfaces.developer_graphql.kinds import Kind, Read, Unread, reader, variable_kind
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.surfaces.graphql_errors import RequestRefused, refusal

_MOST_ERRORS: Final = 10
_MOST_DOCUMENTS: Final = 1_000
_MOST_CACHED_CHARACTERS: Final = 4 * 1024 * 1024
_MOST_PLANS: Final = 64

Shape = Callable[[Any], Hashable]


@dataclass(slots=True)
class Operation:
    """One operation of a document. Its plans are kept by the pattern of nulls in the variables."""

    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    readers: tuple[tuple[str, Read, object, bool], ...]
    shapes: tuple[tuple[str, Shape], ...]
    plans: OrderedDict[Hashable, object] = field(default_factory=OrderedDict[Hashable, object])

    @property
    def name(self) -> str | None:
        """What the caller calls it."""
        return self.node.name.value if self.node.name else None

    @property
    def is_mutation(self) -> bool:
        """Whether it may change something."""
        return self.node.operation is OperationType.MUTATION

    @property
    def is_subscription(self) -> bool:
        """Whether it is answered again and again."""
        return self.node.operation is OperationType.SUBSCRIPTION

    def coerce(self, given: Mapping[str, object]) -> "Variables":
        """Read the request's variables, or raise `RequestRefused`."""
        coerced: dict[str, Any] = {}
        try:
            for name, read, default, is_required in self.readers:
                if name in given:
                    coerced[name] = read(given[name])
                elif default is not Undefined:
                    coerced[name] = default
                elif is_required:
                    raise Unread
        except Exception:  # noqa: BLE001 - whatever it was, graphql-core reads it again and says it well
            return Variables(self, given, self.values(given).coerced)
        return Variables(self, given, coerced)

    def values(self, given: Mapping[str, object]) -> VariableValues:
        """Read the request's variables as graphql-core does, or raise `RequestRefused`."""
        found = get_variable_values(
            SCHEMA,
            self.node.variable_definitions or (),
            cast("dict[str, Any]", given),
            max_errors=_MOST_ERRORS,
        )
        if isinstance(found, VariableValues):
            return found
        raise RequestRefused(found)

    def pattern(self, variables: "Variables") -> Hashable:
        """Give what a plan depends on: which variables are null, and those that switch fields on and off."""
        coerced = variables.coerced
        return tuple([shape(coerced.get(name)) for name, shape in self.shapes])

    def plan(self, pattern: Hashable, make: Callable[[], object]) -> object:
        """Give the plan for a pattern, made at its first use; the oldest makes room."""
        plan = self.plans.get(pattern)
        if plan is None:
            plan = self.plans[pattern] = make()
            if len(self.plans) > _MOST_PLANS:
                self.plans.popitem(last=False)
        return plan


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one request: as they came, and as their types have them."""

    operation: Operation
    given: Mapping[str, object]
    coerced: Mapping[str, Any]

    def values(self) -> VariableValues:
        """Give them as graphql-core wants them."""
        return self.operation.values(self.given)


class Documents:
    """Valid documents by their text; the least recently used make room."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, dict[str | None, Operation]] = OrderedDict()
        self._characters = 0

    def operation(self, text: str, name: str | None) -> Operation:
        """Find an operation of a document, or raise `RequestRefused`."""
        operations = self._documents.get(text)
        if operations is None:
            operations = self._keep(text, load_document(text))
        else:
            self._documents.move_to_end(text)
        if name is None:
            if len(operations) != 1:
                raise refusal("The document has several operations: operationName must name one.")
            return next(iter(operations.values()))
        if name not in operations:
            raise refusal(f"The document has no operation named {name[:64]!a}.")
        return operations[name]

    def _keep(self, text: str, operations: dict[str | None, Operation]) -> dict[str | None, Operation]:
        self._documents[text] = operations
        self._characters += len(text)
        while len(self._documents) > _MOST_DOCUMENTS or self._characters > _MOST_CACHED_CHARACTERS:
            dropped, _ = self._documents.popitem(last=False)
            self._characters -= len(dropped)
        return operations


def load_document(text: str) -> dict[str | None, Operation]:
    """Parse and validate a document; raises `RequestRefused` with up to ten reasons."""
    if len(text) > limits.MOST_BYTES:
        raise refusal(
            f"The document has {len(text)} characters; at most {limits.MOST_BYTES} are allowed. "
            "Values belong into variables."
        )
    try:
        document = parse(text, max_tokens=limits.MOST_TOKENS)
    except GraphQLSyntaxError as problem:
        raise RequestRefused([problem]) from None
    limits.check_size(document)
    problems = validate(SCHEMA, document, max_errors=_MOST_ERRORS)
    if problems:
        raise RequestRefused(problems)
    operations = _operations(document)
    if not operations:
        raise RequestRefused([GraphQLError("The document has no operation.", document)])
    return operations


def _operations(document: DocumentNode) -> dict[str | None, Operation]:
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    switches = _switches(document)
    return {
        node.name.value if node.name else None: Operation(
            node, fragments, _readers(node), _shapes(node, switches)
        )
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    }


def _switches(document: DocumentNode) -> frozenset[str]:
    """Find the variables that decide about @skip and @include."""
    found: set[str] = set()

    class Finding(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: object) -> None:
            values = (argument.value for argument in node.arguments or ())
            found.update(value.name.value for value in values if isinstance(value, VariableNode))

    visit(document, Finding())
    return frozenset(found)


def _readers(node: OperationDefinitionNode) -> tuple[tuple[str, Read, object, bool], ...]:
    readers: list[tuple[str, Read, object, bool]] = []
    for definition in node.variable_definitions or ():
        kind = variable_kind(definition)
        default = kind.literal(definition.default_value) if definition.default_value else Undefined
        readers.append((definition.variable.name.value, reader(kind), default, kind.is_required))
    return tuple(readers)


def _shapes(node: OperationDefinitionNode, switches: frozenset[str]) -> tuple[tuple[str, Shape], ...]:
    shapes: list[tuple[str, Shape]] = []
    for definition in node.variable_definitions or ():
        name, kind = definition.variable.name.value, variable_kind(definition)
        if name in switches:
            shapes.append((name, bool))
        elif node.operation is not OperationType.MUTATION or not kind.holds_objects:
            # The arguments of a mutation are read at each request: only what it then selects is compiled.
            shapes.append((name, _shape(kind)))
    return tuple(shapes)


def _shape(kind: Kind) -> Shape:
    """Give what a plan depends on in a value: its null parts, and words, of which there are few."""
    if kind.is_word:
        return _itself
    if kind.is_object:
        return lambda value: None if value is None else _members_shape(kind, value)
    if kind.item is not None and kind.item.holds_objects:
        shape = _shape(kind.item)
        return lambda value: None if value is None else tuple([shape(part) for part in value])
    return _is_given


def _members_shape(kind: Kind, value: dict[str, object]) -> Hashable:
    fields = kind.fields
    return tuple([(name, _shape(fields[name])(part)) for name, part in value.items() if part is not None])


def _itself(value: Hashable) -> Hashable:
    return value


def _is_given(value: object) -> Hashable:
    return value is not None
