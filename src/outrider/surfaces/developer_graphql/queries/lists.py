"""Where the rows of a list come from: bounded, in order, read from an index and never sorted as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from outrider.surfaces.developer_graphql import cursors
from outrider.surfaces.developer_graphql.arguments import Constant, Given, Operand, members, operand
from outrider.surfaces.developer_graphql.cursors import CursorKind
from outrider.surfaces.developer_graphql.queries.compiling import LARGEST_PAGE, Compiling, page_size_and_one
from outrider.surfaces.developer_graphql.queries.filters import (
    Condition,
    IdCondition,
    TargetCondition,
    TypeCondition,
    conditions_of,
    matching_types,
    row_condition,
)
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.tenancy.actors import Scope

# A constant: with a parameter there the planner thinks of a tenth of all rows.
PAGE_LIMIT: Final = LARGEST_PAGE + 1
MOST_COUNTED: Final = 10_000


class Source(Protocol):
    """The rows of one list."""

    @property
    def kind(self) -> CursorKind:
        """What its cursors are like."""
        ...

    @property
    def size(self) -> str:
        """The parameter for how many rows the page has, and one more."""
        ...

    @property
    def has_after(self) -> bool:
        """Whether the page begins behind a cursor."""
        ...

    def page(self, row: str) -> str:
        """Give `from …` with at least as many rows as the page has, in order, under an alias."""
        ...


class CountedSource(Source, Protocol):
    """The rows of a list that tells how long it is."""

    def count(self) -> str:
        """Give an expression for how many rows there are in all; an estimate is below zero."""
        ...


@dataclass(slots=True)
class EventSource:
    """Events, by whichever index leads to them soonest."""

    statement: Statement
    conditions: list[Condition]
    after: str | None
    size: str
    is_ascending: bool = False
    kind: CursorKind = cursors.EVENTS

    @property
    def has_after(self) -> bool:
        """Whether the page begins behind a cursor."""
        return self.after is not None

    def page(self, row: str) -> str:
        """Give `from …` with the newest or oldest events behind the cursor."""
        behind: list[Condition] = []
        if self.after is not None:
            behind = [IdCondition(f"{{id}} {'>' if self.is_ascending else '<'} {self.after}")]
        return f"from ({self._rows([*self.conditions, *behind], PAGE_LIMIT)}) {row} order by {row}.id {self._way}"

    def count(self) -> str:
        """Count up to the limit; beyond it, think the rest as dense as what was counted."""
        counted, other = self.statement.alias("n"), self.statement.alias("o")
        rows = self._rows(self.conditions, MOST_COUNTED + 1)
        log = f"select {other}.id {self.statement.scan('events', other)} order by {other}.id"
        whole = f"{_time(f'({log} desc limit 1)')} - {_time(f'({log} limit 1)')}"
        times = _time(f"{counted}.id")
        return _bounded_count(rows, counted, whole, f"max({times}) - min({times})")

    @property
    def _way(self) -> str:
        return "asc" if self.is_ascending else "desc"

    def _rows(self, conditions: Sequence[Condition], limit: int) -> str:
        targets = [one for one in conditions if isinstance(one, TargetCondition)]
        types = [one for one in conditions if isinstance(one, TypeCondition)]
        if targets:
            return self._rows_by_target(
                targets[0], [one for one in conditions if one is not targets[0]], limit
            )
        if types and all(one.exact is None for one in types):
            others = [one for one in conditions if not isinstance(one, TypeCondition)]
            return self._rows_by_type(types, others, limit)
        row = self.statement.alias("e")
        return f"select {row}.* {self._scan(row, conditions)} order by {row}.id {self._way} limit {limit}"

    def _rows_by_type(self, types: Sequence[TypeCondition], others: Sequence[Condition], limit: int) -> str:
        """Merge the newest of each type: no type is so rare that the others would be searched for it."""
        names, inner, row = (self.statement.alias(letter) for letter in "tee")
        scan = self._scan(inner, others, f"{inner}.event_type = {names}.name")
        newest = f"select {inner}.* {scan} order by {inner}.id {self._way} limit {limit}"
        if limit == PAGE_LIMIT:
            newest = f"select {inner}.* from ({newest}) {inner} limit {self.size}"  # noqa: S608
        return (
            f"select {row}.* from ({matching_types(self.statement, types)}) {names} "  # noqa: S608
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
        written = [f"({row_condition(self.statement, one, row)})" for one in conditions]
        return self.statement.scan("events", row, *more, *written)


@dataclass(slots=True)
class PeopleSource:
    """Users or platform users, newest first."""

    statement: Statement
    table: str
    kind: CursorKind
    size: str
    after: Operand | None
    conditions: list[str] = field(default_factory=list[str])

    @property
    def has_after(self) -> bool:
        """Whether the page begins behind a cursor."""
        return self.after is not None

    def page(self, row: str) -> str:
        """Give `from …` with the newest people behind the cursor."""
        behind: list[str] = []
        if self.after is not None:
            time = self.statement.value(self.after, "timestamptz", self.kind.read_time)
            last = self.statement.value(self.after, "uuid", self.kind.read_id)
            behind = [f"({{row}}.created_at, {{row}}.id) < ({time}, {last})"]
        rows = self._rows([*self.conditions, *behind], PAGE_LIMIT)
        return f"from ({rows}) {row} order by {row}.created_at desc, {row}.id desc"

    def count(self) -> str:
        """Count up to the limit; beyond it, think the rest as dense as what was counted."""
        counted, other = self.statement.alias("n"), self.statement.alias("o")
        everyone = self.statement.scan(self.table, other)
        whole = f"(select max({other}.created_at) - min({other}.created_at) {everyone})"
        span = f"max({counted}.created_at) - min({counted}.created_at)"
        rows = self._rows(self.conditions, MOST_COUNTED + 1)
        return _bounded_count(rows, counted, whole, span)

    def _rows(self, conditions: list[str], limit: int) -> str:
        row = self.statement.alias(self.table[0])
        scan = self.statement.scan(self.table, row, *[one.replace("{row}", row) for one in conditions])
        return f"select {row}.* {scan} order by {row}.created_at desc, {row}.id desc limit {limit}"


@dataclass(slots=True)
class DeliverySource:
    """Webhook deliveries, newest first: what waits in the queue and what has ended, as one list."""

    statement: Statement
    size: str
    after: str | None
    subscription: str | None
    state: str | None
    kind: CursorKind = cursors.DELIVERIES

    @property
    def has_after(self) -> bool:
        """Whether the page begins behind a cursor."""
        return self.after is not None

    def page(self, row: str) -> str:
        """Give `from …` with the newest deliveries behind the cursor."""
        queued, ended, either = (self.statement.alias(letter) for letter in "qdw")
        state = (
            f"case when {queued}.state = 'held' then 'HELD' when {queued}.attempts > 0 then 'RETRYING' "
            "else 'PENDING' end"
        )
        waiting = (
            f"select {queued}.id, {queued}.event_id, {queued}.target_id, {state} as state, null::text as reason, "
            f"coalesce({queued}.due_at, uuid_extract_timestamp({queued}.id)) as due_at, "
            f"null::timestamptz as finished_at {self._scan('delivery_queue', queued, state)}"
        )
        finished = (
            f"select {ended}.id, {ended}.event_id, {ended}.target_id, upper({ended}.state) as state, "
            f"{ended}.reason, null::timestamptz as due_at, {ended}.finished_at "
            f"{self._scan('deliveries', ended, f'upper({ended}.state)')}"
        )
        return (
            f"from (select {either}.* from (({waiting}) union all ({finished})) {either} "  # noqa: S608
            f"order by {either}.id desc limit {PAGE_LIMIT}) {row} order by {row}.id desc"
        )

    def _scan(self, table: str, row: str, state: str) -> str:
        conditions = [f"{row}.kind = 'webhook'"]
        if self.subscription is not None:
            conditions.append(f"{row}.target_id = {self.subscription}")
        if self.state is not None:
            conditions.append(f"{state} = {self.state}")
        if self.after is not None:
            conditions.append(f"{row}.id < {self.after}")
        scan = self.statement.scan(table, row, *conditions)
        return f"{scan} order by {row}.id desc limit {PAGE_LIMIT}"


def events(compiling: Compiling, given: Mapping[str, Given]) -> EventSource:
    """Give the source of the field `events`."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    order = operand(members(given, "orderBy") or {}, "direction")
    return EventSource(
        statement,
        conditions_of(statement, members(given, "filters") or {}),
        _after(statement, given, cursors.EVENTS),
        _size(statement, given),
        # Which way is part of the plan: the pattern of variables holds the direction.
        is_ascending=order is not None and compiling.constant(order) == "ASC",
    )


def users(compiling: Compiling, given: Mapping[str, Given]) -> PeopleSource:
    """Give the source of the field `users`."""
    compiling.require(Scope.USERS_READ)
    statement = compiling.statement
    conditions: list[str] = []
    is_system = operand(members(given, "filters") or {}, "isSystemUser")
    if is_system is not None:
        conditions.append(f"{{row}}.is_system = {statement.value(is_system, 'boolean')}")
    after = operand(given, "after")
    return PeopleSource(statement, "users", cursors.USERS, _size(statement, given), after, conditions)


def platform_users(compiling: Compiling, given: Mapping[str, Given]) -> PeopleSource:
    """Give the source of the field `platformUsers`."""
    compiling.require(Scope.USERS_READ)
    statement = compiling.statement
    conditions: list[str] = []
    connection = operand(given, "platformConnectionId")
    if connection is not None:
        conditions.append(f"{{row}}.connection_id = {statement.value(connection, 'uuid')}")
    after = operand(given, "after")
    size = _size(statement, given)
    return PeopleSource(statement, "platform_users", cursors.PLATFORM_USERS, size, after, conditions)


def deliveries(compiling: Compiling, given: Mapping[str, Given]) -> DeliverySource:
    """Give the source of the field `webhookDeliveries`."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    subscription, state = operand(given, "subscriptionId"), operand(given, "state")
    return DeliverySource(
        statement,
        _size(statement, given),
        _after(statement, given, cursors.DELIVERIES),
        statement.value(subscription, "uuid") if subscription is not None else None,
        statement.value(state, "text") if state is not None else None,
    )


def page_operand(given: Mapping[str, Given]) -> Operand:
    """Give how many entries are asked for."""
    return operand(given, "first") or _USUAL_PAGE


_USUAL_PAGE: Final = Constant(20)


def _size(statement: Statement, given: Mapping[str, Given]) -> str:
    return statement.value(page_operand(given), "bigint", page_size_and_one)


def _after(statement: Statement, given: Mapping[str, Given], kind: CursorKind) -> str | None:
    after = operand(given, "after")
    return statement.value(after, "uuid", kind.read_id) if after is not None else None


def _time(event_id: str) -> str:
    return f"uuid_extract_timestamp({event_id})"


def _bounded_count(rows: str, alias: str, whole: str, span: str) -> str:
    """Count; too many are guessed from how much of the `whole` time what was counted spans."""
    shares = f"extract(epoch from ({whole})) / nullif(extract(epoch from ({span})), 0)"
    guess = f"coalesce(greatest({MOST_COUNTED + 1}, {MOST_COUNTED + 1} * ({shares})), {MOST_COUNTED + 1})"
    count = f"case when count(*) <= {MOST_COUNTED} then count(*) else -({guess})::bigint end"
    return f"(select {count} from ({rows}) {alias})"  # noqa: S608  put together from parts of ours
