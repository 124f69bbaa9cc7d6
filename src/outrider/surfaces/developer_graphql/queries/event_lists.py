"""Where a list of events comes from: whichever index leads to them soonest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outrider.surfaces.developer_graphql import cursors
from outrider.surfaces.developer_graphql.arguments import Given, members
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.filters import (
    Condition,
    EventsCondition,
    IdCondition,
    OriginCondition,
    TargetCondition,
    TargetsCondition,
    TypeCondition,
    conditions_of,
    matching_types,
    row_condition,
)
from outrider.surfaces.developer_graphql.queries.lists import count_by_id
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.windows import MOST_COUNTED, PAGE_LIMIT, Window, window_of
from outrider.tenancy.actors import Scope


@dataclass(slots=True)
class EventSource:
    """Events that fulfil conditions."""

    statement: Statement
    conditions: list[Condition]
    window: Window

    def page(self, row: str) -> str:
        """Give `from …` with the newest or oldest events between the cursors."""
        behind = [IdCondition(bound.replace("{row}.id", "{id}")) for bound in self.window.bounds]
        return f"from ({self._rows([*self.conditions, *behind], PAGE_LIMIT)}) {row} order by {row}.id {self._way}"

    def count(self) -> str:
        """Count up to the limit; beyond it, think the rest as dense as what was counted."""
        counted, other = self.statement.alias("n"), self.statement.alias("o")
        rows = self._rows(self.conditions, MOST_COUNTED + 1)
        log = f"select {other}.id {self.statement.scan('events', other)} order by {other}.id"
        return count_by_id(rows, counted, log)

    @property
    def _way(self) -> str:
        return self.window.way

    def _rows(self, conditions: Sequence[Condition], limit: int) -> str:
        for leading in conditions:
            others = [one for one in conditions if one is not leading]
            match leading:
                case EventsCondition():
                    return self._rows_by_id(leading, others, limit)
                case OriginCondition():
                    return self._plain_rows(conditions, limit)
                case _:
                    pass
        for leading in conditions:
            others = [one for one in conditions if one is not leading]
            match leading:
                case TargetCondition():
                    return self._rows_by_target(leading, others, limit)
                case TargetsCondition():
                    return self._rows_by_targets(leading, others, limit)
                case _:
                    pass
        types = [one for one in conditions if isinstance(one, TypeCondition)]
        if types and all(one.exact is None for one in types):
            others = [one for one in conditions if not isinstance(one, TypeCondition)]
            return self._rows_by_type(types, others, limit)
        return self._plain_rows(conditions, limit)

    def _plain_rows(self, conditions: Sequence[Condition], limit: int) -> str:
        row = self.statement.alias("e")
        return f"select {row}.* {self._scan(row, conditions)} order by {row}.id {self._way} limit {limit}"

    def _rows_by_id(self, leading: EventsCondition, others: Sequence[Condition], limit: int) -> str:
        one, row = self.statement.alias("i"), self.statement.alias("e")
        event = self._scan(row, others, f"{row}.id = {one}.event_id")
        return (
            f"select {row}.* from (select distinct event_id from ({leading.ids}) {one}) {one} "  # noqa: S608
            f"cross join lateral (select {row}.* {event} limit 1) {row} order by {row}.id {self._way} limit {limit}"
        )

    def _rows_by_type(self, types: Sequence[TypeCondition], others: Sequence[Condition], limit: int) -> str:
        """Merge the newest of each type: no type is so rare that the others would be searched for it."""
        names, inner, row = (self.statement.alias(letter) for letter in "tee")
        scan = self._scan(inner, others, f"{inner}.event_type = {names}.name")
        newest = f"select {inner}.* {scan} order by {inner}.id {self._way} limit {limit}"
        if limit == PAGE_LIMIT:
            newest = f"select {inner}.* from ({newest}) {inner} limit {self.window.size}"  # noqa: S608
        return (
            f"select {row}.* from ({matching_types(self.statement, types)}) {names} "  # noqa: S608
            f"cross join lateral ({newest}) {row} order by {row}.id {self._way} limit {limit}"
        )

    def _rows_by_targets(self, leading: TargetsCondition, others: Sequence[Condition], limit: int) -> str:
        """Merge the newest of each target; an event that leads to several of them counts once."""
        target, row = self.statement.alias("h"), self.statement.alias("e")
        each = TargetCondition(f"{target}.id", leading.edge_type)
        newest = self._rows_by_target(each, others, limit)
        return (
            f"select distinct on ({row}.id) {row}.* from ({leading.targets}) {target} "  # noqa: S608
            f"cross join lateral ({newest}) {row} order by {row}.id {self._way} limit {limit}"
        )

    def _rows_by_target(self, target: TargetCondition, others: Sequence[Condition], limit: int) -> str:
        """Follow the edges that lead to the target; of several from one event only the first counts."""
        edge, twin, row = (self.statement.alias(letter) for letter in "gge")
        same = [f"{twin}.event_id = {edge}.event_id", f"{twin}.target_id = {edge}.target_id"]
        leading = [f"{edge}.target_id = {target.target}"]
        if target.edge_type is not None:
            leading.append(f"{edge}.edge_type = {target.edge_type}")
            same.append(f"{twin}.edge_type = {edge}.edge_type")
        leading += [
            one.condition.replace("{id}", f"{edge}.event_id")
            for one in others
            if isinstance(one, IdCondition)
        ]
        first = f"select {twin}.id {self.statement.scan('edges', twin, *same)} order by {twin}.id limit 1"
        edges = self.statement.scan("edges", edge, *leading, f"{edge}.id = ({first})")
        event = self._scan(row, others, f"{row}.id = {edge}.event_id")
        return (
            # the id is the edge's: the list is in the order of an index over edges
            f"select {edge}.event_id as id, {row}.position, {row}.event_type, {row}.origin_event_id, "  # noqa: S608
            f"{row}.payload from (select {edge}.event_id {edges}) {edge} "
            f"cross join lateral (select {row}.* {event} limit 1) {row} "
            f"order by {edge}.event_id {self._way} limit {limit}"
        )

    def _scan(self, row: str, conditions: Sequence[Condition], *more: str) -> str:
        written = [f"({self._written(one, row)})" for one in conditions]
        return self.statement.scan("events", row, *more, *written)

    def _written(self, condition: Condition, row: str) -> str:
        if isinstance(condition, OriginCondition):
            # as the index has it: here null is as good as false
            return f"{row}.origin_event_id = {condition.origin} and {row}.id > {condition.origin}"
        return row_condition(self.statement, condition, row)


def events(compiling: Compiling, given: Mapping[str, Given]) -> EventSource:
    """Give the source of the field `events`."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    conditions = conditions_of(statement, members(given, "filters") or {})
    return EventSource(statement, conditions, window_of(compiling, given, cursors.EVENTS))


def events_around(compiling: Compiling, given: Mapping[str, Given], target: str) -> EventSource:
    """Give the source of the events that lead to one thing; `target` is an expression for its id."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    conditions = conditions_of(statement, members(given, "filters") or {}, target)
    if not any(isinstance(one, TargetCondition) and one.target == target for one in conditions):
        conditions.append(TargetCondition(target, None))
    return EventSource(statement, conditions, window_of(compiling, given, cursors.EVENTS))
