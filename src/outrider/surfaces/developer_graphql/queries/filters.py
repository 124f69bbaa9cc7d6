"""Filters of events as conditions. Whatever speaks of types alone is decided over the dictionary of types."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias, cast

from outrider.core.ids import first_id_after, first_id_at
from outrider.core.storable import storable_text
from outrider.surfaces.developer_graphql.arguments import Given, Operand, members, operand
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.texts import exists

# `custom.` alone means every type of the customer's own.
_IS_OWN: Final = r"({name} !~ '^(message|user|system|link_code)\.' and {name} <> 'file.inbound')"


@dataclass(frozen=True, slots=True)
class TypeCondition:
    """A condition on the name of the type; `exact` if the name is given as it is."""

    condition: Callable[[str], str]
    exact: str | None = None


@dataclass(frozen=True, slots=True)
class IdCondition:
    """A condition on the event's id, with `{id}` in its place."""

    condition: str


@dataclass(frozen=True, slots=True)
class TargetCondition:
    """An edge to one target: the edges lead to the events."""

    target: str
    edge_type: str | None


@dataclass(frozen=True, slots=True)
class RowCondition:
    """Any other condition, given the alias of the event."""

    condition: Callable[[str], str]


Condition: TypeAlias = TypeCondition | IdCondition | TargetCondition | RowCondition


def conditions_of(statement: Statement, filters: Mapping[str, Given]) -> list[Condition]:
    """Give the conditions that must all hold; those that are null are not there."""
    found: list[Condition] = []
    for name, given in filters.items():
        match name:
            case "eventType":
                found += _type_conditions(statement, cast("Mapping[str, Given]", given))
            case "createdAt":
                found += _time_conditions(statement, cast("Mapping[str, Given]", given))
            case "hasEdge":
                found.append(_edge_condition(statement, cast("Mapping[str, Given]", given)))
            case "and":
                for part in cast("Sequence[Mapping[str, Given]]", given):
                    found += conditions_of(statement, part)
            case "or":
                parts = [
                    conditions_of(statement, part) for part in cast("Sequence[Mapping[str, Given]]", given)
                ]
                found.append(_any_of(statement, parts))
            case _:
                found.append(_not(statement, conditions_of(statement, cast("Mapping[str, Given]", given))))
    return found


def row_condition(statement: Statement, condition: Condition, row: str) -> str:
    """Write any condition as one on the event's row."""
    match condition:
        case TypeCondition(_, exact) if exact is not None:
            return f"{row}.event_type = {exact}"
        case TypeCondition():
            return f"{row}.event_type = any(array({matching_types(statement, [condition])}))"
        case IdCondition():
            return condition.condition.replace("{id}", f"{row}.id")
        case TargetCondition():
            return exists(target_edges(statement, condition, row_id=f"{row}.id"))
        case RowCondition():
            return condition.condition(row)


def matching_types(statement: Statement, conditions: Sequence[TypeCondition]) -> str:
    """Select the names of the application's types for which all conditions hold."""
    types = statement.alias("t")
    holding = [f"({condition.condition(f'{types}.name')})" for condition in conditions]
    return f"select {types}.name {statement.scan('event_types', types, *holding)}"


def target_edges(statement: Statement, condition: TargetCondition, *, row_id: str) -> str:
    """Find the edges of one event that lead to the target."""
    edge = statement.alias("g")
    conditions = [f"{edge}.event_id = {row_id}", f"{edge}.target_id = {condition.target}"]
    if condition.edge_type is not None:
        conditions.append(f"{edge}.edge_type = {condition.edge_type}")
    return statement.scan("edges", edge, *conditions)


def _type_conditions(statement: Statement, given: Mapping[str, Given]) -> list[TypeCondition]:
    found: list[TypeCondition] = []
    if (equal := operand(given, "equals")) is not None:
        found.append(_equals(statement.value(equal, "text", _text)))
    if (part := operand(given, "contains")) is not None:
        found.append(_type_condition("strpos({name}, {value}) > 0", statement.value(part, "text", _text)))
    if (listed := operand(given, "in")) is not None:
        found.append(_type_condition("{name} = any({value})", statement.value(listed, "text[]", _texts)))
    if (start := operand(given, "startsWith")) is not None:
        value = statement.value(start, "text", _text)
        found.append(
            _type_condition(
                f"case when {{value}} = 'custom.' then {_IS_OWN} else starts_with({{name}}, {{value}}) end",
                value,
            )
        )
    return found


def _equals(value: str) -> TypeCondition:
    return TypeCondition(lambda name: f"{name} = {value}", exact=value)


def _type_condition(template: str, value: str) -> TypeCondition:
    return TypeCondition(lambda name: template.replace("{name}", name).replace("{value}", value))


def _time_conditions(statement: Statement, given: Mapping[str, Given]) -> list[IdCondition]:
    return [
        IdCondition(f"{{id}} {sign} {statement.value(cast('Operand', given[name]), 'uuid', bound)}")
        for name, (sign, bound) in _BOUNDS.items()
        if name in given
    ]


def _id_at(value: object) -> object:
    return first_id_at(cast("datetime", value))


def _id_after(value: object) -> object:
    return first_id_after(cast("datetime", value))


_BOUNDS: Final = {
    "gte": (">=", _id_at),
    "gt": (">=", _id_after),
    "lte": ("<", _id_after),
    "lt": ("<", _id_at),
}


def _edge_condition(statement: Statement, given: Mapping[str, Given]) -> Condition:
    edge_type = operand(given, "edgeType")
    type_value = statement.value(edge_type, "text", _text) if edge_type is not None else None
    target = operand(members(given, "targetNodeId") or {}, "equals")
    if target is not None:
        return TargetCondition(statement.value(target, "uuid"), type_value)

    def has_edge(row: str) -> str:
        edge = statement.alias("g")
        conditions = [f"{edge}.event_id = {row}.id"]
        if type_value is not None:
            conditions.append(f"{edge}.edge_type = {type_value}")
        return exists(statement.scan("edges", edge, *conditions))

    return RowCondition(has_edge)


def _any_of(statement: Statement, parts: Sequence[Sequence[Condition]]) -> Condition:
    if not parts:
        return RowCondition(lambda _row: "false")
    if any(not part for part in parts):
        return RowCondition(lambda _row: "true")
    types = [_as_types(part) for part in parts]
    if all(part is not None for part in types):
        conditions = [part for part in types if part is not None]
        return TypeCondition(lambda name: _either(part(name) for part in conditions))
    return RowCondition(
        lambda row: _either(_all(row_condition(statement, one, row) for one in part) for part in parts)
    )


def _not(statement: Statement, part: Sequence[Condition]) -> Condition:
    types = _as_types(part)
    if types is not None:
        return TypeCondition(lambda name: f"not ({types(name)})")
    return RowCondition(lambda row: f"not ({_all(row_condition(statement, one, row) for one in part)})")


def _as_types(part: Sequence[Condition]) -> Callable[[str], str] | None:
    """Give conditions as one on the name of the type, if they speak of nothing else."""
    conditions = [one.condition for one in part if isinstance(one, TypeCondition)]
    if not part or len(conditions) < len(part):
        return None
    return lambda name: _all(condition(name) for condition in conditions)


def _either(conditions: Iterable[str]) -> str:
    return " or ".join(f"({condition})" for condition in conditions) or "false"


def _all(conditions: Iterable[str]) -> str:
    return " and ".join(f"({condition})" for condition in conditions) or "true"


def _text(value: object) -> str:
    return storable_text(cast("str", value), name="A filter")


def _texts(value: object) -> list[str]:
    return [_text(item) for item in cast("list[object]", value)]
