"""Which part of a list is asked for: how many, from which end, between which cursors, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, cast

from outrider.core.errors import ValidationError
from outrider.surfaces.developer_graphql.arguments import Constant, Given, Operand, members, operand
from outrider.surfaces.developer_graphql.cursors import CursorKind
from outrider.surfaces.developer_graphql.queries.compiling import LARGEST_PAGE, Compiling, page_size
from outrider.surfaces.developer_graphql.queries.statements import Statement

# A constant: with a parameter there the planner thinks of a tenth of all rows.
PAGE_LIMIT: Final = LARGEST_PAGE + 1
MOST_COUNTED: Final = 10_000
USUAL_PAGE: Final = Constant(20)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of one list. `size` is the parameter for how many entries, and one more."""

    kind: CursorKind
    size: str
    bounds: tuple[str, ...]
    has_after: bool
    has_before: bool
    is_ascending: bool
    is_backward: bool

    @property
    def way(self) -> str:
        """Which way the rows are read: from the end of the list when its last ones are asked for."""
        return "asc" if self.is_ascending != self.is_backward else "desc"


class Source(Protocol):
    """The rows of one list."""

    @property
    def window(self) -> Window:
        """Which part of the list it is."""
        ...

    def page(self, row: str) -> str:
        """Give `from …` with at least as many rows as the page has, in the order of reading, under an alias."""
        ...


class CountedSource(Source, Protocol):
    """The rows of a list that tells how long it is."""

    def count(self) -> str:
        """Give an expression for how many rows there are in all; an estimate is below zero."""
        ...


def window_of(
    compiling: Compiling, given: Mapping[str, Given], kind: CursorKind, *, is_ascending: bool = False
) -> Window:
    """Read the arguments that every list with pages has; raises `ValidationError`."""
    order = operand(members(given, "orderBy") or {}, "direction")
    if order is not None:
        # Which way is part of the plan: the pattern of variables holds the direction.
        is_ascending = compiling.constant(order) == "ASC"
    statement = compiling.statement
    after, before = operand(given, "after"), operand(given, "before")
    bounds: list[str] = []
    if after is not None:
        bounds.append(_bound(statement, kind, ">" if is_ascending else "<", after, "after"))
    if before is not None:
        bounds.append(_bound(statement, kind, "<" if is_ascending else ">", before, "before"))
    name = "last" if "last" in given else "first"
    size = statement.value(page_operand(given), "bigint", partial(_size_and_one, name))
    return Window(
        kind,
        size,
        tuple(bounds),
        has_after=after is not None,
        has_before=before is not None,
        is_ascending=is_ascending,
        is_backward="last" in given,
    )


def page_operand(given: Mapping[str, Given]) -> Operand:
    """Give how many entries are asked for; raises `ValidationError` for both ends at once."""
    first, last = operand(given, "first"), operand(given, "last")
    if first is not None and last is not None:
        raise ValidationError("Either first or last can be given, not both.", path="last")
    return first or last or USUAL_PAGE


def page_weight(given: Mapping[str, Given]) -> int:
    """Tell how many entries a page may have when the cost of a document is weighed."""
    size = page_operand(given)
    return cast("int", size.value) if isinstance(size, Constant) else LARGEST_PAGE


def _bound(statement: Statement, kind: CursorKind, sign: str, cursor: Operand, name: str) -> str:
    place = statement.value(cursor, "uuid", partial(kind.read_id, name=name))
    if not kind.has_time:
        return f"{{row}}.id {sign} {place}"
    time = statement.value(cursor, "timestamptz", partial(kind.read_time, name=name))
    return f"({{row}}.created_at, {{row}}.id) {sign} ({time}, {place})"


def _size_and_one(name: str, value: object) -> int:
    """Ask for one entry more, which tells whether there is a next page."""
    return page_size(value, name) + 1
