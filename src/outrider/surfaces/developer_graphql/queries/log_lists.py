"""Where a list of log entries comes from: by time, from whichever index the conditions lead to."""

from collections.abc import Mapping
from typing import cast

from outrider.core.ids import first_id_after, first_id_at
from outrider.surfaces.developer_graphql import cursors
from outrider.surfaces.developer_graphql.arguments import Given, members, operand
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.lists import RowSource
from outrider.surfaces.developer_graphql.queries.operators import (
    is_one,
    moment_conditions,
    nested_conditions,
    text_conditions,
)
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.windows import window_of
from outrider.tenancy.actors import Scope


def logs(compiling: Compiling, given: Mapping[str, Given]) -> RowSource:
    """Give the source of the field `logs`."""
    compiling.require(Scope.LOGS_READ)
    statement = compiling.statement
    filters = members(given, "filters") or {}
    conditions = nested_conditions(filters, lambda name, value: _conditions(statement, name, value))
    event = operand(given, "eventId")
    if event is not None:
        conditions.append(f"{{row}}.event_id = {statement.value(event, 'uuid')}")
    return RowSource(statement, "logs", window_of(compiling, given, cursors.LOGS), conditions)


def _conditions(statement: Statement, name: str, value: Given) -> list[str]:
    given = cast("Mapping[str, Given]", value)
    match name:
        case "createdAt":
            return moment_conditions(statement, given, "{row}.id", "uuid", first_id_at, first_id_after)
        case "eventId":
            # in this order it is never null, and an index still leads to it
            return [
                f"({{row}}.event_id is not null and {one})"
                for one in is_one(statement, given, "{row}.event_id")
            ]
        case "logLevel":
            return text_conditions(statement, given, "{row}.level")
        case "logType":
            return text_conditions(statement, given, "{row}.log_type")
        case _:
            return text_conditions(statement, given, "{row}.message")
