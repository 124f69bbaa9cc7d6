"""Compiles a list with pages that stands within a row: all of it is one expression of the database's."""

from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.pages import Columns, edge_of, newest_place, rows_of
from outrider.surfaces.developer_graphql.queries.texts import Sql, Text, joined
from outrider.surfaces.developer_graphql.queries.windows import CountedSource
from outrider.surfaces.developer_graphql.selections import Selected


def nested_page(
    compiling: Compiling, source: CountedSource, node_type: str, weight: int, selected: Selected
) -> Text:
    """Write a list within a row as it is selected; `weight` entries are thought to be in it."""
    return _NestedPage(compiling, source, node_type, weight).written(selected)


class _NestedPage:
    """One list within a row. Its arrays are read once, in an inner query, and looked at from outside."""

    def __init__(self, compiling: Compiling, source: CountedSource, node_type: str, weight: int) -> None:
        self._compiling = compiling
        self._source = source
        self._node_type = node_type
        self._weight = weight
        self._page = compiling.statement.alias("p")
        self._columns = Columns()
        self._prefix = 0
        self._rows: str | None = None

    def written(self, selected: Selected) -> Text:
        fields = self._compiling.selected(selected)
        has_cursors = any(field.name == "pageInfo" for field in fields)
        self._prefix = self._source.window.kind.length if has_cursors else 0
        edges = {field.key: self._edges(field) for field in fields if field.name == "edges"}
        text: Text = ["{"]
        for number, field in enumerate(fields):
            self._compiling.spend(1)
            text.append(f'{"," if number else ""}"{field.key}":')
            match field.name:
                case "edges":
                    text += edges[field.key]
                case "pageInfo":
                    text += self._page_info(field)
                case "totalCount":
                    text.append(Sql(f"abs({self._column(self._source.count())})::text"))
                case "totalCountExact":
                    text.append(Sql(f"({self._column(self._source.count())} >= 0)::text"))
                case "feedCursor":
                    text += ['"', Sql(newest_place(self._compiling.statement)), '"']
                case _:
                    text.append(f'"{self._node_type}Connection"')
        body = joined([*text, "}"])
        columns = ", ".join(f"{one} as c{at}" for at, one in enumerate(self._columns)) or "true as c0"
        # offset 0: what is looked at twice is read once
        return [Sql(f"(select {body} from (select {columns} offset 0) {self._page})")]  # noqa: S608

    def _column(self, expression: str) -> str:
        return f"{self._page}.c{self._columns.add(expression)}"

    @property
    def _size(self) -> str:
        return f"({self._source.window.size} - 1)"

    def _add_rows(self, row: str, text: Text) -> str:
        rows = self._column(rows_of(self._source, row, text, has_cursors=bool(self._prefix)))
        self._rows = self._rows or rows
        return rows

    def _edges(self, selected: Selected) -> Text:
        compiling = self._compiling
        row, entry = compiling.statement.alias(self._node_type[0].lower()), compiling.statement.alias("u")
        outside, compiling.weight = compiling.weight, compiling.weight * self._weight
        text = edge_of(compiling, self._source.window.kind, self._node_type, row, selected)
        compiling.weight = outside
        rows = self._add_rows(row, text)
        way = "desc" if self._source.window.is_backward else "asc"
        bare = f"substr({entry}.text, {self._prefix + 1})" if self._prefix else f"{entry}.text"
        listed = (
            f"select string_agg({bare}, ',' order by {entry}.number {way}) "  # noqa: S608
            f"from unnest({rows}[1:{self._size}]) with ordinality {entry}(text, number)"
        )
        return ["[", Sql(f"coalesce(({listed}), '')"), "]"]

    def _page_info(self, selected: Selected) -> Text:
        rows = self._rows or self._add_rows(self._compiling.statement.alias("c"), [])
        window = self._source.window
        has_more = Sql(f"(cardinality({rows}) > {self._size})::text")
        read_first = self._cursor(rows, "1")
        read_last = self._cursor(rows, f"least(cardinality({rows}), {self._size})")
        has_before, has_after = ("true" if one else "false" for one in (window.has_before, window.has_after))
        members = {
            "hasNextPage": has_before if window.is_backward or window.has_before else has_more,
            "hasPreviousPage": has_more if window.is_backward and not window.has_after else has_after,
            "startCursor": read_last if window.is_backward else read_first,
            "endCursor": read_first if window.is_backward else read_last,
            "__typename": '"PageInfo"',
        }
        text: Text = ["{"]
        for number, field in enumerate(self._compiling.selected(selected)):
            self._compiling.spend(1)
            text += [f'{"," if number else ""}"{field.key}":', members[field.name]]
        return [*text, "}"]

    def _cursor(self, rows: str, place: str) -> Sql:
        return Sql(f"coalesce('\"' || left({rows}[{place}], {self._prefix}) || '\"', 'null')")
