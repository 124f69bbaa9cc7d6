"""Expressions that give JSON text, put together by concatenation: literal text, and SQL between it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

NULL: Final = "null"
MARK: Final = "\x01"


class Fill(StrEnum):
    """What Python makes of a text that only SQL knows; one letter each, which stands behind the mark."""

    TYPE_ID = "t"
    FILE_URL = "f"


class Sql(str):
    """An SQL expression of type text that is never null; anything else in a `Text` is literal."""

    __slots__ = ()


Text = list[str]


def joined(text: Iterable[str]) -> str:
    """Give one SQL expression for a text."""
    parts: list[str] = []
    literal = ""
    for part in text:
        if isinstance(part, Sql):
            if literal:
                parts.append(quoted(literal))
                literal = ""
            parts.append(part)
        else:
            literal += part
    if literal or not parts:
        parts.append(quoted(literal))
    return " || ".join(parts)


def exists(scan: str) -> str:
    """Tell whether there is a row. As `exists` the planner might read the whole table once instead."""
    return f"coalesce((select true {scan} limit 1), false)"


def quoted(literal: str) -> str:
    """Write a text of ours as a literal of SQL."""
    return "'" + literal.replace("'", "''") + "'::text"


def plain(expression: str) -> Text:
    """A string that needs no escaping: an id, a word of ours, an event type."""
    return ['"', Sql(f"{expression}::text"), '"']


def escaped(expression: str) -> Text:
    """Any string."""
    return [Sql(f"to_json({expression})::text")]


def optional(expression: str) -> Text:
    """Any string or nothing."""
    return [Sql(f"coalesce(to_json({expression})::text, 'null')")]


def json(expression: str) -> Text:
    """JSON, a number or a boolean, as it is stored."""
    return [Sql(f"{expression}::text")]


def optional_json(expression: str) -> Text:
    """JSON, a number or nothing."""
    return [Sql(f"coalesce({expression}::text, 'null')")]


def type_id(event_type: str) -> Text:
    """The id of an event type, given an expression for its name."""
    return ['"', *_filled(Fill.TYPE_ID, event_type), '"']


def file_url(file_id: str) -> Text:
    """A link to a file, given an expression for its id."""
    return ['"', *_filled(Fill.FILE_URL, f"{file_id}::text"), '"']


def _filled(what: Fill, expression: str) -> Text:
    """A text that Python replaces once the answer is there: no JSON holds the mark that stands around it."""
    return [MARK, what, Sql(expression), MARK]


def optional_id(expression: str) -> Text:
    """An id or nothing."""
    return [Sql(f"""coalesce('"' || {expression}::text || '"', 'null')""")]


def shown_time(expression: str) -> str:
    """Write a moment as the contract shows it: UTC with milliseconds."""
    return f"""to_char({expression} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


def moment(expression: str) -> Text:
    """A moment."""
    return ['"', Sql(shown_time(expression)), '"']


def optional_moment(expression: str) -> Text:
    """A moment or nothing; infinity is nothing."""
    return [
        Sql(
            f"coalesce(case when isfinite({expression}) then '\"' || {shown_time(expression)} || '\"' end, 'null')"
        )
    ]
