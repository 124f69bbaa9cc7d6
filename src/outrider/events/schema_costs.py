"""What a JSON Schema can cost: the steps for one value of a payload, whatever the payload is.

A schema of a few lines can need 2^60 steps: subschemas that name each other twice, at each level of the value. So
the graph of subschemas is walked before a schema is taken: `steps(s, d)` for a value with d levels is the
schema's own work, and that of the schemas beside it at the same place, and the most that any one member calls for.
Summed over the values of a payload this bounds the whole check. A schema that is cheap only for flat values is taken,
and deep ones are refused when they come.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import unquote

from outrider.core.errors import ValidationError
from outrider.core.storable import MAX_DEPTH

MOST_STEPS: Final = 50_000
"""For one value of a payload."""
LONGEST_CHAIN: Final = 100
"""Of schemas at one place of a value, each applied by the one before it."""
LONGEST_DESCENT: Final = 2_000
"""Of schemas from the root of a value to its deepest member."""
LEAST_LEVELS: Final = 8
"""A schema that is too expensive for values of so many levels is not taken."""

MOST_PATTERNS: Final = 50
"""Of one schema; each may take memory while it is used."""

_ONE: Final = ("not", "if", "then", "else")
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_MAPS: Final = ("dependentSchemas", "dependencies")
_REFERENCES: Final = ("$ref", "$dynamicRef")
_EVERY_MEMBER: Final = ("additionalProperties", "unevaluatedProperties", "propertyNames")
_EVERY_ITEM: Final = ("items", "contains", "unevaluatedItems")
_UNEVALUATED: Final = ("unevaluatedProperties", "unevaluatedItems")
_DEFINITIONS: Final = ("$defs", "definitions")
_PATTERN_STEPS: Final = 10
# Numbers are compared exactly, as decimals where one is no integer, and what holds others part by part: measured, with
# the slowest of values.
_LIMITS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LIMIT_STEPS: Final = 50
_DECIMAL_STEPS: Final = 200
_MULTIPLE_STEPS: Final = 800
_UNIQUE_STEPS: Final = 30
_COMPARED_STEPS: Final = 100

Schema = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Cost:
    """The most steps for one value of a payload, by the payload's levels: none for a scalar, one for `{}`."""

    by_levels: tuple[int, ...]
    is_bounded: bool

    @property
    def most(self) -> int | None:
        """For any payload; None if that is too much."""
        return self.by_levels[-1] if self.is_bounded else None

    def for_value(self, value: object) -> int | None:
        """For this payload; None if that is too much."""
        levels = _levels(value)
        if levels < len(self.by_levels):
            return self.by_levels[levels]
        return self.most


@dataclass(slots=True)
class _Node:
    """A subschema: its own work, what it applies at the same place, and what to members."""

    weight: int
    beside: list[int] = field(default_factory=list[int])
    members: list[list[int]] = field(default_factory=list[list[int]])


def cost_of(schema: Schema, path: str) -> Cost:
    """Bound a schema's cost; raises `ValidationError` for what is too much, or refers outside the document."""
    graph = _Graph(schema, path)
    order = graph.order()
    nodes = graph.nodes
    steps, descents = [0] * len(nodes), [0] * len(nodes)
    by_levels: list[int] = []
    for levels in range(MAX_DEPTH + 1):
        before = steps, descents
        steps, descents = _one_level_more(nodes, order, steps, descents)
        if max(steps) > MOST_STEPS or max(descents) > LONGEST_DESCENT:
            if levels <= LEAST_LEVELS:
                raise ValidationError(
                    f"{path} is too complex: checking one value could take more than {MOST_STEPS} steps.",
                    path=path,
                )
            return Cost(tuple(by_levels), is_bounded=False)
        by_levels.append(steps[0])
        if (steps, descents) == before:
            break
    return Cost(tuple(by_levels), is_bounded=True)


def _one_level_more(
    nodes: list[_Node], order: list[int], steps_below: list[int], descents_below: list[int]
) -> tuple[list[int], list[int]]:
    steps, descents = [0] * len(nodes), [0] * len(nodes)
    for at in order:
        node = nodes[at]
        below = max((sum(steps_below[one] for one in member) for member in node.members), default=0)
        steps[at] = node.weight + sum(steps[one] for one in node.beside) + below
        deep = max((descents_below[one] for member in node.members for one in member), default=0)
        descents[at] = 1 + max(deep, max((descents[one] for one in node.beside), default=0))
    return steps, descents


def _levels(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(_levels, cast("dict[str, object]", value).values()), default=0)
        case list() | tuple():
            return 1 + max(map(_levels, cast("list[object]", value)), default=0)
        case _:
            return 0


class _Graph:
    """The subschemas of a document that can be reached, by their object."""

    def __init__(self, root: Schema, path: str) -> None:
        self.nodes: list[_Node] = []
        self._root = root
        self._path = path
        self._numbers: dict[int, int] = {}
        self._anchors: dict[str, Schema] = {}
        self._pending: list[Schema] = []
        self._patterns = 0
        self._note_anchors(root)
        self._number(root)
        while self._pending:
            self._read(self._pending.pop())

    def order(self) -> list[int]:
        """Every node after those that it applies at the same place."""
        done: list[int] = []
        states: dict[int, bool] = {}
        for at in range(len(self.nodes)):
            self._visit(at, states, done, LONGEST_CHAIN)
        return done

    def _visit(self, at: int, states: dict[int, bool], done: list[int], left: int) -> None:
        is_done = states.get(at)
        if is_done:
            return
        if is_done is False:
            raise ValidationError(f"{self._path} refers to itself without end.", path=self._path)
        if left == 0:
            raise ValidationError(
                f"{self._path} has more than {LONGEST_CHAIN} schemas inside each other at one place.",
                path=self._path,
            )
        states[at] = False
        for one in self.nodes[at].beside:
            self._visit(one, states, done, left - 1)
        states[at] = True
        done.append(at)

    def _number(self, schema: Schema) -> int:
        number = self._numbers.get(id(schema))
        if number is None:
            number = self._numbers[id(schema)] = len(self.nodes)
            self.nodes.append(_Node(0))
            self._pending.append(schema)
        return number

    def _read(self, schema: Schema) -> None:
        if schema is not self._root and "$id" in schema:
            raise ValidationError(f"{self._path}: $id may stand at the top only.", path=self._path)
        node = self.nodes[self._numbers[id(schema)]]
        node.weight = _weight(schema)
        self._patterns += len(_mapping(schema.get("patternProperties"))) + ("pattern" in schema)
        if self._patterns > MOST_PATTERNS:
            raise ValidationError(f"{self._path} has more than {MOST_PATTERNS} patterns.", path=self._path)
        node.beside = [self._number(one) for one in (*_beside(schema), *self._referred(schema))]
        if any(key in schema for key in _UNEVALUATED):
            # what the others have seen is found out by asking them again
            node.beside *= 2
        node.members = [[self._number(one) for one in member] for member in _members(schema)]
        for definition in _definitions(schema):
            self._number(definition)

    def _referred(self, schema: Schema) -> Iterator[Schema]:
        for key in _REFERENCES:
            if key in schema:
                target = self._resolve(schema[key])
                if isinstance(target, dict):
                    yield cast("Schema", target)

    def _resolve(self, reference: object) -> object:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise ValidationError(
                f"{self._path}: a reference begins with #; other documents cannot be referred to.",
                path=self._path,
            )
        name = unquote(reference[1:])
        if name and not name.startswith("/"):
            target: object = self._anchors.get(name)
        else:
            target = self._root
            for part in name.split("/")[1:]:
                target = _step(target, part.replace("~1", "/").replace("~0", "~"))
        if not isinstance(target, dict | bool):
            raise ValidationError(
                f"{self._path}: the reference {reference[:100]!a} leads nowhere.", path=self._path
            )
        return cast("object", target)

    def _note_anchors(self, schema: Schema) -> None:
        waiting = [schema]
        while waiting:
            one = waiting.pop()
            for key in ("$anchor", "$dynamicAnchor"):
                name = one.get(key)
                if isinstance(name, str):
                    self._anchors.setdefault(name, one)
            waiting.extend(_beside(one))
            waiting.extend(inner for member in _members(one) for inner in member)
            waiting.extend(_definitions(one))


def _step(target: object, part: str) -> object:
    match target:
        case dict():
            return cast("dict[str, object]", target).get(part)
        case list() if part.isascii() and part.isdigit() and len(part) < 6:
            items = cast("list[object]", target)
            return items[int(part)] if int(part) < len(items) else None
        case _:
            return None


def _weight(schema: Schema) -> int:
    weight = 1 + len(schema)
    for key in ("required", "properties", "dependentRequired"):
        inner = schema.get(key)
        if isinstance(inner, list | dict):
            weight += len(cast("list[object]", inner))
    weight += _PATTERN_STEPS * (len(_mapping(schema.get("patternProperties"))) + ("pattern" in schema))
    for key in _LIMITS:
        if key in schema:
            weight += _LIMIT_STEPS if isinstance(schema[key], int) else _DECIMAL_STEPS
    weight += _MULTIPLE_STEPS * ("multipleOf" in schema) + _UNIQUE_STEPS * ("uniqueItems" in schema)
    enum = schema.get("enum")
    weight += _compared(cast("list[object]", enum)) if isinstance(enum, list) else 0
    return weight + (_compared([schema["const"]]) if "const" in schema else 0)


def _compared(values: list[object]) -> int:
    if all(value is None or isinstance(value, str | bool) for value in values):
        return 1
    if len(values) > 1 and all(type(value) is int for value in values):
        return 1
    return sum(_COMPARED_STEPS * _parts(value) for value in values)


def _parts(value: object) -> int:
    match value:
        case dict():
            return 1 + sum(map(_parts, cast("dict[str, object]", value).values()))
        case list():
            return 1 + sum(map(_parts, cast("list[object]", value)))
        case float():
            return 2
        case _:
            return 1


def _mapping(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _schemas(values: object) -> list[Schema]:
    """The objects among what should be schemas; the booleans cost nothing, and other things are found later."""
    match values:
        case dict():
            return _schemas(list(cast("dict[str, object]", values).values()))
        case list():
            return [cast("Schema", one) for one in cast("list[object]", values) if isinstance(one, dict)]
        case _:
            return []


def _beside(schema: Schema) -> list[Schema]:
    found = _schemas([schema.get(key) for key in _ONE])
    for key in (*_LISTS, *_MAPS):
        found += _schemas(schema.get(key))
    return found


def _definitions(schema: Schema) -> list[Schema]:
    return [one for key in _DEFINITIONS for one in _schemas(schema.get(key))]


def _members(schema: Schema) -> list[list[Schema]]:
    """What each member or item calls for, one list for each that differs; the first for any other."""
    every = _schemas([schema.get(key) for key in _EVERY_MEMBER])
    every += _schemas(schema.get("patternProperties"))
    items = _schemas([schema.get(key) for key in _EVERY_ITEM])
    named = _schemas(schema.get("properties"))
    placed = _schemas(schema.get("prefixItems"))
    lists = [every, items, *([one, *every] for one in named), *([one, *items] for one in placed)]
    return [one for one in lists if one]
