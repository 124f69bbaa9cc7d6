"""Where the rows of a list come from: bounded, in order, read from an index and never sorted as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from outrider.core.ids import first_id_after, first_id_at
from outrider.surfaces.developer_graphql import cursors
from outrider.surfaces.developer_graphql.arguments import Given, Operand, members, operand
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.operators import (
    is_one,
    moment_conditions,
    nested_conditions,
)
from outrider.surfaces.developer_graphql.queries.people_filters import people_conditions
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.windows import MOST_COUNTED, PAGE_LIMIT, Window, window_of
from outrider.tenancy.actors import Scope


@dataclass(slots=True)
class PeopleSource:
    """Users or platform users, by when they were first seen."""

    statement: Statement
    table: str
    window: Window
    conditions: Sequence[str]

    def page(self, row: str) -> str:
        """Give `from …` with the people between the cursors."""
        rows = self._rows([*self.conditions, *self.window.bounds], PAGE_LIMIT)
        return f"from ({rows}) {row} order by {self._order(row)}"

    def count(self) -> str:
        """Count up to the limit; beyond it, think the rest as dense as what was counted."""
        counted, other = self.statement.alias("n"), self.statement.alias("o")
        everyone = self.statement.scan(self.table, other)
        whole = f"(select max({other}.created_at) - min({other}.created_at) {everyone})"
        span = f"max({counted}.created_at) - min({counted}.created_at)"
        rows = self._rows(self.conditions, MOST_COUNTED + 1)
        return bounded_count(rows, counted, whole, span)

    def _rows(self, conditions: Sequence[str], limit: int) -> str:
        row = self.statement.alias(self.table[0])
        scan = self.statement.scan(self.table, row, *[one.replace("{row}", row) for one in conditions])
        return f"select {row}.* {scan} order by {self._order(row)} limit {limit}"

    def _order(self, row: str) -> str:
        return f"{row}.created_at {self.window.way}, {row}.id {self.window.way}"


@dataclass(slots=True)
class RowSource:
    """The rows of one table that fulfil conditions on `{row}`, by the time that their ids hold."""

    statement: Statement
    table: str
    window: Window
    conditions: Sequence[str]

    def page(self, row: str) -> str:
        """Give `from …` with the rows between the cursors."""
        rows = self._rows([*self.conditions, *self.window.bounds], PAGE_LIMIT)
        return f"from ({rows}) {row} order by {row}.id {self.window.way}"

    def count(self) -> str:
        """Count up to the limit; beyond it, think the rest as dense as what was counted."""
        counted, other = self.statement.alias("n"), self.statement.alias("o")
        every = f"select {other}.id {self.statement.scan(self.table, other)} order by {other}.id"
        return count_by_id(self._rows(self.conditions, MOST_COUNTED + 1), counted, every)

    def _rows(self, conditions: Sequence[str], limit: int) -> str:
        entry = self.statement.alias(self.table[0])
        scan = self.statement.scan(self.table, entry, *[one.replace("{row}", entry) for one in conditions])
        return f"select {entry}.* {scan} order by {entry}.id {self.window.way} limit {limit}"


@dataclass(slots=True)
class DeliverySource:
    """Webhook deliveries: what waits in the queue and what has ended, as one list."""

    statement: Statement
    window: Window
    conditions: Sequence[str]

    def page(self, row: str) -> str:
        """Give `from …` with the deliveries between the cursors."""
        rows = self._rows([*self.conditions, *self.window.bounds], self.window.way, PAGE_LIMIT)
        return f"from ({rows}) {row} order by {row}.id {self.window.way}"

    def count(self) -> str:
        """Count up to the limit; beyond it, think the rest as dense as what was counted."""
        rows = self._rows(self.conditions, self.window.way, MOST_COUNTED + 1)
        first, last = (f"({self._rows([], way, 1)})" for way in ("asc", "desc"))
        ends, counted = self.statement.alias("o"), self.statement.alias("n")
        every = f"select {ends}.id from ({first} union all {last}) {ends} order by {ends}.id"  # noqa: S608
        return count_by_id(rows, counted, every)

    def _rows(self, conditions: Sequence[str], way: str, limit: int) -> str:
        either = self.statement.alias("w")
        both = delivery_rows(self.statement, conditions, f"order by {{row}}.id {way} limit {limit}")
        return f"select {either}.* from ({both}) {either} order by {either}.id {way} limit {limit}"  # noqa: S608


def delivery_rows(statement: Statement, conditions: Sequence[str], tail: str = "") -> str:
    """Select deliveries from the queue and from what has ended; conditions speak of `{row}` and its `{state}`."""
    queued, ended = statement.alias("q"), statement.alias("d")
    queued_state = (
        f"case when {queued}.state = 'held' then 'HELD' when {queued}.attempts > 0 then 'RETRYING' "
        "else 'PENDING' end"
    )

    def scan(table: str, row: str, shown: str) -> str:
        written = [one.replace("{row}", row).replace("{state}", shown) for one in conditions]
        found = statement.scan(table, row, f"{row}.kind = 'webhook'", *written)
        return f"{found} {tail.replace('{row}', row)}"

    waiting = (
        f"select {queued}.id, {queued}.event_id, {queued}.target_id, {queued_state} as state, null::text as reason, "
        f"coalesce({queued}.due_at, uuid_extract_timestamp({queued}.id)) as due_at, "
        f"null::timestamptz as finished_at {scan('delivery_queue', queued, queued_state)}"
    )
    finished = (
        f"select {ended}.id, {ended}.event_id, {ended}.target_id, upper({ended}.state) as state, "
        f"{ended}.reason, null::timestamptz as due_at, {ended}.finished_at "
        f"{scan('deliveries', ended, f'upper({ended}.state)')}"
    )
    return f"({waiting}) union all ({finished})"


def users(compiling: Compiling, given: Mapping[str, Given]) -> PeopleSource:
    """Give the source of the field `users`."""
    compiling.require(Scope.USERS_READ)
    statement = compiling.statement
    conditions = people_conditions(statement, members(given, "filters") or {})
    # who was absorbed is shown as the user who was kept
    conditions.append("{row}.merged_into_id is null")
    return PeopleSource(statement, "users", window_of(compiling, given, cursors.USERS), conditions)


def platform_users(compiling: Compiling, given: Mapping[str, Given]) -> PeopleSource:
    """Give the source of the field `platformUsers`."""
    compiling.require(Scope.USERS_READ)
    statement = compiling.statement
    conditions = people_conditions(statement, members(given, "filters") or {})
    connection = operand(given, "platformConnectionId")
    if connection is not None:
        conditions.append(f"{{row}}.connection_id = {statement.value(connection, 'uuid')}")
    window = window_of(compiling, given, cursors.PLATFORM_USERS)
    return PeopleSource(statement, "platform_users", window, conditions)


def deliveries(compiling: Compiling, given: Mapping[str, Given]) -> DeliverySource:
    """Give the source of the field `webhookDeliveries`."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    conditions = nested_conditions(
        members(given, "filters") or {}, lambda name, value: _delivery_conditions(statement, name, value)
    )
    conditions += [
        f"{{row}}.{column} = {statement.value(wanted, 'uuid')}"
        for name, column in _DELIVERY_IDS.items()
        if (wanted := operand(given, name)) is not None
    ]
    state = operand(given, "state")
    if state is not None:
        conditions += _delivery_conditions(statement, "state", state)
    return DeliverySource(statement, window_of(compiling, given, cursors.DELIVERIES), conditions)


_DELIVERY_IDS: Final = {"subscriptionId": "target_id", "eventId": "event_id"}


def _delivery_conditions(statement: Statement, name: str, value: Given) -> list[str]:
    if name == "state":
        return [f"{{state}} = {statement.value(cast('Operand', value), 'text')}"]
    given = cast("Mapping[str, Given]", value)
    if name == "createdAt":
        return moment_conditions(statement, given, "{row}.id", "uuid", first_id_at, first_id_after)
    return is_one(statement, given, f"{{row}}.{_DELIVERY_IDS[name]}")


def time_of(event_id: str) -> str:
    """Give the moment that an id holds."""
    return f"uuid_extract_timestamp({event_id})"


def count_by_id(rows: str, alias: str, every: str) -> str:
    """Count `rows`; too many are guessed from the time between the first and the last of `every`, in order of id."""
    whole = f"{time_of(f'({every} desc limit 1)')} - {time_of(f'({every} limit 1)')}"
    times = time_of(f"{alias}.id")
    return bounded_count(rows, alias, whole, f"max({times}) - min({times})")


def bounded_count(rows: str, alias: str, whole: str, span: str) -> str:
    """Count; too many are guessed from how much of the `whole` time what was counted spans."""
    shares = f"extract(epoch from ({whole})) / nullif(extract(epoch from ({span})), 0)"
    guess = f"coalesce(greatest({MOST_COUNTED + 1}, {MOST_COUNTED + 1} * ({shares})), {MOST_COUNTED + 1})"
    count = f"case when count(*) <= {MOST_COUNTED} then count(*) else -({guess})::bigint end"
    return f"(select {count} from ({rows}) {alias})"  # noqa: S608  put together from parts of ours
