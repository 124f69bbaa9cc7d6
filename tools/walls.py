"""Reads a statement just far enough to tell whether it stays with one tenant."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

TENANT_COLUMNS = frozenset({"application_id", "organisation_id"})
# Where the tenant is the row itself, its id is the tenant's.
OWN_ID = {"organisations": "id", "applications": "id"}

WORD = re.compile(r"'(?:[^']|'')*'|\"[^\"]+\"|\$\d+|[a-z_][a-z0-9_]*|\d+|::|[^\s]", re.IGNORECASE)
KEYWORDS = frozenset(
    """
    as cross default do except fetch for from full group having inner intersect join lateral left limit natural
    offset on only order returning right select set union using values when where window with
    """.split()  # noqa: SIM905  as a list it would take thirty lines
)
NAMES_A_TABLE = ("from", "join", "into", "update", "using", "table", "partition of", "truncate", "copy")


class Group(list["str | Group"]):
    """What stands between two brackets."""


Tables = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Reference:
    """A tenant table named in a query."""

    table: str
    alias: str
    columns: frozenset[str]


@dataclass
class Verdict:
    """What a statement does with tenant tables."""

    tables: set[str] = field(default_factory=set[str])
    unbound: list[str] = field(default_factory=list[str])
    is_anchored: bool = False

    @property
    def problem(self) -> str | None:
        if self.unbound:
            return f"does not bind {', '.join(self.unbound)} to the tenant"
        if self.tables and not self.is_anchored:
            return "does not take the tenant as $1"
        return None


def judge(sql: str, tables: Tables) -> Verdict:
    """Find the tenant tables that a statement leaves unbound."""
    verdict = Verdict()
    _judge_group(_parse(sql), tables, verdict)
    return verdict


def _parse(sql: str) -> Group:
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL).lower()
    stack = [Group()]
    for word in WORD.findall(re.sub(r"::\s*\w+(\[\])?", "", text)):
        if word == "(":
            stack.append(Group())
        elif word == ")" and len(stack) > 1:
            done = stack.pop()
            stack[-1].append(done)
        elif word == "of" and stack[-1][-1:] == ["partition"]:
            stack[-1][-1] = "partition of"
        else:
            stack[-1].append(word)
    while len(stack) > 1:
        done = stack.pop()
        stack[-1].append(done)
    return stack[0]


def _judge_group(group: Group, tables: Tables, verdict: Verdict) -> None:
    for query in _queries(group):
        references = list(_references(query, tables))
        verdict.tables |= {reference.table for reference in references}
        links = [
            *_compared(_flat(query), references),
            *_joined_using(query, references),
            *_inserted(query, references),
        ]
        verdict.is_anchored |= any(other == "$1" for _, other in links)
        verdict.unbound += _unbound(references, links)
    for inner in _inner_queries(group):
        _judge_group(inner, tables, verdict)


def _queries(group: Group) -> Iterator[Group]:
    """Split at set operations and semicolons: each side has tables and conditions of its own."""
    query = Group()
    for part in group:
        if part in ("union", "intersect", "except", ";"):
            yield query
            query = Group()
        else:
            query.append(part)
    yield query


def _is_query(group: Group) -> bool:
    first = next((part for part in group if isinstance(part, str)), "")
    return first in ("select", "insert", "update", "delete", "with", "values", "merge")


def _inner_queries(group: Group) -> Iterator[Group]:
    """Give the bracketed queries; other brackets are looked through, their conditions belong to this query."""
    for part in group:
        if isinstance(part, Group):
            if _is_query(part):
                yield part
            else:
                yield from _inner_queries(part)


def _flat(group: Group) -> list[str]:
    """Give this query's own words, with the brackets of conditions in place and inner queries left out."""
    words: list[str] = []
    for part in group:
        if isinstance(part, str):
            words.append(part)
        else:
            words += ["(", *([] if _is_query(part) else _flat(part)), ")"]
    return words


def _references(query: Group, tables: Tables) -> Iterator[Reference]:
    for at, part in enumerate(query):
        if part in NAMES_A_TABLE:
            yield from _listed(query, at + 1, tables)


def _listed(query: Group, at: int, tables: Tables) -> Iterator[Reference]:
    """Read a table with its alias, and those after commas."""
    parts = [part for part in query[at:] if part not in ("only", "lateral", "as")]
    while parts:
        name = parts.pop(0)
        alias = parts[0] if parts and isinstance(parts[0], str) and _is_name(parts[0]) else name
        if isinstance(name, str) and isinstance(alias, str) and name in tables:
            yield Reference(name, alias, tables[name])
        # Behind the alias stand its columns, or the arguments of a function.
        while parts and (parts[0] is alias or isinstance(parts[0], Group)):
            parts.pop(0)
        if not parts or parts.pop(0) != ",":
            return


def _is_name(word: str) -> bool:
    return word.isidentifier() and word not in KEYWORDS


# A link says that a table's tenant column equals something: `$1`, another table's, or what is judged elsewhere.

Link = tuple[Reference, str]


def _unbound(references: list[Reference], links: list[Link]) -> list[str]:
    """Give the tables that no chain of links joins to `$1` or to an outer query."""
    aliases = {reference.alias for reference in references}
    bound: set[str] = set()
    for _ in references:
        bound |= {reference.alias for reference, other in links if other in bound or other not in aliases}
        links = links + [
            (right, left.alias) for left, other in links for right in references if right.alias == other
        ]
    return [reference.table for reference in references if reference.alias not in bound]


def _compared(words: list[str], references: list[Reference]) -> Iterator[Link]:
    """Find `a.application_id = $1` and `a.application_id = b.application_id`, either way round, and rows of them."""
    for at in (number for number, word in enumerate(words) if word == "="):
        for left, right in _sides(words, at):
            yield from _links(left, right, references)
            yield from _links(right, left, references)


def _sides(words: list[str], at: int) -> Iterator[tuple[str, str]]:
    if words[at - 1 : at] == [")"] and words[at + 1 : at + 2] == ["("]:
        opening = at - 1 - words[:at][::-1].index("(")
        row = _items(words[opening + 1 : at - 1])
        yield from zip(row, _items(words[at + 2 : words.index(")", at)]), strict=False)
    else:
        start = at - 3 if words[at - 2 : at - 1] == ["."] else at - 1
        end = at + 4 if words[at + 2 : at + 3] == ["."] else at + 2
        yield "".join(words[max(start, 0) : at]), "".join(words[at + 1 : end])


def _items(words: Iterable[str]) -> list[str]:
    return "".join(words).split(",")


def _links(one: str, other: str, references: list[Reference]) -> Iterator[Link]:
    alias, _, column = one.rpartition(".")
    for reference in references:
        if column in reference.columns and alias in ("", reference.alias):
            if other == "$1":
                yield reference, other
            elif "." in other and _is_tenant_column(other, references):
                yield reference, other.partition(".")[0]


def _is_tenant_column(name: str, references: list[Reference]) -> bool:
    alias, _, column = name.rpartition(".")
    return column in TENANT_COLUMNS or any(
        alias == r.alias and column == OWN_ID.get(r.table) for r in references
    )


def _joined_using(query: Group, references: list[Reference]) -> Iterator[Link]:
    """Find `join b using (application_id, …)`: b has the tenant of what it is joined to."""
    for at, part in enumerate(query[:-1]):
        columns = query[at + 1]
        if part == "using" and isinstance(columns, Group):
            for reference in references:
                if query[at - 1] == reference.alias and TENANT_COLUMNS & reference.columns & set(
                    _flat(columns)
                ):
                    yield reference, next((r.alias for r in references if r is not reference), "")


def _inserted(query: Group, references: list[Reference]) -> Iterator[Link]:
    """Find what `insert into t (application_id, …)` puts there: by values, or by a select."""
    if "insert" not in query or not references:
        return
    into, *sources = references
    at = next((number for number, part in enumerate(query) if isinstance(part, Group)), 0)
    columns = query[at]
    names = _items(_flat(columns)) if isinstance(columns, Group) else []
    for position in (names.index(name) for name in names if name in into.columns):
        values = {row[position] if position < len(row) else "" for row in _rows(query[at + 1 :])}
        if values == {"$1"}:
            yield into, "$1"
        elif values and all(_is_tenant_column(value, references) for value in values):
            aliases = {value.partition(".")[0] if "." in value else "" for value in values}
            yield into, sources[0].alias if sources and aliases == {""} else aliases.pop()


def _rows(parts: "list[str | Group]") -> Iterator[list[str]]:
    if "values" in parts:
        for part in parts[parts.index("values") + 1 :]:
            if isinstance(part, Group):
                yield _items(_flat(part))
            elif part != ",":
                return
    elif "select" in parts:
        chosen = parts[parts.index("select") + 1 :]
        end = chosen.index("from") if "from" in chosen else len(chosen)
        # A bracket may hold commas of its own; only its place in the list counts.
        yield _items("()" if isinstance(part, Group) else part for part in chosen[:end])
