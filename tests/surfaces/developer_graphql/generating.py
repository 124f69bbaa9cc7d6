"""Makes up queries: any fields, nested, with arguments, aliases, fragments, variables and directives."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid5

from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type
from graphql import is_required_argument as is_required
from hypothesis import strategies as st

from tests.surfaces.developer_graphql.reference import (
    SCHEMA,
    Reader,
    conversations,
    cursor,
    deliveries,
    made_at,
    shown,
)

DrawFn = st.DrawFn
Filters = dict[str, st.SearchStrategy[dict[str, Any]]]
_CURSOR_TABLES = {
    "events": ("events", b"E1"),
    "conversations": ("events", b"C1"),
    "users": ("users", b"U1\0"),
    "platformUsers": ("platform_users", b"P1\0"),
    "webhookDeliveries": ("deliveries", b"D1"),
    "logs": ("logs", b"L1"),
    "files": ("files", b"F1"),
    "suppressions": ("suppressions", b"S1"),
}
_ID_TABLES = {
    "event": "events",
    "user": "users",
    "platformUser": "platform_users",
    "platformConnection": "connections",
    "conversation": "platform_users",
    "provenance": "events",
    "webhookSubscription": "subscriptions",
    "webhookDelivery": "deliveries",
    "eventSchema": "event_schemas",
    "file": "files",
    "suppression": "suppressions",
}
_FILTERS = {
    "events": "EventFilters",
    "users": "UserFilters",
    "platformUsers": "PlatformUserFilters",
    "logs": "LogFilters",
    "files": "FileFilters",
    "suppressions": "SuppressionFilters",
    "conversations": "ConversationFilters",
    "webhookDeliveries": "WebhookDeliveryFilters",
}
_FILTERING_TABLES = {
    "subscriptionId": "subscriptions",
    "eventId": "events",
    "platformConnectionId": "connections",
}


@dataclass
class Query:
    """A query as it is made up."""

    draw: DrawFn
    reader: Reader
    strategies: Filters
    definitions: list[str] = field(default_factory=list)
    variables: dict[str, object] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    names: int = 0

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def value(self, type_name: str, value: object) -> str:
        """Write a value into the document, or send it as a variable."""
        if self.draw(st.booleans()):
            return _literal(value)
        name = self.name("v")
        default = ""
        if value is not None and self.draw(st.integers(0, 5)) == 0:
            default = f" = {_literal(value)}"
        if not default or self.draw(st.booleans()):
            self.variables[name] = value
        self.definitions.append(f"${name}: {type_name}{default}")
        return f"${name}"

    def text(self) -> str:
        """The whole document."""
        body = self.selection("Query", 4)
        head = f"query Generated({', '.join(self.definitions)}) " if self.definitions else ""
        return " ".join([head + body, *self.fragments])

    def selection(self, type_name: str, depth: int) -> str:
        """A selection set of a type, some of it in fragments."""
        parent = SCHEMA.type_map[type_name]
        assert isinstance(parent, GraphQLObjectType)
        names = [
            name for name, one in parent.fields.items() if depth > 0 or is_leaf_type(get_named_type(one.type))
        ]
        chosen = self.draw(
            st.lists(st.sampled_from([*names, "__typename"]), min_size=1, max_size=4, unique=True)
        )
        parts = [self.selected(parent, name, depth) for name in chosen]
        return "{ " + " ".join(self.wrapped(type_name, part) for part in parts) + " }"

    def selected(self, parent: GraphQLObjectType, name: str, depth: int) -> str:
        """One field, sometimes twice: what is selected of it is merged."""
        definition = parent.fields.get(name)
        if definition is None:
            return f"{self.name('t')}: {name}" if self.draw(st.booleans()) else name
        arguments = self.arguments(parent.name, name, definition)
        alias = f"{self.name('a')}: " if arguments or self.draw(st.integers(0, 2)) == 0 else ""
        head = f"{alias}{name}{arguments}"
        inner = get_named_type(definition.type)
        if is_leaf_type(inner):
            return head
        first = f"{head} {self.selection(inner.name, depth - 1)}"
        if self.draw(st.integers(0, 5)) == 0:
            return f"{first} {head} {self.selection(inner.name, depth - 1)}"
        return first

    def wrapped(self, type_name: str, part: str) -> str:
        """Put a part of a selection into a fragment, or behind a condition."""
        match self.draw(st.integers(0, 11)):
            case 0:
                return f"... on {type_name} {{ {part} }}"
            case 1:
                return f"... {{ {part} }}"
            case 2:
                name = self.name("F")
                self.fragments.append(f"fragment {name} on {type_name} {{ {part} }}")
                return f"...{name}"
            case 3:
                return f"... @include(if: {self.value('Boolean!', self.draw(st.booleans()))}) {{ {part} }} __typename"
            case 4:
                switch = self.value("Boolean!", self.draw(st.booleans()))
                return f"... on {type_name} @skip(if: {switch}) {{ {part} }} __typename"
            case _:
                return part

    def arguments(self, parent: str, name: str, definition: GraphQLField) -> str:
        """Some of the arguments of a field."""
        chosen = [
            name for name in definition.args if is_required(definition.args[name]) or self.draw(st.booleans())
        ]
        if "first" in chosen and "last" in chosen:
            chosen.remove(self.draw(st.sampled_from(["first", "last"])))
        given = [f"{argument}: {self.argument(parent, name, argument)}" for argument in chosen]
        return f"({', '.join(given)})" if given else ""

    def argument(self, parent: str, name: str, argument: str) -> str:
        """One argument with a value that fits."""
        if argument in {"id", "eventId"} and name in _ID_TABLES:
            return self.value("UUID!", self.draw(one_of(self.ids(name))))
        match argument:
            case "first" | "last":
                sizes = [1, 2, 3, 10, 60, None] if parent == "Query" else [1, 2, 60]
                return self.value("Int", self.draw(st.sampled_from(sizes)))
            case "depth":
                return self.value("Int", self.draw(st.integers(1, 5)))
            case "after" | "before":
                table, mark = _CURSOR_TABLES[name]
                rows = self.reader.all(table)
                return self.value("String", self.draw(one_of([None, *[cursor(mark, row) for row in rows]])))
            case "orderBy":
                direction = _Word(self.draw(st.sampled_from(["ASC", "DESC"])))
                order = {"field": _Word("CREATED_AT"), "direction": direction}
                return self.value("EventOrder" if name == "events" else "ListOrder", order)
            case "filters":
                return self.filters(_FILTERS[name])
            case "state":
                states: Any = SCHEMA.type_map["WebhookDeliveryState"]
                return self.value(
                    "WebhookDeliveryState", _Word(self.draw(st.sampled_from(list(states.values))))
                )
            case _:
                ids = self.reader.world.ids(_FILTERING_TABLES[argument], self.reader.tenant)
                return self.value("UUID", self.draw(one_of([None, *ids])))

    def ids(self, name: str) -> list[str]:
        """Ids for a field that shows one thing: of such things, and of none."""
        found = ["00000000-0000-7000-8000-000000000000"]
        if name == "webhookDelivery":
            found += self.reader.world.ids("delivery_queue", self.reader.tenant)
        if name == "eventSchema":
            found.append(str(uuid5(self.reader.tenant.application_id, "message.inbound")))
        return [*self.reader.world.ids(_ID_TABLES[name], self.reader.tenant), *found]

    def filters(self, type_name: str) -> str:
        """Filters as one variable, or written with variables inside."""
        value = self.draw(self.strategies[type_name])
        if self.draw(st.booleans()):
            return self.written(type_name, value)
        return self.value(type_name, value)

    def written(self, type_name: str, value: Any) -> str:
        """Write an input object, its values now and then as variables."""
        parent: Any = SCHEMA.type_map[type_name]
        parts: list[str] = []
        for name, part in value.items():
            kind = str(parent.fields[name].type)
            inner = get_named_type(parent.fields[name].type).name
            if isinstance(part, dict):
                parts.append(f"{name}: {self.written(inner, part)}")
            elif isinstance(part, list) and part and isinstance(part[0], dict):
                parts.append(f"{name}: [{', '.join(self.written(inner, one) for one in part)}]")
            else:
                parts.append(f"{name}: {self.value(kind, part)}")
        return "{ " + ", ".join(parts) + " }"


class _Word(str):
    """A value of an enum."""

    __slots__ = ()


def _literal(value: object) -> str:
    match value:
        case _Word():
            return value
        case dict():
            return "{ " + ", ".join(f"{name}: {_literal(part)}" for name, part in value.items()) + " }"
        case list():
            return "[" + ", ".join(_literal(part) for part in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def one_of(values: list[Any]) -> st.SearchStrategy[Any]:
    """One of many values, none of which the strategy shows when it is printed."""
    return st.integers(0, len(values) - 1).map(lambda at: values[at])


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value or, now and then, null."""
    return st.one_of(st.none(), values, values)


def text_filter(texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the operators over texts."""
    return st.fixed_dictionaries(
        {},
        optional={
            "equals": maybe(texts),
            "contains": maybe(texts),
            "in": st.lists(texts, max_size=3),
            "startsWith": maybe(texts),
        },
    )


def moment_filter(moments: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the operators over moments."""
    return st.fixed_dictionaries({}, optional={name: maybe(moments) for name in ("gte", "gt", "lte", "lt")})


def id_filter(ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """One of the ids, or nothing."""
    return st.one_of(st.just({}), st.fixed_dictionaries({"equals": maybe(one_of(ids))}))


def nested(conditions: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Filters of these conditions, and filters of such filters."""
    single = [st.fixed_dictionaries({name: values}) for name, values in conditions.items()]
    return st.recursive(
        st.one_of(*single, st.fixed_dictionaries({}, optional=conditions)),
        lambda inner: st.fixed_dictionaries(
            {},
            optional={
                **dict(list(conditions.items())[:2]),
                "or": st.lists(inner, max_size=3),
                "and": st.lists(inner, max_size=2),
                "not": inner,
            },
        ),
        max_leaves=4,
    )


def event_filters(reader: Reader) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that hold for some events and not for others."""
    texts = st.sampled_from(
        ["message.inbound", "message", "order.created", "e", "custom.", "custom.t", "", "x"]
    )
    moments = one_of(
        [
            shown(made_at(row) + timedelta(milliseconds=ms))
            for row in reader.all("events")
            for ms in (-1000, -1, 0, 1)
        ]
    )
    targets = sorted({str(edge["target_id"]) for edge in reader.all("edges")})
    origins = [str(row["origin_event_id"]) for row in reader.all("events") if row["origin_event_id"]]
    has_edge = st.fixed_dictionaries(
        {},
        optional={
            "edgeType": maybe(st.sampled_from(["sent_by", "sent_to", "reply_to", "none"])),
            "targetNodeId": id_filter(targets),
        },
    )
    return nested(
        {
            "eventType": text_filter(texts),
            "hasEdge": has_edge,
            "createdAt": moment_filter(moments),
            "status": text_filter(st.sampled_from(["pending", "processing", "completed", "failed", "e"])),
            "originEventId": id_filter(origins),
            "externalMessageId": external_id_filter([f"wamid.{number}" for number in range(5)]),
            "recipientExternalId": external_id_filter([f"+1415{number}" for number in range(5)]),
        }
    )


def external_id_filter(ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """The operators over what platforms call things."""
    texts = st.sampled_from(ids)
    return st.fixed_dictionaries({}, optional={"equals": maybe(texts), "in": st.lists(texts, max_size=3)})


def people_filters(reader: Reader, table: str) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that hold for some people and not for others."""
    rows = reader.all(table)
    names = st.sampled_from(["Ann", "n", "", 'Quo"te', "custom.", "Z"])
    moments = one_of(
        [shown(row["created_at"] + timedelta(milliseconds=ms)) for row in rows for ms in (-1, 0, 1)]
    )
    own: dict[str, st.SearchStrategy[Any]] = {"isSystemUser": maybe(st.booleans())}
    if table == "platform_users":
        own = {
            "externalId": text_filter(st.sampled_from(["+14153", "+1415", "3", ""])),
            "userId": id_filter([str(row["user_id"]) for row in rows]),
            "platformConnectionId": id_filter([str(row["connection_id"]) for row in rows]),
        }
    return nested({**own, "name": text_filter(names), "createdAt": moment_filter(moments)})


def log_filters(reader: Reader) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that hold for some entries and not for others."""
    moments = one_of(
        [shown(made_at(row) + timedelta(milliseconds=ms)) for row in reader.all("logs") for ms in (-1, 0, 1)]
    )
    return nested(
        {
            "logLevel": text_filter(st.sampled_from(["info", "error", "e", ""])),
            "logType": text_filter(st.sampled_from(["execution", "import", "custom.", "x"])),
            "message": text_filter(st.sampled_from(["1", "entry", 'a "quoted" entry 3', ""])),
            "createdAt": moment_filter(moments),
            "eventId": id_filter([str(row["event_id"]) for row in reader.all("logs") if row["event_id"]]),
        }
    )


def file_filters(reader: Reader) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that hold for some files and not for others."""
    moments = one_of(
        [shown(made_at(row) + timedelta(milliseconds=ms)) for row in reader.all("files") for ms in (-1, 0, 1)]
    )
    return nested(
        {
            "filename": text_filter(st.sampled_from(["png", "Ann-0.png", "Zoë", "custom.", ""])),
            "mimeType": text_filter(st.sampled_from(["image/png", "image/", "/", "x"])),
            "state": maybe(st.sampled_from(["READY", "PENDING", "FAILED"]).map(_Word)),
            "createdAt": moment_filter(moments),
        }
    )


def suppression_filters(reader: Reader) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that hold for some entries and not for others."""
    rows = reader.all("suppressions")
    moments = one_of([shown(made_at(row) + timedelta(milliseconds=ms)) for row in rows for ms in (-1, 0, 1)])
    return nested(
        {
            "platformName": maybe(st.sampled_from(["EMAIL", "SMS", "SLACK"]).map(_Word)),
            "address": text_filter(st.sampled_from(["ada", "ada-1@ferry.example", "+1", ""])),
            "reason": maybe(st.sampled_from(["BOUNCED", "COMPLAINED", "MANUAL"]).map(_Word)),
            "since": moment_filter(moments),
        }
    )


def delivery_filters(reader: Reader) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that hold for some deliveries and not for others."""
    rows = deliveries(None, reader).rows
    states: Any = SCHEMA.type_map["WebhookDeliveryState"]
    moments = one_of([shown(made_at(row) + timedelta(milliseconds=ms)) for row in rows for ms in (-1, 0, 1)])
    return nested(
        {
            "state": maybe(st.sampled_from([_Word(name) for name in states.values])),
            "createdAt": moment_filter(moments),
            "subscriptionId": id_filter(sorted({str(row["target_id"]) for row in rows})),
            "eventId": id_filter(sorted({str(row["event_id"]) for row in rows})),
        }
    )


def conversation_filters(reader: Reader) -> st.SearchStrategy[dict[str, Any]]:
    """Filters that hold for some conversations and not for others."""
    rows = conversations(None, reader).rows
    moments = [shown(made_at(row) + timedelta(milliseconds=ms)) for row in rows for ms in (-1, 0, 1)]
    return st.fixed_dictionaries({}, optional={"lastMessageAt": maybe(moment_filter(one_of(moments)))})


def filters_of(reader: Reader) -> Filters:
    """A strategy for each type of filters: a recursive one remembers what it drew."""
    return {
        "EventFilters": event_filters(reader),
        "UserFilters": people_filters(reader, "users"),
        "LogFilters": log_filters(reader),
        "FileFilters": file_filters(reader),
        "SuppressionFilters": suppression_filters(reader),
        "ConversationFilters": conversation_filters(reader),
        "WebhookDeliveryFilters": delivery_filters(reader),
        "PlatformUserFilters": people_filters(reader, "platform_users"),
    }


@st.composite
def _queries(draw: DrawFn, reader: Reader, filters: Filters) -> tuple[str, dict[str, object]]:
    query = Query(draw, reader, filters)
    return query.text(), query.variables


def queries(reader: Reader, filters: Filters) -> st.SearchStrategy[tuple[str, dict[str, object]]]:
    """Documents with their variables."""
    return _queries(reader, filters)
