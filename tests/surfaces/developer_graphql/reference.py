"""The same schema served the obvious way: graphql-core's executor over rows in memory.

It is written from the schema's descriptions, with no look at the compiler.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from graphql import GraphQLObjectType, execute, parse

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
    size: int
    after: str | None
    mark: bytes
    is_ascending: bool = False

    def rest(self) -> list[Row]:
        if self.after is None:
            return self.rows
        start = base64.urlsafe_b64decode(self.after)
        keys = [base64.urlsafe_b64decode(cursor(self.mark, row)) for row in self.rows]
        return [
            row
            for key, row in zip(keys, self.rows, strict=True)
            if (key > start if self.is_ascending else key < start)
        ]

    def edges(self) -> list[Any]:
        return [{"node": row, "cursor": cursor(self.mark, row)} for row in self.rest()[: self.size]]


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


# Filters.


def text_matches(value: str, condition: Row) -> bool:
    checks = {
        "equals": lambda wanted: value == wanted,
        "contains": lambda wanted: wanted in value,
        "in": lambda wanted: value in wanted,
        "startsWith": lambda wanted: is_own(value) if wanted == "custom." else value.startswith(wanted),
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


def edge_matches(edge: Row, condition: Row) -> bool:
    wanted = (condition.get("targetNodeId") or {}).get("equals")
    return (condition.get("edgeType") in {None, edge["edge_type"]}) and (wanted in {None, edge["target_id"]})


def event_matches(reader: Reader, event: Row, filters: Row) -> bool:
    return all(condition_holds(reader, event, name, one) for name, one in filters.items() if one is not None)


def condition_holds(reader: Reader, event: Row, name: str, condition: Any) -> bool:
    match name:
        case "eventType":
            return text_matches(event["event_type"], condition)
        case "createdAt":
            return moment_matches(made_at(event), condition)
        case "hasEdge":
            return any(
                edge_matches(edge, condition)
                for edge in reader.all("edges")
                if edge["event_id"] == event["id"]
            )
        case "or":
            return any(event_matches(reader, event, part) for part in condition)
        case "and":
            return all(event_matches(reader, event, part) for part in condition)
        case _:
            return not event_matches(reader, event, condition)


# Top-level fields.


def events(_: object, reader: Reader, **given: Any) -> Page:
    rows = [row for row in reader.all("events") if event_matches(reader, row, given.get("filters") or {})]
    order = given.get("orderBy") or {"direction": "DESC"}
    is_ascending = order["direction"] == "ASC"
    rows.sort(key=event_key, reverse=not is_ascending)
    return Page(rows, given.get("first") or 20, given.get("after"), b"E1", is_ascending)


def users(_: object, reader: Reader, **given: Any) -> Page:
    wanted = (given.get("filters") or {}).get("isSystemUser")
    rows = [row for row in reader.all("users") if wanted in {None, row["is_system"]}]
    rows.sort(key=person_key, reverse=True)
    return Page(rows, given.get("first") or 20, given.get("after"), b"U1\0")


def platform_users(_: object, reader: Reader, **given: Any) -> Page:
    wanted = given.get("platformConnectionId")
    rows = [row for row in reader.all("platform_users") if wanted in {None, row["connection_id"]}]
    rows.sort(key=person_key, reverse=True)
    return Page(rows, given.get("first") or 20, given.get("after"), b"P1\0")


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
    rows += [{**row, "shown_state": row["state"].upper(), "due": None} for row in reader.all("deliveries")]
    rows = [
        row
        for row in rows
        if given.get("subscriptionId") in {None, row["target_id"]}
        and given.get("state") in {None, row["shown_state"]}
    ]
    rows.sort(key=event_key, reverse=True)
    return Page(rows, given.get("first") or 20, given.get("after"), b"D1")


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


# Events.


def payload(event: Row, reader: Reader) -> Any:
    stored = json.loads(event["payload"])
    message = reader.one("messages", event["id"])
    if event["event_type"] != "message.outbound" or message is None:
        return stored
    times = {name: shown(message[name]) for name in ("sent_at", "delivered_at", "read_at", "failed_at")}
    return {**stored, "external_message_id": message["external_id"], **times}


def work_of(reader: Reader, event: Row) -> tuple[list[Row], list[Row], bool]:
    queued = [row for row in reader.all("delivery_queue") if row["event_id"] == event["id"]]
    ended = [row for row in reader.all("deliveries") if row["event_id"] == event["id"]]
    return queued, ended, any(row["event_id"] == event["id"] for row in reader.all("fan_outs"))


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
        "user": lambda _, reader, id: reader.one("users", id),  # noqa: A006
        "events": events,
        "event": lambda _, reader, id: reader.one("events", id),  # noqa: A006
        "webhookSubscriptions": living("subscriptions"),
        "webhookDeliveries": deliveries,
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
        "inDoubtPolicy": word("in_doubt_policy"),
        "accountId": column("account_id"),
        "createdAt": column("created_at"),
    },
    "PlatformUser": {
        "id": column("id"),
        "externalId": column("external_id"),
        "name": column("name"),
        "profilePictureUrl": column("profile_picture_url"),
        "user": follow("users", "user_id"),
        "platformConnection": follow("connections", "connection_id"),
        "platformConnectionId": column("connection_id"),
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
        "payload": payload,
        "status": status,
        "createdAt": lambda row, _reader: shown(made_at(row)),
        "processedAt": processed_at,
        "originEventId": column("origin_event_id"),
        "originEvent": follow("events", "origin_event_id"),
        "childEvents": child_events,
        "edges": sorted_rows("edges", "event_id", event_key),
        "raw": raw,
    },
    "Edge": {
        "id": column("id"),
        "edgeType": column("edge_type"),
        "targetNodeType": word("target_type"),
        "targetNodeId": column("target_id"),
        "targetUser": target("user", "users"),
        "targetPlatformUser": target("platform_user", "platform_users"),
        "targetEvent": target("event", "events"),
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
        "hasNextPage": lambda page, _reader: len(page.rest()) > page.size,
        "hasPreviousPage": lambda page, _reader: page.after is not None,
        "startCursor": lambda page, _reader: next((edge["cursor"] for edge in page.edges()), None),
        "endCursor": lambda page, _reader: next((edge["cursor"] for edge in page.edges()[::-1]), None),
    },
    **page_fields("Event"),
    **page_fields("User"),
    **page_fields("PlatformUser"),
    **page_fields("WebhookDelivery"),
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
