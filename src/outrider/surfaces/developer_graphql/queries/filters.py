"""Filters of events as conditions. Whatever speaks of types alone is decided over the dictionary of types."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from outrider.core.ids import first_id_after, first_id_at
from outrider.surfaces.developer_graphql.arguments import Given, members, operand
from outrider.surfaces.developer_graphql.queries.events import status_of
from outrider.surfaces.developer_graphql.queries.operators import (
    TEXT_OPERATORS,
    moment_conditions,
    text_conditions,
    text_value,
)
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
class TargetsCondition:
    """An edge to one of a few targets, which a statement selects."""

    targets: str
    edge_type: str


@dataclass(frozen=True, slots=True)
class EventsCondition:
    """One of a few events, whose ids a statement selects."""

    ids: str


@dataclass(frozen=True, slots=True)
class OriginCondition:
    """What follows from one event: an index over origins leads to it."""

    origin: str


@dataclass(frozen=True, slots=True)
class RowCondition:
    """Any other condition, given the alias of the event."""

    condition: Callable[[str], str]


Condition: TypeAlias = (
    TypeCondition
    | IdCondition
    | TargetCondition
    | TargetsCondition
    | EventsCondition
    | OriginCondition
    | RowCondition
)


def conditions_of(
    statement: Statement, filters: Mapping[str, Given], around: str | None = None
) -> list[Condition]:
    """Give the conditions that must all hold; those that are null are not there.

    `around`: the thing whose events these are; an edge to nothing in particular is one to it.
    """
    found: list[Condition] = []
    for name, given in filters.items():
        match name:
            case "and":
                for part in cast("Sequence[Mapping[str, Given]]", given):
                    found += conditions_of(statement, part, around)
            case "or":
                parts = [
                    conditions_of(statement, part, around)
                    for part in cast("Sequence[Mapping[str, Given]]", given)
                ]
                found.append(_any_of(statement, parts))
            case "not":
                part = cast("Mapping[str, Given]", given)
                found.append(_not(statement, conditions_of(statement, part, around)))
            case "hasEdge":
                found.append(_edge_condition(statement, cast("Mapping[str, Given]", given), around))
            case _:
                found += _SIMPLE[name](statement, cast("Mapping[str, Given]", given))
    return found


def row_condition(statement: Statement, condition: Condition, row: str) -> str:
    """Write any condition as one on the event's row."""
    match condition:
        case TypeCondition(_, exact):
            names = f"any(array({matching_types(statement, [condition])}))"
            return f"{row}.event_type = {names if exact is None else exact}"
        case IdCondition():
            return condition.condition.replace("{id}", f"{row}.id")
        case TargetCondition():
            return exists(target_edges(statement, condition, row_id=f"{row}.id"))
        case TargetsCondition():
            return exists(_edges_to_any(statement, condition, row))
        case EventsCondition():
            return f"{row}.id = any(array({condition.ids}))"
        case OriginCondition():
            return f"coalesce({row}.origin_event_id = {condition.origin} and {row}.id > {condition.origin}, false)"
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


def _edges_to_any(statement: Statement, condition: TargetsCondition, row: str) -> str:
    edge = statement.alias("g")
    return statement.scan(
        "edges",
        edge,
        f"{edge}.event_id = {row}.id",
        f"{edge}.edge_type = {condition.edge_type}",
        f"{edge}.target_id = any(array({condition.targets}))",
    )


def _type_conditions(statement: Statement, given: Mapping[str, Given]) -> list[Condition]:
    found: list[Condition] = []
    for name, template in TEXT_OPERATORS.items():
        value = text_value(statement, given, name)
        if value is None:
            continue
        if name == "startsWith":
            template = f"case when {{value}} = 'custom.' then {_IS_OWN} else {template} end"  # noqa: PLW2901
        found.append(_type_condition(template, value, exact=value if name == "equals" else None))
    return found


def _type_condition(template: str, value: str, exact: str | None) -> TypeCondition:
    def condition(name: str) -> str:
        return template.replace("{text}", name).replace("{name}", name).replace("{value}", value)

    return TypeCondition(condition, exact)


def _time_conditions(statement: Statement, given: Mapping[str, Given]) -> list[Condition]:
    written = moment_conditions(statement, given, "{id}", "uuid", first_id_at, first_id_after)
    return [IdCondition(one) for one in written]


def _status_conditions(statement: Statement, given: Mapping[str, Given]) -> list[Condition]:
    if not given:
        return []

    def has_status(row: str) -> str:
        shown = statement.alias("s")
        held = _all(text_conditions(statement, given, f"{shown}.status"))
        # offset 0: it is looked up once, however often it is compared
        return f"(select {held} from (select {status_of(statement, row)} as status offset 0) {shown})"  # noqa: S608

    return [RowCondition(has_status)]


def _origin_conditions(statement: Statement, given: Mapping[str, Given]) -> list[Condition]:
    origin = operand(given, "equals")
    return [] if origin is None else [OriginCondition(statement.value(origin, "uuid"))]


def _message_id_conditions(statement: Statement, given: Mapping[str, Given]) -> list[Condition]:
    def ids(row: str, conditions: Sequence[str]) -> str:
        scan = statement.scan("external_messages", row, *conditions, f"{row}.event_id is not null")
        return f"select {row}.event_id {scan}"

    return [EventsCondition(one) for one in _by_external_id(statement, given, ids)]


def _recipient_conditions(statement: Statement, given: Mapping[str, Given]) -> list[Condition]:
    def ids(row: str, conditions: Sequence[str]) -> str:
        return f"select {row}.id {statement.scan('platform_users', row, *conditions)}"

    return [TargetsCondition(one, "'sent_to'") for one in _by_external_id(statement, given, ids)]


def _by_external_id(
    statement: Statement, given: Mapping[str, Given], ids: Callable[[str, Sequence[str]], str]
) -> list[str]:
    """Select what the platforms call so, connection by connection, as the indexes want it."""
    found: list[str] = []
    for name in ("equals", "in"):
        value = text_value(statement, given, name)
        if value is not None:
            connection, row, one = (statement.alias(letter) for letter in "cxy")
            named = TEXT_OPERATORS[name].replace("{text}", f"{row}.external_id").replace("{value}", value)
            inner = ids(row, [f"{row}.connection_id = {connection}.id", named])
            connections = statement.scan("connections", connection)
            found.append(
                f"select {one}.* from (select {connection}.id {connections}) {connection} "  # noqa: S608
                f"cross join lateral ({inner}) {one}"
            )
    return found


_SIMPLE: Final[Mapping[str, Callable[[Statement, Mapping[str, Given]], list[Condition]]]] = {
    "eventType": _type_conditions,
    "createdAt": _time_conditions,
    "status": _status_conditions,
    "originEventId": _origin_conditions,
    "externalMessageId": _message_id_conditions,
    "recipientExternalId": _recipient_conditions,
}


def _edge_condition(statement: Statement, given: Mapping[str, Given], around: str | None) -> Condition:
    type_value = text_value(statement, given, "edgeType")
    target = operand(members(given, "targetNodeId") or {}, "equals")
    if target is not None:
        return TargetCondition(statement.value(target, "uuid"), type_value)
    if around is not None:
        return TargetCondition(around, type_value)

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
