"""Filters of users and platform users as conditions on `{row}`, none of them ever null."""

from collections.abc import Mapping
from typing import cast

from outrider.surfaces.developer_graphql.arguments import Given, Operand
from outrider.surfaces.developer_graphql.queries.operators import (
    is_one,
    millisecond_after,
    millisecond_at,
    moment_conditions,
    nested_conditions,
    text_conditions,
)
from outrider.surfaces.developer_graphql.queries.statements import Statement


def people_conditions(statement: Statement, filters: Mapping[str, Given]) -> list[str]:
    """Give the conditions that must all hold; those that are null are not there."""
    return nested_conditions(filters, lambda name, given: _conditions(statement, name, given))


def _conditions(statement: Statement, name: str, value: Given) -> list[str]:
    if name == "isSystemUser":
        return [f"{{row}}.is_system = {statement.value(cast('Operand', value), 'boolean')}"]
    given = cast("Mapping[str, Given]", value)
    match name:
        case "name":
            return text_conditions(statement, given, "{row}.name", is_nullable=True)
        case "externalId":
            return text_conditions(statement, given, "{row}.external_id")
        case "userId":
            return is_one(statement, given, "{row}.user_id")
        case "platformConnectionId":
            return is_one(statement, given, "{row}.connection_id")
        case _:
            return moment_conditions(
                statement, given, "{row}.created_at", "timestamptz", millisecond_at, millisecond_after
            )
