"""The operators of filters over texts and moments, whatever they are of."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from outrider.core.storable import storable_text
from outrider.surfaces.developer_graphql.arguments import Given, Operand, operand
from outrider.surfaces.developer_graphql.queries.statements import Convert, Statement

# `{text}` stands for what is looked at.
TEXT_OPERATORS: Final = {
    "equals": "{text} = {value}",
    "contains": "strpos({text}, {value}) > 0",
    "in": "{text} = any({value})",
    "startsWith": "starts_with({text}, {value})",
}


def text_value(statement: Statement, given: Mapping[str, Given], name: str) -> str | None:
    """Give the parameter for the value of one operator over texts, if it is given."""
    value = operand(given, name)
    if value is None:
        return None
    return statement.value(value, "text[]", _texts) if name == "in" else statement.value(value, "text", _text)


def text_conditions(
    statement: Statement, given: Mapping[str, Given], text: str, *, is_nullable: bool = False
) -> list[str]:
    """Write conditions on a text; where it is null none holds."""
    found: list[str] = []
    for name, template in TEXT_OPERATORS.items():
        value = text_value(statement, given, name)
        if value is not None:
            written = template.replace("{text}", text).replace("{value}", value)
            found.append(f"coalesce({written}, false)" if is_nullable else written)
    return found


def nested_conditions(filters: Mapping[str, Given], simple: Callable[[str, Given], list[str]]) -> list[str]:
    """Write filters with `and`, `or` and `not` in them; what is simple must not be null."""
    found: list[str] = []
    for name, given in filters.items():
        match name:
            case "and":
                for part in cast("Sequence[Mapping[str, Given]]", given):
                    found += nested_conditions(part, simple)
            case "or":
                parts = [
                    _all(nested_conditions(part, simple))
                    for part in cast("Sequence[Mapping[str, Given]]", given)
                ]
                found.append(" or ".join(parts) or "false")
            case "not":
                part = cast("Mapping[str, Given]", given)
                found.append(f"not {_all(nested_conditions(part, simple))}")
            case _:
                found += simple(name, given)
    return [f"({one})" for one in found]


def is_one(statement: Statement, given: Mapping[str, Given], column: str) -> list[str]:
    """Write the condition of a filter over ids on a column that is never null."""
    wanted = operand(given, "equals")
    return [] if wanted is None else [f"{column} = {statement.value(wanted, 'uuid')}"]


def moment_conditions(
    statement: Statement,
    given: Mapping[str, Given],
    written: str,
    sql_type: str,
    at: Callable[[datetime], object],
    after: Callable[[datetime], object],
) -> list[str]:
    """Write conditions on something that is ordered as time is; `at` and `after` give the first of it then."""
    converts: dict[str, tuple[str, Convert]] = {
        "gte": (">=", lambda value: at(cast("datetime", value))),
        "gt": (">=", lambda value: after(cast("datetime", value))),
        "lte": ("<", lambda value: after(cast("datetime", value))),
        "lt": ("<", lambda value: at(cast("datetime", value))),
    }
    return [
        f"{written} {sign} {statement.value(cast('Operand', given[name]), sql_type, convert)}"
        for name, (sign, convert) in converts.items()
        if name in given
    ]


def millisecond_at(moment: datetime) -> datetime:
    """Give the first moment of a millisecond, since no part of one is ever shown."""
    cut = moment - timedelta(microseconds=moment.microsecond % 1000)
    return cut if cut == moment else _next(cut)


def millisecond_after(moment: datetime) -> datetime:
    """Give the first moment of the next millisecond."""
    return _next(moment - timedelta(microseconds=moment.microsecond % 1000))


def _next(moment: datetime) -> datetime:
    try:
        return moment + timedelta(milliseconds=1)
    except OverflowError:
        return moment


def _all(conditions: Sequence[str]) -> str:
    return f"({' and '.join(conditions) or 'true'})"


def _text(value: object) -> str:
    return storable_text(cast("str", value), name="A filter")


def _texts(value: object) -> list[str]:
    return [_text(item) for item in cast("list[object]", value)]
