"""Every place of the schema that takes an id, found by walking it, and requests that put an id there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)
from graphql import is_required_argument as is_required

from outrider.surfaces.developer_graphql.schema import SCHEMA

COMBINING: Final = ("or", "and", "not")
ROOTS: Final = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}


@dataclass(frozen=True)
class Place:
    """One place: the field of `parent`, its argument, and the way through input objects to the id."""

    parent: str
    field: str
    argument: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        start = self.field if self.parent in {"Query", "Mutation"} else f"{self.parent}.{self.field}"
        return ".".join([start, self.argument, *self.path])

    @property
    def name(self) -> str:
        """The place without what combines filters: what its id names is the same."""
        return ".".join(part for part in str(self).split(".") if part not in COMBINING)

    @property
    def is_changing(self) -> bool:
        """Whether it is of a mutation."""
        return self.parent == "Mutation"

    @cached_property
    def definition(self) -> GraphQLField:
        """The field."""
        kind = SCHEMA.type_map[self.parent]
        assert isinstance(kind, GraphQLObjectType)
        return kind.fields[self.field]

    def value(self, wanted: str, others: Mapping[str, object]) -> Any:
        """The argument with an id in this place; `others` are what else an input object must have."""
        return _with_id(self.definition.args[self.argument].type, self.path, wanted, others)

    def document(self, given: Mapping[str, object]) -> str:
        """A document that passes these arguments, and `$own` where another field leads here."""
        variables = {name: str(self.definition.args[name].type) for name in given}
        if self.parent not in ROOTS:
            variables["own"] = "UUID!"
        head = ", ".join(f"${name}: {kind}" for name, kind in variables.items())
        passed = ", ".join(f"{name}: ${name}" for name in given)
        inner = get_named_type(self.definition.type).name
        body = f"{self.field}({passed}) {selection(inner)}"
        if self.parent not in ROOTS:
            body = f"{self.parent[0].lower()}{self.parent[1:]}(id: $own) {{ {body} }}"
        return f"{ROOTS.get(self.parent, 'query')}({head}) {{ {body} }}"


def id_places() -> list[Place]:
    """Walk the schema."""
    found: list[Place] = []
    for kind in SCHEMA.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for field, definition in kind.fields.items():
                for argument, given in definition.args.items():
                    found += [
                        Place(kind.name, field, argument, path) for path in _paths(given.type, frozenset())
                    ]
    return found


def _paths(kind: Any, inside: frozenset[str]) -> Iterator[tuple[str, ...]]:
    named = get_named_type(kind)
    if named.name == "UUID":
        yield ()
    elif isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            # filters hold filters: once inside is enough
            if name not in COMBINING or not inside:
                way = inside | {name} if name in COMBINING else inside
                yield from ((name, *path) for path in _paths(field.type, way))


def _with_id(kind: Any, path: tuple[str, ...], wanted: str, others: Mapping[str, object]) -> Any:
    if isinstance(kind, GraphQLNonNull):
        return _with_id(kind.of_type, path, wanted, others)
    if isinstance(kind, GraphQLList):
        return [_with_id(kind.of_type, path, wanted, others)]
    if not path:
        return wanted
    name, *rest = path
    needed = {other: others[other] for other, field in kind.fields.items() if str(field.type).endswith("!")}
    if kind.name == "SendMessageInput":
        # one of two is required
        needed["message"] = others["message"]
    return {**needed, name: _with_id(kind.fields[name].type, tuple(rest), wanted, others)}


def selection(type_name: str, depth: int = 3) -> str:
    """Everything of a type that needs no argument, down to a depth."""
    kind = SCHEMA.type_map[type_name]
    assert isinstance(kind, GraphQLObjectType)
    parts = ["__typename"]
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if any(is_required(argument) for argument in field.args.values()):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif depth > 1:
            parts.append(f"{name} {selection(inner.name, depth - 1)}")
    return "{ " + " ".join(parts) + " }"
