"""Compiles the live feed: one statement for the next events behind a place, in the order of commit.

A statement looks at a bounded part of the log, however few of its events a filter lets through, and tells how far it
has looked. So no filter is too rare for it, and a feed gets on where nothing is for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from outrider.core.errors import AppError
from outrider.surfaces.developer_graphql.arguments import Operand, members, operand
from outrider.surfaces.developer_graphql.cursors import FEED
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.filters import conditions_of, row_condition
from outrider.surfaces.developer_graphql.queries.pages import edge_of
from outrider.surfaces.developer_graphql.queries.statements import BadArgument, Statement
from outrider.surfaces.developer_graphql.queries.texts import Sql, joined
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.actors import Scope

MOST_EVENTS: Final = 100
"""How many events one statement gives at most."""
LOOKED_AT: Final = 1_000
"""At how many it looks to find them."""

# What a call says of each statement.
POSITION: Final = "position"
MOST: Final = "most"
LARGEST: Final = "largest"


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """A compiled feed: what to ask each time, who may, and the argument that says where to begin.

    Its one row: `events`, a text for each event with its cursor before it, and `passed`, where fewer were found than
    asked for: at how many events it looked, and the position of the last one. No row where they are too large together.
    """

    sql: str
    statement: Statement
    scopes: Mapping[Scope, str]
    key: str
    after: Operand | None


def compile_feed(compiling: Compiling, selected: Selected) -> FeedPlan:
    """Compile the one field of a subscription; raises `BadArgument`."""
    compiling.enter(selected.key)
    try:
        compiling.require(Scope.EVENTS_READ)
        given = compiling.arguments("Subscription", selected)
        sql = _statement(compiling, selected)
    except AppError as problem:
        raise BadArgument(selected.key, problem) from None
    return FeedPlan(
        sql,
        compiling.statement,
        dict(compiling.scopes),
        selected.key,
        operand(given, "after"),
    )


def _statement(compiling: Compiling, selected: Selected) -> str:
    statement = compiling.statement
    filters = members(compiling.arguments("Subscription", selected), "filters") or {}
    conditions = conditions_of(statement, filters)
    position = statement.created(POSITION, "bigint")
    most, largest = statement.created(MOST, "bigint"), statement.created(LARGEST, "bigint")
    compiling.weight = MOST_EVENTS
    row, looked, passed = (statement.alias(letter) for letter in "elp")
    text = joined([Sql(FEED.expression(row)), *edge_of(compiling, FEED, "Event", row, selected)])
    wanted = [f"({row_condition(statement, one, row)})" for one in conditions]
    ahead = statement.scan("events", looked, f"{looked}.position > {position}")
    ahead = f"{ahead} order by {looked}.position limit {LOOKED_AT}"
    found = (
        f"array(select {text} from (select {looked}.* {ahead}) {row} "  # noqa: S608  put together from parts of ours
        f"where {' and '.join(wanted) or 'true'} order by {row}.position limit {most})"
    )
    last = f"select array[count(*), max({passed}.position)] from (select {looked}.position {ahead}) {passed}"  # noqa: S608
    return statement.finish(
        f"select events, case when cardinality(events) < {most} then ({last}) end as passed "  # noqa: S608
        f"from (select {found} as events offset 0) found where pg_column_size(events) <= {largest}"
    )
