"""Conversations: a view of the graph. A platform user whose messages came in has one, and it stands where the
latest message between them and us stands, so the list is a walk over messages and never a sort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from outrider.core.ids import first_id_after, first_id_at
from outrider.messaging.marking import CONVERSATION, CONVERSATION_READ, READ_UP_TO
from outrider.surfaces.developer_graphql import cursors
from outrider.surfaces.developer_graphql.arguments import Given, Operand, members, operand
from outrider.surfaces.developer_graphql.queries.compiling import Compiling, Fields
from outrider.surfaces.developer_graphql.queries.lists import bounded_count
from outrider.surfaces.developer_graphql.queries.operators import moment_conditions
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.texts import Sql, Text, exists, joined, moment, plain
from outrider.surfaces.developer_graphql.queries.windows import MOST_COUNTED, PAGE_LIMIT, Window, window_of
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.actors import Scope

MOST_UNREAD: Final = 1_000
"""How many of a person's newest edges are looked at to count what is unread."""

_INBOUND: Final = "'message.inbound'"
_OUTBOUND: Final = "'message.outbound'"


@dataclass(slots=True)
class ConversationSource:
    """Conversations by their latest message; its id is the row's, and the cursor's."""

    statement: Statement
    window: Window
    connection: str | None
    times: Sequence[str]
    """Conditions on the latest message, which is `{row}`."""

    def page(self, row: str) -> str:
        """Give `from …` with the conversations between the cursors."""
        message, edge = self.statement.alias("m"), self.statement.alias("g")
        newest = " union all ".join(f"({self._messages(name)})" for name in (_INBOUND, _OUTBOUND))
        person = f"{edge}.target_id"
        conditions = [f"{_latest_message(self.statement, person)} = {message}.id"]
        conditions.append(f"({message}.event_type = {_INBOUND} or {_has_inbound(self.statement, person)})")
        if self.connection is not None:
            conditions.append(f"{connection_of(self.statement, person)} = {self.connection}")
        return (
            f"from (select {message}.id, {person} as platform_user_id from ({newest}) {message} "  # noqa: S608
            f"cross join lateral ({self._counterpart(message)}) {edge} where {' and '.join(conditions)} "
            f"order by {message}.id {self.window.way} limit {PAGE_LIMIT}) {row} order by {row}.id {self.window.way}"
        )

    def count(self) -> str:
        """Count up to the limit; beyond it, think the rest as dense as what was counted, by when people came."""
        person, counted, other = (self.statement.alias(letter) for letter in "pno")
        conditions = [_has_inbound(self.statement, f"{person}.id")]
        if self.connection is not None:
            conditions.append(f"{person}.connection_id = {self.connection}")
        latest = _latest_message(self.statement, f"{person}.id")
        conditions += [one.replace("{row}.id", latest) for one in self.times]
        scan = self.statement.scan("platform_users", person, *conditions)
        order = f"order by {person}.created_at desc, {person}.id desc"
        rows = f"select {person}.created_at {scan} {order} limit {MOST_COUNTED + 1}"
        everyone = self.statement.scan("platform_users", other)
        whole = f"(select max({other}.created_at) - min({other}.created_at) {everyone})"
        return bounded_count(rows, counted, whole, f"max({counted}.created_at) - min({counted}.created_at)")

    def _messages(self, event_type: str) -> str:
        event = self.statement.alias("e")
        behind = [one.replace("{row}", event) for one in (*self.times, *self.window.bounds)]
        conditions = [f"{event}.event_type = {event_type}", *behind]
        scan = self.statement.scan("events", event, *conditions)
        return f"select {event}.id, {event}.event_type {scan} order by {event}.id {self.window.way}"

    def _counterpart(self, message: str) -> str:
        """Select the one of the two who is not on our side."""
        edge = self.statement.alias("g")
        scan = self.statement.scan(
            "edges",
            edge,
            f"{edge}.event_id = {message}.id",
            f"{edge}.edge_type = case when {message}.event_type = {_INBOUND} then 'sent_by' else 'sent_to' end",
            f"{edge}.target_type = 'platform_user'",
        )
        return f"select {edge}.target_id {scan} order by {edge}.id limit 1"


def conversations(compiling: Compiling, given: Mapping[str, Given]) -> ConversationSource:
    """Give the source of the field `conversations`."""
    compiling.require(Scope.EVENTS_READ)
    connection = operand(given, "platformConnectionId")
    last_at = members(members(given, "filters") or {}, "lastMessageAt") or {}
    return ConversationSource(
        compiling.statement,
        window_of(compiling, given, cursors.CONVERSATIONS),
        compiling.statement.value(connection, "uuid") if connection is not None else None,
        moment_conditions(compiling.statement, last_at, "{row}.id", "uuid", first_id_at, first_id_after),
    )


def conversation(compiling: Compiling, person_id: str, selected: Selected) -> Text:
    """Write the conversation with one platform user, given an expression for their id, or null."""
    statement = compiling.statement
    person, row = statement.alias("p"), statement.alias("c")
    body = joined(compiling.written("Conversation", row, selected))
    latest = _latest_message(statement, f"{person}.id")
    scan = statement.scan(
        "platform_users", person, f"{person}.id = {person_id}", _has_inbound(statement, f"{person}.id")
    )
    found = f"select {person}.id as platform_user_id, {latest} as id {scan} offset 0"
    return [Sql(f"coalesce((select {body} from ({found}) {row}), 'null')")]  # noqa: S608


def conversation_by_id(compiling: Compiling, wanted: Operand, selected: Selected) -> Text:
    """Write the conversation that a caller names, or null."""
    compiling.require(Scope.EVENTS_READ)
    return conversation(compiling, compiling.statement.value(wanted, "uuid"), selected)


def connection_of(statement: Statement, person: str) -> str:
    """Give an expression for the connection of a platform user."""
    row = statement.alias("p")
    return f"(select {row}.connection_id {statement.scan('platform_users', row, f'{row}.id = {person}')})"


def _type_of(statement: Statement, event_id: str) -> str:
    event = statement.alias("e")
    return f"(select {event}.event_type {statement.scan('events', event, f'{event}.id = {event_id}')})"


def _has_inbound(statement: Statement, person: str) -> str:
    edge = statement.alias("g")
    return exists(
        statement.scan(
            "edges",
            edge,
            f"{edge}.target_id = {person}",
            f"{edge}.edge_type = 'sent_by'",
            f"{_type_of(statement, f'{edge}.event_id')} = {_INBOUND}",
        )
    )


def _latest_message(statement: Statement, person: str) -> str:
    edge = statement.alias("g")
    kind = _type_of(statement, f"{edge}.event_id")
    scan = statement.scan(
        "edges",
        edge,
        f"{edge}.target_id = {person}",
        f"(({edge}.edge_type = 'sent_by' and {kind} = {_INBOUND}) "
        f"or ({edge}.edge_type = 'sent_to' and {kind} = {_OUTBOUND}))",
    )
    return f"(select {edge}.event_id {scan} order by {edge}.event_id desc limit 1)"


def _newest_edges(statement: Statement, person: str) -> str:
    edge = statement.alias("g")
    scan = statement.scan("edges", edge, f"{edge}.target_id = {person}")
    return (
        f"select {edge}.event_id, {edge}.edge_type {scan} order by {edge}.event_id desc limit {MOST_UNREAD}"
    )


def _unread_count(compiling: Compiling, row: str, _selected: Selected) -> Text:
    statement = compiling.statement
    person = f"{row}.platform_user_id"
    mark, upto, unread = (statement.alias(letter) for letter in "kru")
    marks = (
        f"select {mark}.event_id from ({_newest_edges(statement, person)}) {mark} "  # noqa: S608
        f"where {mark}.edge_type = '{CONVERSATION}' "
        f"and {_type_of(statement, f'{mark}.event_id')} = '{CONVERSATION_READ}' "
        f"order by {mark}.event_id desc limit 1"
    )
    target = statement.scan(
        "edges", upto, f"{upto}.event_id = ({marks})", f"{upto}.edge_type = '{READ_UP_TO}'"
    )
    read = f"coalesce((select {upto}.target_id {target} limit 1), '{_NOTHING}'::uuid)"
    counted = (
        f"select count(*) from ({_newest_edges(statement, person)}) {unread} "  # noqa: S608
        f"where {unread}.edge_type = 'sent_by' and {unread}.event_id > {read} "
        f"and {_type_of(statement, f'{unread}.event_id')} = {_INBOUND}"
    )
    return [Sql(f"({counted})::text")]


def _person(compiling: Compiling, row: str, selected: Selected) -> Text:
    return compiling.one("PlatformUser", "platform_users", f"{{row}}.id = {row}.platform_user_id", selected)


def _connection(compiling: Compiling, row: str, selected: Selected) -> Text:
    wanted = connection_of(compiling.statement, f"{row}.platform_user_id")
    return compiling.one("PlatformConnection", "connections", f"{{row}}.id = {wanted}", selected)


def _participants(compiling: Compiling, row: str, selected: Selected) -> Text:
    statement = compiling.statement
    ours = statement.alias("c")
    wanted = connection_of(statement, f"{row}.platform_user_id")
    scan = statement.scan("connections", ours, f"{ours}.id = {wanted}")
    us = f"(select {ours}.system_platform_user_id {scan})"
    condition = f"{{row}}.id in ({row}.platform_user_id, {us})"
    # they come first
    order = f"{{row}}.id <> {row}.platform_user_id"
    return compiling.many("PlatformUser", "platform_users", condition, selected, order=order)


def _last_message(compiling: Compiling, row: str, selected: Selected) -> Text:
    return compiling.one("Event", "events", f"{{row}}.id = {row}.id", selected)


_NOTHING: Final = "00000000-0000-0000-0000-000000000000"

CONVERSATION_FIELDS: Final[Fields] = {
    "id": lambda _compiling, row, _selected: plain(f"{row}.platform_user_id"),
    "platformUser": _person,
    "platformConnection": _connection,
    "participants": _participants,
    "lastMessage": _last_message,
    "lastMessageAt": lambda _compiling, row, _selected: moment(f"uuid_extract_timestamp({row}.id)"),
    "unreadCount": _unread_count,
}
