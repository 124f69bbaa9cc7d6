"""Compiles all top-level fields of a query into one statement of one row, and the answer around its columns."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from outrider.core.errors import AppError
from outrider.events.event_names import event_type_id
from outrider.surfaces.developer_graphql.arguments import Given, Operand, operand
from outrider.surfaces.developer_graphql.queries import (
    conversations,
    event_lists,
    event_schemas,
    file_lists,
    lists,
    log_lists,
    nodes,
    suppression_lists,
)
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.pages import Arguments, Columns, Page, Piece, Row
from outrider.surfaces.developer_graphql.queries.provenance import provenance
from outrider.surfaces.developer_graphql.queries.statements import BadArgument, Call, Statement
from outrider.surfaces.developer_graphql.queries.texts import MARK, Fill, joined
from outrider.surfaces.developer_graphql.queries.windows import Source, page_weight
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.actors import Scope

LARGEST_ANSWER: Final = 16 * 1024 * 1024

FileUrl = Callable[[UUID, UUID], str]
"""Makes the link to a file of an application."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A compiled read: what to ask, with what, who may, and how the answer is put together."""

    sql: str | None
    statement: Statement
    pieces: tuple[Piece, ...]
    scopes: Mapping[Scope, str]

    def render(self, row: Row, arguments: Arguments, call: Call, file_url: FileUrl) -> str:
        """Put the answer together."""
        found = "".join(
            [piece if isinstance(piece, str) else piece(row, arguments, call) for piece in self.pieces]
        )
        return filled(found, call.actor.application_id, file_url)


def filled(found: str, application_id: UUID, file_url: FileUrl) -> str:
    """Put what SQL cannot make into the places that SQL has marked."""
    if MARK not in found:
        return found

    def made(mark: re.Match[str]) -> str:
        match Fill(mark[1]):
            case Fill.TYPE_ID:
                return str(event_type_id(application_id, mark[2]))
            case Fill.FILE_URL:
                return file_url(application_id, UUID(mark[2]))

    return _FILLED.sub(made, found)


_TENANT: Final = re.compile(r"\$1\b")
_FILLED: Final = re.compile(f"{MARK}(.)([^{MARK}]*){MARK}")
_Root = Callable[[Compiling, Columns, Selected], "list[Piece]"]
Introspect = Callable[[Selected], Piece]


def compile_query(compiling: Compiling, selected: Sequence[Selected], introspect: Introspect) -> ReadPlan:
    """Compile the top-level fields of a query; raises `BadArgument`."""
    columns = Columns()
    pieces: list[Piece] = ["{"]
    for number, field in enumerate(selected):
        pieces.append(f'{"," if number else ""}"{field.key}":')
        compiling.enter(field.key)
        try:
            pieces += _root(compiling, columns, field, introspect)
        except AppError as problem:
            raise BadArgument(field.key, problem) from None
    return _plan(compiling, columns, [*pieces, "}"])


def compile_created(compiling: Compiling, type_name: str, selected: Selected) -> ReadPlan:
    """Compile what is selected of a thing that was just created; its id comes with the call."""
    columns = Columns()
    compiling.enter(selected.key)
    created = compiling.statement.created("id", "uuid")
    try:
        found = _created(compiling, type_name, created, selected)
        return _plan(compiling, columns, _column(columns, found))
    except AppError as problem:
        raise BadArgument(selected.key, problem) from None


def _created(compiling: Compiling, type_name: str, created: str, selected: Selected) -> list[str]:
    match type_name:
        case "Conversation":
            return conversations.conversation(compiling, created, selected)
        case "EventSchema":
            return event_schemas.event_schema(compiling, created, selected)
        case "WebhookDelivery":
            return nodes.delivery(compiling, created, selected)
        case _ if type_name not in _TABLES:
            return compiling.written(type_name, "", selected)
        case _:
            pass
    return compiling.one(type_name, _TABLES[type_name], f"{{row}}.id = {created}", selected)


def _plan(compiling: Compiling, columns: Columns, pieces: list[Piece]) -> ReadPlan:
    sql = compiling.statement.finish(_bounded(columns) if columns else "") or None
    if sql is not None and not _TENANT.search(sql):
        # what was only just made may need no row at all, but $1 is always sent
        sql += " and $1::uuid is not null"
    return ReadPlan(
        sql,
        compiling.statement,
        tuple(_merged(pieces)),
        dict(compiling.scopes),
    )


def _bounded(columns: Columns) -> str:
    """Select the columns, or no row where they are too large together: it is the database that notices first."""
    names = [f"c{number}" for number in range(len(columns))]
    selected = ", ".join(f"{column} as {name}" for column, name in zip(columns, names, strict=True))
    size = " + ".join(f"coalesce(pg_column_size({name}), 0)" for name in names)
    # offset 0 keeps the planner from writing every column twice
    return (
        f"select {', '.join(names)} from (select {selected} offset 0) found where {size} <= {LARGEST_ANSWER}"  # noqa: S608
    )


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _root(compiling: Compiling, columns: Columns, field: Selected, introspect: Introspect) -> list[Piece]:
    if field.name == "__typename":
        return ['"Query"']
    if field.name in {"__schema", "__type"}:
        return [introspect(field)]
    return _ROOTS[field.name](compiling, columns, field)


def _column(columns: Columns, text: list[str]) -> list[Piece]:
    at = columns.add(joined(text))
    return [lambda row, _arguments, _call: cast("str", row[at])]


def _by_id(type_name: str, scope: Scope, condition: str = "") -> _Root:
    def root(compiling: Compiling, columns: Columns, field: Selected) -> list[Piece]:
        compiling.require(scope)
        wanted = cast("Operand", operand(compiling.arguments("Query", field), "id"))
        value = compiling.statement.value(wanted, "uuid")
        found = compiling.one(type_name, _TABLES[type_name], f"{{row}}.id = {value}{condition}", field)
        return _column(columns, found)

    return root


def _all(type_name: str) -> _Root:
    def root(compiling: Compiling, columns: Columns, field: Selected) -> list[Piece]:
        compiling.require(Scope.EVENTS_READ)
        order = "{row}.created_at, {row}.id"
        condition = "{row}.status <> 'deleted'"
        return _column(columns, compiling.many(type_name, _TABLES[type_name], condition, field, order=order))

    return root


def _page(type_name: str, source_of: Callable[[Compiling, Mapping[str, Given]], Source]) -> _Root:
    def root(compiling: Compiling, columns: Columns, field: Selected) -> list[Piece]:
        given = compiling.arguments("Query", field)
        compiling.weight = page_weight(given)
        page = Page(compiling, columns, source_of(compiling, given), type_name)
        found = page.pieces(f"{type_name}Connection", field)
        compiling.weight = 1
        return found

    return root


def _application(compiling: Compiling, columns: Columns, field: Selected) -> list[Piece]:
    compiling.require(Scope.EVENTS_READ)
    return _column(columns, compiling.one("Application", "applications", "true", field))


def _user(compiling: Compiling, columns: Columns, field: Selected) -> list[Piece]:
    compiling.require(Scope.USERS_READ)
    wanted = cast("Operand", operand(compiling.arguments("Query", field), "id"))
    return _column(columns, nodes.user(compiling, compiling.statement.value(wanted, "uuid"), field))


def _conversation(compiling: Compiling, columns: Columns, field: Selected) -> list[Piece]:
    wanted = cast("Operand", operand(compiling.arguments("Query", field), "id"))
    return _column(columns, conversations.conversation_by_id(compiling, wanted, field))


def _delivery(compiling: Compiling, columns: Columns, field: Selected) -> list[Piece]:
    compiling.require(Scope.EVENTS_READ)
    wanted = cast("Operand", operand(compiling.arguments("Query", field), "id"))
    return _column(columns, nodes.delivery(compiling, compiling.statement.value(wanted, "uuid"), field))


_TABLES: Final = {
    "Application": "applications",
    "File": "files",
    "Log": "logs",
    "Suppression": "suppressions",
    "PlatformConnection": "connections",
    "PlatformUser": "platform_users",
    "User": "users",
    "Event": "events",
    "WebhookSubscription": "subscriptions",
}
_ROOTS: Final[Mapping[str, _Root]] = {
    "application": _application,
    "platformConnections": _all("PlatformConnection"),
    "platformConnection": _by_id("PlatformConnection", Scope.EVENTS_READ, " and {row}.status <> 'deleted'"),
    "platformUsers": _page("PlatformUser", lists.platform_users),
    "platformUser": _by_id("PlatformUser", Scope.USERS_READ),
    "users": _page("User", lists.users),
    "user": _user,
    "events": _page("Event", event_lists.events),
    "event": _by_id("Event", Scope.EVENTS_READ),
    "webhookSubscriptions": _all("WebhookSubscription"),
    "provenance": lambda compiling, columns, field: _column(columns, provenance(compiling, field)),
    "conversations": _page("Conversation", conversations.conversations),
    "conversation": _conversation,
    "eventSchemas": lambda compiling, columns, field: _column(
        columns, event_schemas.event_schemas(compiling, field)
    ),
    "eventSchema": lambda compiling, columns, field: _column(
        columns, event_schemas.event_schema_by_id(compiling, field)
    ),
    "logs": _page("Log", log_lists.logs),
    "files": _page("File", file_lists.files),
    "file": _by_id("File", Scope.EVENTS_READ),
    "suppressions": _page("Suppression", suppression_lists.suppressions),
    "suppression": _by_id("Suppression", Scope.EVENTS_READ),
    "webhookSubscription": _by_id("WebhookSubscription", Scope.EVENTS_READ, " and {row}.status <> 'deleted'"),
    "webhookDelivery": _delivery,
    "webhookDeliveries": _page("WebhookDelivery", lists.deliveries),
}
