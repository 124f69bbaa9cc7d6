"""Filters of users and platform users as conditions on `{row}`, none of them ever null."""

from collections.abc import Mapping, Sequence
from typing import cast

from outrider.surfaces.developer_graphql.arguments import Given, operand
from outrider.surfaces.developer_graphql.queries.operators import (
    millisecond_after,
    millisecond_at,
    moment_conditions,
    text_conditions,
)
from outrider.surfaces.developer_graphql.queries.statements import Statement


def people_conditions(statement: Statement, filters: Mapping[str, Given]) -> list[str]:
    """Give the conditions that must all hold; those that are null are not there."""
    found: list[str] = []
    for name, given in filters.items():
        match name:
            case "and":
                for part in cast("Sequence[Mapping[str, Given]]", given):
                    found += people_conditions(statement, part)
            case "or":
                parts = [
                    _all(people_conditions(statement, part))
                    for part in cast("Sequence[Mapping[str, Given]]", given)
                ]
                found.append(" or ".join(parts) or "false")
            case "not":
                part = cast("Mapping[str, Given]", given)
                found.append(f"not {_all(people_conditions(statement, part))}")
            case _:
                found += _conditions(statement, name, filters)
    return [f"({one})" for one in found]


def _conditions(statement: Statement, name: str, filters: Mapping[str, Given]) -> list[str]:
    given = cast("Mapping[str, Given]", filters[name])
    match name:
        case "isSystemUser":
            wanted = operand(filters, name)
            return [] if wanted is None else [f"{{row}}.is_system = {statement.value(wanted, 'boolean')}"]
        case "name":
            return text_conditions(statement, given, "{row}.name")
        case "externalId":
            return text_conditions(statement, given, "{row}.external_id")
        case "userId":
            return _is(statement, given, "{row}.user_id")
        case "platformConnectionId":
            return _is(statement, given, "{row}.connection_id")
        case _:
            return moment_conditions(
                statement, given, "{row}.created_at", "timestamptz", millisecond_at, millisecond_after
            )


def _is(statement: Statement, given: Mapping[str, Given], column: str) -> list[str]:
    wanted = operand(given, "equals")
    return [] if wanted is None else [f"{column} = {statement.value(wanted, 'uuid')}"]


def _all(conditions: Sequence[str]) -> str:
    return f"({' and '.join(conditions) or 'true'})"
