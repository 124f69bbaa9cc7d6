"""Compiles a list with pages: its rows as one array of texts, and around it what Python knows of the page."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias, cast

from outrider.surfaces.developer_graphql.cursors import FEED
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.statements import Call, Statement
from outrider.surfaces.developer_graphql.queries.texts import Sql, Text, joined, quoted
from outrider.surfaces.developer_graphql.queries.windows import CountedSource, Source
from outrider.surfaces.developer_graphql.selections import Selected


class Row(Protocol):
    """The one row that a statement answers."""

    def __getitem__(self, at: int, /) -> object: ...


Arguments: TypeAlias = Sequence[object]
Render = Callable[[Row, Arguments, Call], str]
Piece: TypeAlias = "str | Render"
_TRUE: Final = "true"
_FALSE: Final = "false"


class Cursors(Protocol):
    """What gives the rows of a list their cursors."""

    def expression(self, row: str, /) -> str:
        """Give the cursor of a row in SQL."""
        ...


class Columns(list[str]):
    """The columns of the statement, in the order in which they were asked for."""

    def add(self, expression: str) -> int:
        """Add a column and tell its place."""
        self.append(expression)
        return len(self) - 1


class Page:
    """One list of an answer. All its occurrences of `edges` have the same rows, written each in its own way."""

    def __init__(self, compiling: Compiling, columns: Columns, source: Source, node_type: str) -> None:
        self._compiling = compiling
        self._columns = columns
        self._source = source
        self._node_type = node_type
        self._prefix = 0
        self._cursor = slice(0)
        self._rows_at: int | None = None
        self._count_at: int | None = None

    def pieces(self, type_name: str, selected: Selected) -> list[Piece]:
        """Write the list as it is selected."""
        fields = self._compiling.selected(selected)
        if any(field.name == "pageInfo" for field in fields):
            self._place_cursors(fields)
        edges = {field.key: self._edges(field) for field in fields if field.name == "edges"}
        found: list[Piece] = ["{"]
        for number, field in enumerate(fields):
            found.append(f'{"," if number else ""}"{field.key}":')
            match field.name:
                case "edges":
                    found.append(edges[field.key])
                case "pageInfo":
                    found += self._page_info(field)
                case "totalCount":
                    found.append(self._total(lambda count: str(abs(count))))
                case "totalCountExact":
                    found.append(self._total(lambda count: _TRUE if count >= 0 else _FALSE))
                case "feedCursor":
                    found.append(self._feed_cursor())
                case _:
                    found.append(f'"{type_name}"')
        return [*found, "}"]

    def _place_cursors(self, fields: Sequence[Selected]) -> None:
        """Find the cursors of the first and the last row in their texts, or have every text begin with its own."""
        length = self._source.window.kind.length
        edges = next((field for field in fields if field.name == "edges"), None)
        members = self._compiling.selected(edges) if edges else []
        if members and members[-1].name == "cursor":
            self._cursor = slice(-length - len('"}'), -len('"}'))
        else:
            self._prefix, self._cursor = length, slice(length)

    def _feed_cursor(self) -> Render:
        at = self._columns.add(newest_place(self._compiling.statement))
        return lambda found, _arguments, _call: f'"{cast("str", found[at])}"'

    def _edges(self, selected: Selected) -> Render:
        row = self._compiling.statement.alias(self._node_type[0].lower())
        at = self._add_rows(
            row, edge_of(self._compiling, self._source.window.kind, self._node_type, row, selected)
        )
        size, prefix, is_backward = self._size, self._prefix, self._source.window.is_backward

        def render(found: Row, arguments: Arguments, _call: Call) -> str:
            rows = cast("list[str]", found[at])[: size(arguments)]
            if is_backward:
                rows.reverse()
            return f"[{','.join([text[prefix:] for text in rows] if prefix else rows)}]"

        return render

    def _size(self, arguments: Arguments) -> int:
        return cast("int", arguments[self._compiling.statement.place(self._source.window.size)]) - 1

    def _add_rows(self, row: str, text: Text) -> int:
        at = self._columns.add(rows_of(self._source, row, text, has_cursors=bool(self._prefix)))
        if self._rows_at is None:
            self._rows_at = at
        return at

    def _page_info(self, selected: Selected) -> list[Piece]:
        if self._rows_at is None:
            self._add_rows(self._compiling.statement.alias("c"), [])
        at, size, cursor = cast("int", self._rows_at), self._size, self._cursor
        window = self._source.window

        def has_more(found: Row, arguments: Arguments, _call: Call) -> str:
            return _TRUE if len(cast("list[str]", found[at])) > size(arguments) else _FALSE

        def read_first(found: Row, _arguments: Arguments, _call: Call) -> str:
            rows = cast("list[str]", found[at])
            return f'"{rows[0][cursor]}"' if rows else "null"

        def read_last(found: Row, arguments: Arguments, _call: Call) -> str:
            rows = cast("list[str]", found[at])[: size(arguments)]
            return f'"{rows[-1][cursor]}"' if rows else "null"

        has_before, has_after = (_TRUE if one else _FALSE for one in (window.has_before, window.has_after))
        members: dict[str, Piece] = {
            # beyond the cursor on the other side there is at least what it stands at
            "hasNextPage": has_before if window.is_backward or window.has_before else has_more,
            "hasPreviousPage": has_more if window.is_backward and not window.has_after else has_after,
            "startCursor": read_last if window.is_backward else read_first,
            "endCursor": read_first if window.is_backward else read_last,
            "__typename": '"PageInfo"',
        }
        found: list[Piece] = ["{"]
        for number, field in enumerate(self._compiling.selected(selected)):
            found += [f'{"," if number else ""}"{field.key}":', members[field.name]]
        return [*found, "}"]

    def _total(self, show: Callable[[int], str]) -> Render:
        if self._count_at is None:
            self._count_at = self._columns.add(cast("CountedSource", self._source).count())
        at = self._count_at
        return lambda found, _arguments, _call: show(cast("int", found[at]))


def edge_of(compiling: Compiling, kind: Cursors, node_type: str, row: str, selected: Selected) -> Text:
    """Write one entry of a list as it is selected."""
    text: Text = ["{"]
    for number, field in enumerate(compiling.selected(selected)):
        text.append(f'{"," if number else ""}"{field.key}":')
        match field.name:
            case "node":
                text += compiling.written(node_type, row, field)
            case "cursor":
                text += ['"', Sql(kind.expression(row)), '"']
            case _:
                text.append(f'"{node_type}Edge"')
    return [*text, "}"]


def newest_place(statement: Statement) -> str:
    """Give the feed's cursor behind everything that this statement can see."""
    row = statement.alias("e")
    newest = (
        f"select {FEED.expression(row)} {statement.scan('events', row)} order by {row}.position desc limit 1"
    )
    return f"coalesce(({newest}), {quoted(FEED.write(0))})"


def rows_of(source: Source, row: str, text: Text, *, has_cursors: bool) -> str:
    """Give the rows of a page as one array of texts, each behind its cursor if they are wanted."""
    start: Text = [Sql(source.window.kind.expression(row))] if has_cursors else []
    return f"array(select {joined([*start, *text])} {source.page(row)} limit {source.window.size})"
