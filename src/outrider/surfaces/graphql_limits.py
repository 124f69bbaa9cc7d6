"""Bounds that a document is held to before it is validated, so that no document costs more than it may."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from outrider.surfaces.graphql_errors import RequestRefused

MOST_BYTES: Final = 128 * 1024
MOST_TOKENS: Final = 5_000
DEEPEST: Final = 12
DEEPEST_INTROSPECTION: Final = 25
MOST_FIELDS: Final = 500
MOST_OPERATIONS: Final = 20
MOST_FRAGMENTS: Final = 100


@dataclass(frozen=True, slots=True)
class _Size:
    """Of one selection: levels without and within introspection, and fields with every fragment written out."""

    depth: int = 0
    introspection_depth: int = 0
    fields: int = 0


def check_size(document: DocumentNode) -> None:
    """Raise `RequestRefused` for a document that is too deep or too large with its fragments written out."""
    fragments = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) > MOST_OPERATIONS:
        raise _too(f"has {len(operations)} operations; at most {MOST_OPERATIONS} are allowed", document)
    if len(fragments) > MOST_FRAGMENTS:
        raise _too(f"has {len(fragments)} fragments; at most {MOST_FRAGMENTS} are allowed", document)
    measuring = _Measuring({fragment.name.value: fragment for fragment in fragments})
    for operation in operations:
        size = measuring.size(operation.selection_set)
        if size.fields > MOST_FIELDS:
            raise _too(f"selects more than {MOST_FIELDS} fields", operation)
        if size.depth > DEEPEST:
            raise _too(f"is {size.depth} levels deep; at most {DEEPEST} are allowed", operation)
        if size.introspection_depth > DEEPEST_INTROSPECTION:
            raise _too(f"asks more than {DEEPEST_INTROSPECTION} levels of introspection", operation)


def _too(message: str, node: DocumentNode | OperationDefinitionNode) -> RequestRefused:
    return RequestRefused([GraphQLError(f"The document {message}.", node)])


class _Measuring:
    """Measures each fragment once, however often it is spread."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._sizes: dict[str, _Size] = {}

    def size(self, selection_set: SelectionSetNode) -> _Size:
        return _together(self._size_of(node) for node in selection_set.selections)

    def _size_of(self, node: object) -> _Size:
        match node:
            case FieldNode():
                inner = self.size(node.selection_set) if node.selection_set else _Size()
                if node.name.value in {"__schema", "__type"}:
                    return _Size(1, 1 + max(inner.depth, inner.introspection_depth), 1 + inner.fields)
                return _Size(1 + inner.depth, inner.introspection_depth, 1 + inner.fields)
            case InlineFragmentNode():
                return self.size(node.selection_set)
            case FragmentSpreadNode():
                return self._size_of_fragment(node.name.value)
            case _:
                return _Size()

    def _size_of_fragment(self, name: str) -> _Size:
        if name not in self._sizes:
            # A fragment that leads back to itself counts as empty there: validation refuses it by name.
            self._sizes[name] = _Size()
            if name in self._fragments:
                self._sizes[name] = self.size(self._fragments[name].selection_set)
        return self._sizes[name]


def _together(sizes: Iterable[_Size]) -> _Size:
    depth = introspection_depth = fields = 0
    for size in sizes:
        depth = max(depth, size.depth)
        introspection_depth = max(introspection_depth, size.introspection_depth)
        fields += size.fields
    return _Size(depth, introspection_depth, fields)
