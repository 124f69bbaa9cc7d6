"""Where the suppression list comes from: by time, within one application."""

from collections.abc import Mapping
from typing import cast

from outrider.core.ids import first_id_after, first_id_at
from outrider.surfaces.developer_graphql import cursors
from outrider.surfaces.developer_graphql.arguments import Given, Operand, members
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.lists import RowSource
from outrider.surfaces.developer_graphql.queries.operators import (
    moment_conditions,
    nested_conditions,
    text_conditions,
)
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.windows import window_of
from outrider.tenancy.actors import Scope


def suppressions(compiling: Compiling, given: Mapping[str, Given]) -> RowSource:
    """Give the source of the field `suppressions`."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    filters = members(given, "filters") or {}
    conditions = nested_conditions(filters, lambda name, value: _conditions(statement, name, value))
    return RowSource(statement, "suppressions", window_of(compiling, given, cursors.SUPPRESSIONS), conditions)


def _conditions(statement: Statement, name: str, value: Given) -> list[str]:
    if name in {"platformName", "reason"}:
        column = "channel" if name == "platformName" else "reason"
        return [f"upper({{row}}.{column}) = {statement.value(cast('Operand', value), 'text')}"]
    given = cast("Mapping[str, Given]", value)
    if name == "since":
        return moment_conditions(statement, given, "{row}.id", "uuid", first_id_at, first_id_after)
    return text_conditions(statement, given, "{row}.address")
