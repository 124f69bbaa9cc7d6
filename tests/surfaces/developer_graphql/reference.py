"""The same schema served the obvious way: graphql-core's executor over rows in memory.

It is written from the schema's descriptions, with no look at the compiler.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from graphql import GraphQLObjectType, execute, parse

from outrider.events.values import MessageState
from outrider.surfaces.developer_graphql.schema import load_schema
from tests.surfaces.developer_graphql.seeding import World
from tests.tenants import Tenant

Row = dict[str, Any]
_INFINITY = 9999


@dataclass(frozen=True)
class Reader:
    """Who reads, and what there is."""

    world: World
    tenant: Tenant
    public_url: str

    def all(self, table: str) -> list[Row]:
        return self.world.rows(table, self.tenant)

    def one(self, table: str, key: object, column: str = "id") -> Row | None:
        return next((row for row in self.all(table) if row[column] == key), None)


def answer(reader: Reader, document: str, variables: dict[str, Any] | None = None) -> Any:
    """Execute a document; raises the first error."""
    result: Any = execute(SCHEMA, parse(document), variable_values=variables, context_value=reader)
    if result.errors:
        raise result.errors[0]
    return result.data


def shown(moment: datetime | None) -> str | None:
    """Write a moment as the API does."""
    if moment is None or moment.year == _INFINITY:
        return None
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def made_at(row: Row) -> datetime:
    """When an event was made: its id says it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row["id"].int >> 80)


# Lists with pages.


def event_key(row: Row) -> tuple[Any, ...]:
    return (row["id"],)


def person_key(row: Row) -> tuple[Any, ...]:
    return (row["created_at"], row["id"])


def cursor(mark: bytes, row: Row) -> str:
    """The cursor of a row."""
    raw = mark
    if mark.endswith(b"\0"):
        raw += ((row["created_at"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)).to_bytes(
            8
        )
    return base64.urlsafe_b64encode(raw + row["id"].bytes).decode()


@dataclass(frozen=True)
class Page:
    """A page of rows that were already put in order and filtered."""

    rows: list[Row]
    given: dict[str, Any]
    mark: bytes

    @property
    def is_backward(self) -> bool:
        return self.given.get("last") is not None

    @property
    def size(self) -> int:
        return int(self.given.get("last") or self.given.get("first") or 20)

    def between(self) -> list[Row]:
        """The rows between the cursors, whether their own rows are still there or not."""
        keys = [base64.urlsafe_b64decode(cursor(self.mark, row)) for row in self.rows]
        is_ascending = (self.given.get("orderBy") or {}).get("direction") == "ASC"
        found = list(zip(keys, self.rows, strict=True))
        for name in ("after", "before"):
            if self.given.get(name) is not None:
                place = base64.urlsafe_b64decode(self.given[name])
                wants_greater = (name == "after") == is_ascending
                found = [(key, row) for key, row in found if (key > place if wants_greater else key < place)]
        return [row for _, row in found]

    def edges(self) -> list[Any]:
        rows = self.between()
        rows = rows[-self.size :] if self.is_backward else rows[: self.size]
        return [{"node": row, "cursor": cursor(self.mark, row)} for row in rows]

    def has_next(self) -> bool:
        if self.is_backward or self.given.get("before") is not None:
            return self.given.get("before") is not None
        return len(self.between()) > self.size

    def has_previous(self) -> bool:
        if self.given.get("after") is not None or not self.is_backward:
            return self.given.get("after") is not None
        return len(self.between()) > self.size


def page_fields(node_type: str) -> dict[str, Any]:
    return {
        f"{node_type}Connection": {
            "edges": lambda page, _reader: page.edges(),
            "pageInfo": lambda page, _reader: page,
            "totalCount": lambda page, _reader: len(page.rows),
            "totalCountExact": lambda _page, _reader: True,
        },
        f"{node_type}Edge": {
            "node": lambda edge, _reader: edge["node"],
            "cursor": lambda edge, _reader: edge["cursor"],
        },
    }


def feed_cursor(reader: Reader) -> str:
    """Where the live feed stands: behind the newest event."""
    newest = max((row["position"] for row in reader.all("events")), default=0)
    return base64.urlsafe_b64encode(b"F" + newest.to_bytes(8)).decode()


# Filters.


def text_matches(value: str | None, condition: Row, *, is_type: bool = False) -> bool:
    if value is None:
        return all(wanted is None for wanted in condition.values())
    checks: dict[str, Callable[[Any], bool]] = {
        "equals": lambda wanted: value == wanted,
        "contains": lambda wanted: wanted in value,
        "in": lambda wanted: value in wanted,
        "startsWith": lambda wanted: (
            is_own(value) if is_type and wanted == "custom." else value.startswith(wanted)
        ),
    }
    return all(checks[name](wanted) for name, wanted in condition.items() if wanted is not None)


def is_own(event_type: str) -> bool:
    prefixes = ("message.", "user.", "system.", "link_code.")
    return not event_type.startswith(prefixes) and event_type != "file.inbound"


def moment_matches(value: datetime, condition: Row) -> bool:
    checks = {
        "gte": lambda wanted: value >= wanted,
        "gt": lambda wanted: value > wanted,
        "lte": lambda wanted: value <= wanted,
        "lt": lambda wanted: value < wanted,
    }
    return all(checks[name](wanted) for name, wanted in condition.items() if wanted is not None)


Holds = Callable[[Reader, Row, str, Any], bool]


def matches(holds: Holds, reader: Reader, row: Row, filters: Row) -> bool:
    return all(one_holds(holds, reader, row, name, one) for name, one in filters.items() if one is not None)


def one_holds(holds: Holds, reader: Reader, row: Row, name: str, condition: Any) -> bool:
    match name:
        case "or":
            return any(matches(holds, reader, row, part) for part in condition)
        case "and":
            return all(matches(holds, reader, row, part) for part in condition)
        case "not":
            return not matches(holds, reader, row, condition)
        case _:
            return holds(reader, row, name, condition)


def about(around: object = None) -> Holds:
    """What a condition on an event means; around one platform user an edge to nothing leads to them."""

    def holds(reader: Reader, event: Row, name: str, condition: Any) -> bool:
        match name:
            case "eventType":
                return text_matches(event["event_type"], condition, is_type=True)
            case "createdAt":
                return moment_matches(made_at(event), condition)
            case "status":
                return text_matches(status(event, reader), condition)
            case "originEventId":
                return condition.get("equals") in {None, event["origin_event_id"]}
            case "externalMessageId":
                names = [
                    row["external_id"]
                    for row in reader.all("external_messages")
                    if row["event_id"] == event["id"]
                ]
                return one_by_one(names, condition)
            case "recipientExternalId":
                people = [
                    reader.one("platform_users", edge["target_id"])
                    for edge in edges_from(reader, event)
                    if edge["edge_type"] == "sent_to"
                ]
                return one_by_one([row["external_id"] for row in people if row], condition)
            case _:
                wanted = (condition.get("targetNodeId") or {}).get("equals") or around
                edge_type = condition.get("edgeType")
                return any(
                    edge_type in {None, edge["edge_type"]} and wanted in {None, edge["target_id"]}
                    for edge in edges_from(reader, event)
                )

    return holds


def edges_from(reader: Reader, event: Row) -> list[Row]:
    return [edge for edge in reader.all("edges") if edge["event_id"] == event["id"]]


def one_by_one(names: list[str], condition: Row) -> bool:
    """Each operator holds for one of the names."""
    given = {name: wanted for name, wanted in condition.items() if wanted is not None}
    return all(any(text_matches(one, {name: wanted}) for one in names) for name, wanted in given.items())


def of_people(_reader: Reader, row: Row, name: str, condition: Any) -> bool:
    match name:
        case "isSystemUser":
            return bool(row["is_system"] == condition)
        case "name":
            return text_matches(row["name"], condition)
        case "externalId":
            return text_matches(row["external_id"], condition)
        case "userId":
            return condition.get("equals") in {None, row["user_id"]}
        case "platformConnectionId":
            return condition.get("equals") in {None, row["connection_id"]}
        case _:
            moment = row["created_at"]
            shown_moment = moment - timedelta(microseconds=moment.microsecond % 1000)
            return moment_matches(shown_moment, condition)


# Lists.


def ordered(rows: list[Row], key: Callable[[Row], Any], given: dict[str, Any], mark: bytes) -> Page:
    is_ascending = (given.get("orderBy") or {}).get("direction") == "ASC"
    return Page(sorted(rows, key=key, reverse=not is_ascending), given, mark)


def filtered(holds: Holds, reader: Reader, table: str, given: dict[str, Any]) -> list[Row]:
    filters = given.get("filters") or {}
    return [row for row in reader.all(table) if matches(holds, reader, row, filters)]


def events(_: object, reader: Reader, **given: Any) -> Page:
    return ordered(filtered(about(), reader, "events", given), event_key, given, b"E1")


def platform_user_events(person: Row, reader: Reader, **given: Any) -> Page:
    rows = [
        row
        for row in filtered(about(person["id"]), reader, "events", given)
        if any(edge["target_id"] == person["id"] for edge in edges_from(reader, row))
    ]
    return ordered(rows, event_key, given, b"E1")


def users(_: object, reader: Reader, **given: Any) -> Page:
    rows = [row for row in filtered(of_people, reader, "users", given) if row["merged_into_id"] is None]
    return ordered(rows, person_key, given, b"U1\0")


def platform_users(_: object, reader: Reader, **given: Any) -> Page:
    wanted = given.get("platformConnectionId")
    rows = filtered(of_people, reader, "platform_users", given)
    rows = [row for row in rows if wanted in {None, row["connection_id"]}]
    return ordered(rows, person_key, given, b"P1\0")


def kept_user(reader: Reader, user_id: object) -> Row | None:
    """A user, or the one into whom they were merged."""
    row = reader.one("users", user_id)
    return reader.one("users", row["merged_into_id"]) if row and row["merged_into_id"] else row


def deliveries(_: object, reader: Reader, **given: Any) -> Page:
    rows = [
        {
            **row,
            "shown_state": queue_state(row),
            "due": row["due_at"] or made_at(row),
            "finished_at": None,
            "reason": None,
        }
        for row in reader.all("delivery_queue")
        if row["kind"] == "webhook"
    ]
    rows += [
        {**row, "shown_state": row["state"].upper(), "due": None}
        for row in of_webhooks(reader.all("deliveries"))
    ]
    filters = given.get("filters") or {}
    rows = [
        row
        for row in rows
        if matches(of_deliveries, reader, row, filters)
        and given.get("subscriptionId") in {None, row["target_id"]}
        and given.get("eventId") in {None, row["event_id"]}
        and given.get("state") in {None, row["shown_state"]}
    ]
    return ordered(rows, event_key, given, b"D1")


def of_deliveries(_reader: Reader, row: Row, name: str, condition: Any) -> bool:
    match name:
        case "createdAt":
            return moment_matches(made_at(row), condition)
        case "state":
            return bool(row["shown_state"] == condition)
        case _:
            wanted = condition.get("equals")
            return wanted in {None, row[{"subscriptionId": "target_id", "eventId": "event_id"}[name]]}


def conversations(_: object, reader: Reader, **given: Any) -> Page:
    wanted = given.get("platformConnectionId")
    rows = [conversation(reader, person) for person in reader.all("platform_users")]
    last_at = (given.get("filters") or {}).get("lastMessageAt") or {}
    rows = [row for row in rows if row and wanted in {None, row["person"]["connection_id"]}]
    rows = [row for row in rows if row and moment_matches(made_at(row["latest"]), last_at)]
    return ordered([row for row in rows if row], event_key, given, b"C1")


def conversation(reader: Reader, person: Row | None) -> Row | None:
    """The latest message with a person, if one of theirs ever came in."""
    if person is None:
        return None
    inbound = messages_with(reader, person, "message.inbound", "sent_by")
    messages = [*inbound, *messages_with(reader, person, "message.outbound", "sent_to")]
    if not inbound:
        return None
    latest = max(messages, key=event_key)
    return {"id": latest["id"], "person": person, "latest": latest, "inbound": inbound}


def messages_with(reader: Reader, person: Row, event_type: str, edge_type: str) -> list[Row]:
    return [
        event
        for event in reader.all("events")
        if event["event_type"] == event_type
        and any(
            edge["target_id"] == person["id"] and edge["edge_type"] == edge_type
            for edge in edges_from(reader, event)
        )
    ]


def unread_count(row: Row, reader: Reader) -> int:
    marks = [
        event
        for event in reader.all("events")
        if event["event_type"] == "system.conversation.read"
        and any(
            (edge["edge_type"], edge["target_id"]) == ("conversation", row["person"]["id"])
            for edge in edges_from(reader, event)
        )
    ]
    if not marks:
        return len(row["inbound"])
    newest = max(marks, key=event_key)
    read = next(edge["target_id"] for edge in edges_from(reader, newest) if edge["edge_type"] == "read_up_to")
    return sum(event["id"] > read for event in row["inbound"])


def participants(row: Row, reader: Reader) -> list[Row]:
    connection = reader.one("connections", row["person"]["connection_id"])
    ours = reader.one("platform_users", connection["system_platform_user_id"]) if connection else None
    return [row["person"], *([ours] if ours else [])]


def provenance(_: object, reader: Reader, **given: Any) -> Row | None:
    start = reader.one("events", given["eventId"])
    if start is None:
        return None
    distances = {start["id"]: 0}
    edge_of_known = [start["id"]]
    for distance in range(1, given["depth"] + 1):
        near = {two for one in edge_of_known for two in neighbours(reader, one)} - distances.keys()
        edge_of_known = [one for one in near if reader.one("events", one)]
        distances.update(dict.fromkeys(edge_of_known, distance))
    nodes = sorted(distances, key=lambda one: (distances[one], one))
    links = [
        {"from": event["id"], "to": event["origin_event_id"], "type": None, "edge": UUID(int=0)}
        for event in reader.all("events")
    ] + [
        {"from": edge["event_id"], "to": edge["target_id"], "type": edge["edge_type"], "edge": edge["id"]}
        for edge in reader.all("edges")
    ]
    return {
        "nodes": [{"event": reader.one("events", one), "distance": distances[one]} for one in nodes],
        "links": sorted(
            (one for one in links if one["from"] in distances and one["to"] in distances),
            key=lambda one: (one["from"], one["edge"]),
        ),
    }


def neighbours(reader: Reader, event_id: object) -> set[Any]:
    found = {row["id"] for row in reader.all("events") if row["origin_event_id"] == event_id}
    found |= {row["origin_event_id"] for row in reader.all("events") if row["id"] == event_id}
    found |= {edge["target_id"] for edge in reader.all("edges") if edge["event_id"] == event_id}
    return found | {edge["event_id"] for edge in reader.all("edges") if edge["target_id"] == event_id}


def of_logs(_reader: Reader, row: Row, name: str, condition: Any) -> bool:
    if name == "createdAt":
        return moment_matches(made_at(row), condition)
    if name == "eventId":
        return condition.get("equals") in {None, row["event_id"]}
    column_name = {"logLevel": "level", "logType": "log_type", "message": "message"}[name]
    return text_matches(row[column_name], condition)


def logs(_: object, reader: Reader, **given: Any) -> Page:
    wanted = given.get("eventId")
    rows = [row for row in filtered(of_logs, reader, "logs", given) if wanted in {None, row["event_id"]}]
    return ordered(rows, event_key, given, b"L1")


def of_files(_reader: Reader, row: Row, name: str, condition: Any) -> bool:
    match name:
        case "createdAt":
            return moment_matches(made_at(row), condition)
        case "state":
            return bool(row["state"].upper() == condition)
        case _:
            return text_matches(row["filename" if name == "filename" else "mime_type"], condition)


def files(_: object, reader: Reader, **given: Any) -> Page:
    return ordered(filtered(of_files, reader, "files", given), event_key, given, b"F1")


def of_suppressions(_reader: Reader, row: Row, name: str, condition: Any) -> bool:
    match name:
        case "since":
            return moment_matches(made_at(row), condition)
        case "platformName":
            return bool(row["channel"].upper() == condition)
        case "reason":
            return bool(row["reason"].upper() == condition)
        case _:
            return text_matches(row["address"], condition)


def suppressions(_: object, reader: Reader, **given: Any) -> Page:
    return ordered(filtered(of_suppressions, reader, "suppressions", given), event_key, given, b"S1")


def file_link(reader: Reader, file_id: object) -> str:
    return f"{reader.public_url}/files/{file_id}?of={reader.tenant.application_id}"


def delivery(_: object, reader: Reader, **given: Any) -> Row | None:
    return next((row for row in deliveries(None, reader).rows if row["id"] == given["id"]), None)


def event_schemas(_: object, reader: Reader) -> list[Row]:
    built_in = [
        {
            "id": uuid5(reader.tenant.application_id, name),
            "name": name,
            "category": name.split(".", 1)[0],
            "description": f"Built-in schema for {name} events",
            "json_schema": json.dumps({"type": "object", "required": required}),
            "version": 1,
            "is_built_in": True,
            "created_at": None,
            "updated_at": None,
        }
        for name, required in BUILT_IN.items()
    ]
    own = [{**row, "category": "custom", "is_built_in": False} for row in reader.all("event_schemas")]
    return [*built_in, *sorted(own, key=lambda row: row["name"])]


def event_schema(_: object, reader: Reader, **given: Any) -> Row | None:
    return next((row for row in event_schemas(None, reader) if row["id"] == given["id"]), None)


def required_fields(row: Row, _reader: Reader) -> list[str]:
    schema = json.loads(row["json_schema"])
    required = schema.get("required") if isinstance(schema, dict) else None
    return required if isinstance(required, list) else []


def versions(row: Row, reader: Reader, first: int) -> list[Row]:
    found = [one for one in reader.all("event_schema_versions") if one["schema_id"] == row["id"]]
    return sorted(found, key=lambda one: one["version"], reverse=True)[:first]


BUILT_IN = {
    "file.inbound": ["file_id"],
    "link_code.activation": ["link_code_event_id"],
    "link_code.generated": ["code"],
    "message.inbound": ["type", "message", "platform"],
    "message.outbound": ["type", "message", "platform"],
    "user.merged": ["source_user_id", "target_user_id"],
}


def queue_state(row: Row) -> str:
    if row["state"] == "held":
        return "HELD"
    return "RETRYING" if row["attempts"] else "PENDING"


def living(table: str) -> Callable[..., list[Row]]:
    def rows(_: object, reader: Reader) -> list[Row]:
        return sorted((row for row in reader.all(table) if row["status"] != "deleted"), key=person_key)

    return rows


def living_connection(_: object, reader: Reader, **given: Any) -> Row | None:
    row = reader.one("connections", given["id"])
    return row if row and row["status"] != "deleted" else None


def living_subscription(_: object, reader: Reader, **given: Any) -> Row | None:
    row = reader.one("subscriptions", given["id"])
    return row if row and row["status"] != "deleted" else None


# Events.


def payload(event: Row, reader: Reader) -> Any:
    stored = json.loads(event["payload"])
    if event["event_type"] in {"message.inbound", "message.outbound"} and "message" in stored:
        media = stored["message"]["media"]
        media["url"] = file_link(reader, media["id"])
    message = reader.one("messages", event["id"])
    if event["event_type"] != "message.outbound" or message is None:
        return stored
    times = {name: shown(message[name]) for name in ("sent_at", "delivered_at", "read_at", "failed_at")}
    parts = sorted(
        (part for part in reader.all("message_parts") if part["message_id"] == event["id"]),
        key=lambda part: part["number"],
    )
    several = {"external_message_ids": [part["external_id"] for part in parts]} if parts else {}
    return {**stored, "external_message_id": message["external_id"], **times, **several}


def work_of(reader: Reader, event: Row) -> tuple[list[Row], list[Row], bool]:
    queued = [row for row in reader.all("delivery_queue") if row["event_id"] == event["id"]]
    ended = [row for row in reader.all("deliveries") if row["event_id"] == event["id"]]
    return queued, ended, any(row["event_id"] == event["id"] for row in reader.all("fan_outs"))


def of_webhooks(rows: list[Row]) -> list[Row]:
    """Fetching what came with a message is no delivery of it."""
    return [row for row in rows if row["kind"] == "webhook"]


def status(event: Row, reader: Reader) -> str:
    queued, ended, spreads = work_of(reader, event)
    if event["event_type"] == "message.outbound":
        message = reader.one("messages", event["id"])
        if message and message["state"]:
            return "failed" if message["state"] == 2 else "completed"
        has_begun = any(
            row["attempts"] or row["state"] in {"started", "in_doubt"}
            for row in queued
            if row["kind"] == "message"
        )
        return "processing" if has_begun else "pending"
    queued, ended = of_webhooks(queued), of_webhooks(ended)
    if any(row["state"] == "failed" for row in ended):
        return "failed"
    if not queued and not spreads:
        return "completed"
    return "processing" if ended or any(row["attempts"] for row in queued) else "pending"


def processed_at(event: Row, reader: Reader) -> str | None:
    queued, ended, spreads = work_of(reader, event)
    if event["event_type"] == "message.outbound":
        message = reader.one("messages", event["id"]) or {}
        times = [message.get(name) for name in ("sent_at", "delivered_at", "read_at", "failed_at")]
        return shown(min((time for time in times if time), default=None))
    queued, ended = of_webhooks(queued), of_webhooks(ended)
    if queued or spreads:
        return None
    return shown(max((row["finished_at"] for row in ended), default=made_at(event)))


def child_events(event: Row, reader: Reader, **given: Any) -> list[Row]:
    children = [row for row in reader.all("events") if row["origin_event_id"] == event["id"]]
    return sorted(children, key=event_key)[: given["first"]]


def target(kind: str, table: str) -> Callable[[Row, Reader], Row | None]:
    return lambda edge, reader: reader.one(table, edge["target_id"]) if edge["target_type"] == kind else None


def raw(event: Row, reader: Reader) -> Row | None:
    return reader.one("raw_bodies", event["id"], "event_id")


def account(connection: Row, reader: Reader) -> Row:
    found = reader.one("accounts", connection["account_id"])
    assert found
    return found


def column(name: str) -> Callable[[Row, Reader], Any]:
    def get(row: Row, _reader: Reader) -> Any:
        value = row[name]
        return shown(value) if isinstance(value, datetime) else None if value is None else value

    return get


def word(name: str) -> Callable[[Row, Reader], str]:
    return lambda row, _reader: row[name].upper()


def document(name: str) -> Callable[[Row, Reader], Any]:
    return lambda row, _reader: json.loads(row[name])


def follow(table: str, column_name: str) -> Callable[[Row, Reader], Row | None]:
    return lambda row, reader: reader.one(table, row[column_name])


def sorted_rows(table: str, column_name: str, key: Callable[[Row], Any]) -> Callable[..., list[Row]]:
    def rows(row: Row, reader: Reader, first: int = 10**6) -> list[Row]:
        return sorted((one for one in reader.all(table) if one[column_name] == row["id"]), key=key)[:first]

    return rows


FIELDS: dict[str, dict[str, Callable[..., Any]]] = {
    "Query": {
        "application": lambda _, reader: reader.all("applications")[0],
        "platformConnections": living("connections"),
        "platformConnection": living_connection,
        "platformUsers": platform_users,
        "platformUser": lambda _, reader, id: reader.one("platform_users", id),  # noqa: A006
        "users": users,
        "user": lambda _, reader, id: kept_user(reader, id),  # noqa: A006
        "events": events,
        "event": lambda _, reader, id: reader.one("events", id),  # noqa: A006
        "provenance": provenance,
        "conversations": conversations,
        "conversation": lambda _, reader, id: conversation(reader, reader.one("platform_users", id)),  # noqa: A006
        "webhookSubscriptions": living("subscriptions"),
        "webhookSubscription": living_subscription,
        "webhookDelivery": delivery,
        "webhookDeliveries": deliveries,
        "eventSchemas": event_schemas,
        "eventSchema": event_schema,
        "logs": logs,
        "files": files,
        "file": lambda _, reader, id: reader.one("files", id),  # noqa: A006
        "suppressions": suppressions,
        "suppression": lambda _, reader, id: reader.one("suppressions", id),  # noqa: A006
    },
    "Application": {
        "id": column("id"),
        "name": column("name"),
        "slug": column("slug"),
        "config": document("config"),
        "createdAt": column("created_at"),
        "organisationId": column("organisation_id"),
        "platformConnections": living("connections"),
    },
    "PlatformConnection": {
        "id": column("id"),
        "platformName": word("channel"),
        "provider": column("provider"),
        "name": column("name"),
        "identifier": column("identifier"),
        "status": column("status"),
        "webhookUrl": lambda row, reader: (
            f"{reader.public_url}/webhooks/{account(row, reader)['webhook_id']}/********"
        ),
        "config": lambda row, reader: json.loads(account(row, reader)["config"]),
        "health": lambda row, _reader: row,
        "inDoubtPolicy": word("in_doubt_policy"),
        "accountId": column("account_id"),
        "createdAt": column("created_at"),
    },
    "ConnectionHealth": {
        "status": lambda row, _reader: row["health_status"] or "unknown",
        "message": column("health_message"),
        "lastCheckedAt": column("health_checked_at"),
    },
    "EventSchema": {
        "id": column("id"),
        "name": column("name"),
        "category": column("category"),
        "description": column("description"),
        "requiredFields": required_fields,
        "jsonSchema": document("json_schema"),
        "version": column("version"),
        "isBuiltIn": column("is_built_in"),
        "createdAt": column("created_at"),
        "updatedAt": column("updated_at"),
        "versions": versions,
    },
    "EventSchemaVersion": {
        "version": column("version"),
        "description": column("description"),
        "jsonSchema": document("json_schema"),
        "createdAt": column("created_at"),
    },
    "Log": {
        "id": column("id"),
        "createdAt": lambda row, _reader: shown(made_at(row)),
        "message": column("message"),
        "logLevel": column("level"),
        "logType": column("log_type"),
        "payload": lambda row, _reader: None if row["payload"] is None else json.loads(row["payload"]),
        "eventId": column("event_id"),
        "event": follow("events", "event_id"),
    },
    "PlatformUser": {
        "id": column("id"),
        "externalId": column("external_id"),
        "name": column("name"),
        "profilePictureUrl": column("profile_picture_url"),
        "user": follow("users", "user_id"),
        "platformConnection": follow("connections", "connection_id"),
        "platformConnectionId": column("connection_id"),
        "events": platform_user_events,
        "createdAt": column("created_at"),
    },
    "User": {
        "id": column("id"),
        "name": column("name"),
        "isSystemUser": column("is_system"),
        "createdAt": column("created_at"),
        "platformUsers": sorted_rows("platform_users", "user_id", person_key),
    },
    "Event": {
        "id": column("id"),
        "eventType": column("event_type"),
        "eventTypeId": lambda row, reader: str(uuid5(reader.tenant.application_id, row["event_type"])),
        "payload": payload,
        "status": status,
        "createdAt": lambda row, _reader: shown(made_at(row)),
        "processedAt": processed_at,
        "originEventId": column("origin_event_id"),
        "originEvent": follow("events", "origin_event_id"),
        "childEvents": child_events,
        "edges": sorted_rows("edges", "event_id", event_key),
        "sending": lambda event, reader: (
            reader.one("messages", event["id"]) if event["event_type"] == "message.outbound" else None
        ),
        "raw": raw,
    },
    "SendStatus": {
        "success": lambda message, _reader: message["state"] != 2,
        "externalMessageId": column("external_id"),
        "state": lambda message, _reader: MessageState(message["state"]).word,
        "error": lambda message, _reader: (
            json.loads(message["error"] or "{}") if message["state"] == 2 else None
        ),
    },
    "SendError": {
        "code": lambda error, _reader: error.get("code", "UNKNOWN"),
        "message": lambda error, _reader: error.get("message", "The message was not sent."),
    },
    "Edge": {
        "id": column("id"),
        "edgeType": column("edge_type"),
        "targetNodeType": word("target_type"),
        "targetNodeId": column("target_id"),
        "targetUser": lambda row, reader: (
            kept_user(reader, row["target_id"]) if row["target_type"] == "user" else None
        ),
        "targetPlatformUser": target("platform_user", "platform_users"),
        "targetEvent": target("event", "events"),
        "targetFile": target("file", "files"),
    },
    "File": {
        "id": column("id"),
        "filename": column("filename"),
        "mimeType": column("mime_type"),
        "size": column("size"),
        "url": lambda row, reader: file_link(reader, row["id"]) if row["state"] == "ready" else None,
        "createdAt": lambda row, _reader: shown(made_at(row)),
        "state": word("state"),
    },
    "Suppression": {
        "id": column("id"),
        "platformName": word("channel"),
        "address": column("address"),
        "reason": word("reason"),
        "since": lambda row, _reader: shown(made_at(row)),
        "event": lambda row, reader: reader.one("events", row["id"]),
    },
    "Provenance": {
        "nodes": lambda found, _reader: found["nodes"],
        "links": lambda found, _reader: found["links"],
        "isComplete": lambda _found, _reader: True,
    },
    "ProvenanceNode": {
        "event": lambda node, _reader: node["event"],
        "distance": lambda node, _reader: node["distance"],
    },
    "ProvenanceLink": {
        "fromEventId": lambda link, _reader: link["from"],
        "toEventId": lambda link, _reader: link["to"],
        "edgeType": lambda link, _reader: link["type"],
    },
    "Conversation": {
        "id": lambda row, _reader: row["person"]["id"],
        "platformUser": lambda row, _reader: row["person"],
        "platformConnection": lambda row, reader: reader.one("connections", row["person"]["connection_id"]),
        "participants": participants,
        "lastMessage": lambda row, _reader: row["latest"],
        "lastMessageAt": lambda row, _reader: shown(made_at(row["latest"])),
        "unreadCount": unread_count,
    },
    "RawBody": {
        "base64": lambda row, _reader: base64.b64encode(row["body"]).decode(),
        "size": lambda row, _reader: len(row["body"]),
        "headers": document("headers"),
    },
    "WebhookSubscription": {
        "id": column("id"),
        "name": column("name"),
        "targetUrl": column("target_url"),
        "eventPatterns": column("patterns"),
        "family": word("family"),
        "status": column("status"),
        "statusReason": column("status_reason"),
        "secret": lambda _row, _reader: None,
        "createdAt": column("created_at"),
    },
    "WebhookDelivery": {
        "id": column("id"),
        "subscriptionId": column("target_id"),
        "eventId": column("event_id"),
        "event": follow("events", "event_id"),
        "createdAt": lambda row, _reader: shown(made_at(row)),
        "state": column("shown_state"),
        "reason": column("reason"),
        "nextAttemptAt": column("due"),
        "finishedAt": column("finished_at"),
        "attempts": sorted_rows("attempts", "delivery_id", lambda row: row["number"]),
    },
    "DeliveryAttempt": {
        "number": column("number"),
        "result": column("result"),
        "startedAt": column("started_at"),
        "durationMs": column("duration_ms"),
        "statusCode": column("status_code"),
        "detail": column("detail"),
        "retryAt": column("retry_at"),
    },
    "PageInfo": {
        "hasNextPage": lambda page, _reader: page.has_next(),
        "hasPreviousPage": lambda page, _reader: page.has_previous(),
        "startCursor": lambda page, _reader: next((edge["cursor"] for edge in page.edges()), None),
        "endCursor": lambda page, _reader: next((edge["cursor"] for edge in page.edges()[::-1]), None),
    },
    **page_fields("Event"),
    "EventConnection": {
        **page_fields("Event")["EventConnection"],
        "feedCursor": lambda _page, reader: feed_cursor(reader),
    },
    **page_fields("User"),
    **page_fields("PlatformUser"),
    **page_fields("WebhookDelivery"),
    **page_fields("Conversation"),
    **page_fields("Log"),
    **page_fields("File"),
    **page_fields("Suppression"),
}


def _resolving(resolve: Callable[..., Any]) -> Callable[..., Any]:
    return lambda source, info, **given: resolve(source, info.context, **given)


def _reference_schema() -> Any:
    schema = load_schema()
    for type_name, fields in FIELDS.items():
        parent = schema.type_map[type_name]
        assert isinstance(parent, GraphQLObjectType)
        for name, field in parent.fields.items():
            field.resolve = _resolving(fields[name])
    uuid: Any = schema.type_map["UUID"]
    uuid.coerce_output_value = uuid.serialize = str
    return schema


SCHEMA = _reference_schema()
