"""What an operation selects from one type: fragments merged in, @skip and @include decided."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_directive_values,
)
from graphql.execution.values import VariableValues


@dataclass(frozen=True, slots=True)
class Selected:
    """One field of an answer: its name there, the field, and every place in the document that selects it."""

    key: str
    name: str
    nodes: tuple[FieldNode, ...]

    @property
    def selection_sets(self) -> list[SelectionSetNode]:
        """What is selected of it, to be merged."""
        return [node.selection_set for node in self.nodes if node.selection_set]


@dataclass(frozen=True, slots=True)
class Selecting:
    """What deciding about selections needs of the document and the request."""

    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues

    def fields(self, selection_sets: Iterable[SelectionSetNode]) -> list[Selected]:
        """Give the fields in the order of the answer."""
        found: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for selection_set in selection_sets:
            self._collect(selection_set, found, seen)
        return [Selected(key, nodes[0].name.value, tuple(nodes)) for key, nodes in found.items()]

    def _collect(
        self, selection_set: SelectionSetNode, found: dict[str, list[FieldNode]], seen: set[str]
    ) -> None:
        for node in selection_set.selections:
            if node.directives and not self._is_included(node):
                continue
            match node:
                case FieldNode():
                    found.setdefault((node.alias or node.name).value, []).append(node)
                case InlineFragmentNode():
                    self._collect(node.selection_set, found, seen)
                case FragmentSpreadNode() if node.name.value not in seen:
                    seen.add(node.name.value)
                    # There are no interfaces: a fragment that validation let through always applies.
                    self._collect(self.fragments[node.name.value].selection_set, found, seen)
                case _:
                    pass

    def _is_included(self, node: SelectionNode) -> bool:
        skip: dict[str, Any] | None = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include: dict[str, Any] | None = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and (include is None or bool(include["if"]))
