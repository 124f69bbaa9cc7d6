"""The operators of filters over texts and moments, whatever they are of."""

from collections.abc import Callable, Mapping
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


def text_conditions(statement: Statement, given: Mapping[str, Given], text: str) -> list[str]:
    """Write conditions on a text that may be null: then none holds."""
    found: list[str] = []
    for name, template in TEXT_OPERATORS.items():
        value = text_value(statement, given, name)
        if value is not None:
            found.append(f"coalesce({template.replace('{text}', text).replace('{value}', value)}, false)")
    return found


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


def _text(value: object) -> str:
    return storable_text(cast("str", value), name="A filter")


def _texts(value: object) -> list[str]:
    return [_text(item) for item in cast("list[object]", value)]
