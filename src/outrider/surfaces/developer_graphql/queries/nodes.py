"""How each field of each type is written as JSON text, given the alias of its row."""

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from outrider.events.values import MessageState
from outrider.messaging.values import OUTBOUND
from outrider.platforms.config import MASK
from outrider.surfaces.developer_graphql.queries import created, event_lists, events, lists
from outrider.surfaces.developer_graphql.queries.compiling import Compiling, Emit, Fields
from outrider.surfaces.developer_graphql.queries.conversations import CONVERSATION_FIELDS
from outrider.surfaces.developer_graphql.queries.event_schemas import EVENT_SCHEMA, EVENT_SCHEMA_VERSION
from outrider.surfaces.developer_graphql.queries.nested_pages import nested_page
from outrider.surfaces.developer_graphql.queries.texts import (
    Sql,
    Text,
    escaped,
    file_url,
    joined,
    json,
    moment,
    optional,
    optional_id,
    optional_json,
    optional_moment,
    plain,
    type_id,
)
from outrider.surfaces.developer_graphql.queries.windows import page_weight
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.actors import Scope

_NEWEST_LAST: Final = "{row}.created_at, {row}.id"
_STATES: Final = ", ".join(f"'{state.word}'" for state in MessageState)


def _column(write: Callable[[str], Text], column: str) -> Emit:
    return lambda _compiling, row, _selected: write(f"{row}.{column}")


def _expression(write: Callable[[str], Text], expression: str) -> Emit:
    return lambda _compiling, row, _selected: write(expression.replace("{row}", row))


def _one(type_name: str, table: str, condition: str, *, only_if: str | None = None) -> Emit:
    """Follow an id to its row; `{from}` stands for the row that holds it."""

    def emit(compiling: Compiling, row: str, selected: Selected) -> Text:
        found = compiling.one(type_name, table, condition.replace("{from}", row), selected)
        if only_if is None:
            return found
        return [Sql(f"case when {row}.{only_if} then {joined(found)} else 'null' end")]

    return emit


def _many(type_name: str, table: str, condition: str, *, order: str) -> Emit:
    def emit(compiling: Compiling, row: str, selected: Selected) -> Text:
        return compiling.many(type_name, table, condition.replace("{from}", row), selected, order=order)

    return emit


def _scoped(scope: Scope, emit: Emit) -> Emit:
    def checked(compiling: Compiling, row: str, selected: Selected) -> Text:
        compiling.require(scope)
        return emit(compiling, row, selected)

    return checked


def _user_platform_users(compiling: Compiling, row: str, selected: Selected) -> Text:
    return compiling.many(
        "PlatformUser",
        "platform_users",
        f"{{row}}.user_id = {row}.id",
        selected,
        order=_NEWEST_LAST,
        first=compiling.first("User", selected),
    )


def user(compiling: Compiling, user_id: str, selected: Selected) -> Text:
    """Write a user, given an expression for the id; who was absorbed is shown as the user who was kept."""
    absorbed = compiling.statement.alias("u")
    kept = compiling.statement.scan("users", absorbed, f"{absorbed}.id = {user_id}")
    condition = f"{{row}}.id = coalesce((select {absorbed}.merged_into_id {kept}), {user_id})"
    return compiling.one("User", "users", condition, selected)


def delivery(compiling: Compiling, delivery_id: str, selected: Selected) -> Text:
    """Write a delivery, waiting or ended, given an expression for its id, or null."""
    row = compiling.statement.alias("w")
    body = joined(compiling.written("WebhookDelivery", row, selected))
    rows = lists.delivery_rows(compiling.statement, [f"{{row}}.id = {delivery_id}"])
    return [Sql(f"coalesce((select {body} from ({rows}) {row} limit 1), 'null')")]  # noqa: S608


def _target_user(compiling: Compiling, row: str, selected: Selected) -> Text:
    found = joined(user(compiling, f"{row}.target_id", selected))
    return [Sql(f"case when {row}.target_type = 'user' then {found} else 'null' end")]


def _platform_user_events(compiling: Compiling, row: str, selected: Selected) -> Text:
    given = compiling.arguments("PlatformUser", selected)
    source = event_lists.events_around(compiling, given, f"{row}.id")
    return nested_page(compiling, source, "Event", page_weight(given), selected)


def _file_url(_compiling: Compiling, row: str, _selected: Selected) -> Text:
    return [Sql(f"case when {row}.state = 'ready' then {joined(file_url(f'{row}.id'))} else 'null' end")]


def _child_events(compiling: Compiling, row: str, selected: Selected) -> Text:
    return compiling.many(
        "Event",
        "events",
        f"{{row}}.origin_event_id = {row}.id and {{row}}.id > {row}.id",
        selected,
        order="{row}.id",
        first=compiling.first("Event", selected),
    )


def _account(compiling: Compiling, row: str, expression: str) -> Sql:
    account = compiling.statement.alias("a")
    scan = compiling.statement.scan("accounts", account, f"{account}.id = {row}.account_id")
    return Sql(f"(select {expression.replace('{row}', account)} {scan})")


def _config(compiling: Compiling, row: str, _selected: Selected) -> Text:
    return [_account(compiling, row, "{row}.config::text")]


def _webhook_url(compiling: Compiling, row: str, _selected: Selected) -> Text:
    start = orjson.dumps(f"{compiling.public_url}/webhooks/").decode()[:-1]
    masked: Text = [start, _account(compiling, row, "{row}.webhook_id::text"), f'/{MASK}"']
    if not compiling.is_created:
        return masked
    told = compiling.statement.created("webhook_url", "text")
    return [Sql(f"coalesce(to_json({told})::text, {joined(masked)})")]


def _health(compiling: Compiling, row: str, selected: Selected) -> Text:
    return compiling.written("ConnectionHealth", row, selected)


def _send_error(compiling: Compiling, row: str, selected: Selected) -> Text:
    found = joined(compiling.written("SendError", row, selected))
    return [Sql(f"case when {row}.state = {MessageState.FAILED.value} then {found} else 'null' end")]


def _secret(compiling: Compiling, _row: str, _selected: Selected) -> Text:
    if not compiling.is_created:
        return ["null"]
    return optional(compiling.statement.created("secret", "text"))


_CONNECTION: Final[Fields] = {
    "id": _column(plain, "id"),
    "platformName": _expression(plain, "upper({row}.channel)"),
    "provider": _column(escaped, "provider"),
    "name": _column(escaped, "name"),
    "identifier": _column(escaped, "identifier"),
    "status": _column(plain, "status"),
    "webhookUrl": _webhook_url,
    "config": _config,
    "health": _health,
    "inDoubtPolicy": _expression(plain, "upper({row}.in_doubt_policy)"),
    "accountId": _column(plain, "account_id"),
    "createdAt": _column(moment, "created_at"),
}

_HEALTH: Final[Fields] = {
    "status": _expression(plain, "coalesce({row}.health_status, 'unknown')"),
    "message": _column(optional, "health_message"),
    "lastCheckedAt": _column(optional_moment, "health_checked_at"),
}

_APPLICATION: Final[Fields] = {
    "id": _column(plain, "id"),
    "name": _column(escaped, "name"),
    "slug": _column(escaped, "slug"),
    "config": _column(json, "config"),
    "createdAt": _column(moment, "created_at"),
    "organisationId": _column(plain, "organisation_id"),
    "platformConnections": _many(
        "PlatformConnection", "connections", "{row}.status <> 'deleted'", order=_NEWEST_LAST
    ),
}

_PLATFORM_USER: Final[Fields] = {
    "id": _column(plain, "id"),
    "externalId": _column(escaped, "external_id"),
    "name": _column(optional, "name"),
    "profilePictureUrl": _column(optional, "profile_picture_url"),
    "user": _one("User", "users", "{row}.id = {from}.user_id"),
    "platformConnection": _scoped(
        Scope.EVENTS_READ, _one("PlatformConnection", "connections", "{row}.id = {from}.connection_id")
    ),
    "platformConnectionId": _column(plain, "connection_id"),
    "events": _platform_user_events,
    "createdAt": _column(moment, "created_at"),
}

_USER: Final[Fields] = {
    "id": _column(plain, "id"),
    "name": _column(optional, "name"),
    "isSystemUser": _column(json, "is_system"),
    "createdAt": _column(moment, "created_at"),
    "platformUsers": _scoped(Scope.USERS_READ, _user_platform_users),
}

_EVENT: Final[Fields] = {
    "id": _column(plain, "id"),
    "eventType": _column(plain, "event_type"),
    "eventTypeId": _column(type_id, "event_type"),
    "payload": events.payload,
    "status": events.status,
    "createdAt": _expression(moment, "uuid_extract_timestamp({row}.id)"),
    "processedAt": events.processed_at,
    "originEventId": _column(optional_id, "origin_event_id"),
    "originEvent": _one("Event", "events", "{row}.id = {from}.origin_event_id"),
    "childEvents": _child_events,
    "edges": _many("Edge", "edges", "{row}.event_id = {from}.id", order="{row}.id"),
    "sending": _one("SendStatus", "messages", "{row}.id = {from}.id", only_if=f"event_type = '{OUTBOUND}'"),
    "raw": _scoped(Scope.ALL, _one("RawBody", "raw_bodies", "{row}.event_id = {from}.id")),
}

_SEND_STATUS: Final[Fields] = {
    "success": _expression(json, f"({{row}}.state <> {MessageState.FAILED.value})"),
    "externalMessageId": _column(optional, "external_id"),
    "state": _expression(plain, f"(array[{_STATES}])[{{row}}.state + 1]"),
    "error": _send_error,
}

_SEND_ERROR: Final[Fields] = {
    "code": _expression(escaped, "coalesce({row}.error->>'code', 'UNKNOWN')"),
    "message": _expression(escaped, "coalesce({row}.error->>'message', 'The message was not sent.')"),
}

_EDGE: Final[Fields] = {
    "id": _column(plain, "id"),
    "edgeType": _column(escaped, "edge_type"),
    "targetNodeType": _expression(plain, "upper({row}.target_type)"),
    "targetNodeId": _column(plain, "target_id"),
    "targetUser": _target_user,
    "targetPlatformUser": _one(
        "PlatformUser",
        "platform_users",
        "{row}.id = {from}.target_id",
        only_if="target_type = 'platform_user'",
    ),
    "targetFile": _one("File", "files", "{row}.id = {from}.target_id", only_if="target_type = 'file'"),
    "targetEvent": _one("Event", "events", "{row}.id = {from}.target_id", only_if="target_type = 'event'"),
}

_FILE: Final[Fields] = {
    "id": _column(plain, "id"),
    "filename": _column(escaped, "filename"),
    "mimeType": _column(escaped, "mime_type"),
    "size": _column(optional_json, "size"),
    "url": _file_url,
    "createdAt": _expression(moment, "uuid_extract_timestamp({row}.id)"),
    "state": _expression(plain, "upper({row}.state)"),
}

_SUPPRESSION: Final[Fields] = {
    "id": _column(plain, "id"),
    "platformName": _expression(plain, "upper({row}.channel)"),
    "address": _column(escaped, "address"),
    "reason": _expression(plain, "upper({row}.reason)"),
    "since": _expression(moment, "uuid_extract_timestamp({row}.id)"),
    "event": _one("Event", "events", "{row}.id = {from}.id"),
}

_RAW_BODY: Final[Fields] = {
    # encode() breaks its lines as mail does
    "base64": _expression(plain, "translate(encode({row}.body, 'base64'), E'\\n', '')"),
    "size": _expression(json, "length({row}.body)"),
    "headers": _column(json, "headers"),
}

_SUBSCRIPTION: Final[Fields] = {
    "id": _column(plain, "id"),
    "name": _column(escaped, "name"),
    "targetUrl": _column(escaped, "target_url"),
    "eventPatterns": _expression(json, "array_to_json({row}.patterns)"),
    "family": _expression(plain, "upper({row}.family)"),
    "status": _column(plain, "status"),
    "statusReason": _column(optional, "status_reason"),
    "secret": _secret,
    "createdAt": _column(moment, "created_at"),
}

_DELIVERY: Final[Fields] = {
    "id": _column(plain, "id"),
    "subscriptionId": _column(plain, "target_id"),
    "eventId": _column(plain, "event_id"),
    "event": _one("Event", "events", "{row}.id = {from}.event_id"),
    "createdAt": _expression(moment, "uuid_extract_timestamp({row}.id)"),
    "state": _column(plain, "state"),
    "reason": _column(optional, "reason"),
    "nextAttemptAt": _column(optional_moment, "due_at"),
    "finishedAt": _column(optional_moment, "finished_at"),
    "attempts": _many("DeliveryAttempt", "attempts", "{row}.delivery_id = {from}.id", order="{row}.number"),
}

_ATTEMPT: Final[Fields] = {
    "number": _column(json, "number"),
    "result": _column(escaped, "result"),
    "startedAt": _column(moment, "started_at"),
    "durationMs": _column(json, "duration_ms"),
    "statusCode": _column(optional_json, "status_code"),
    "detail": _column(optional, "detail"),
    "retryAt": _column(optional_moment, "retry_at"),
}

_LOG: Final[Fields] = {
    "id": _column(plain, "id"),
    "createdAt": _expression(moment, "uuid_extract_timestamp({row}.id)"),
    "message": _column(escaped, "message"),
    "logLevel": _column(plain, "level"),
    "logType": _column(escaped, "log_type"),
    "payload": _column(optional_json, "payload"),
    "eventId": _column(optional_id, "event_id"),
    "event": _scoped(Scope.EVENTS_READ, _one("Event", "events", "{row}.id = {from}.event_id")),
}

FIELDS: Final[Mapping[str, Fields]] = {
    "Application": _APPLICATION,
    "ConnectionHealth": _HEALTH,
    "EventSchema": EVENT_SCHEMA,
    "EventSchemaVersion": EVENT_SCHEMA_VERSION,
    "LinkCode": created.LINK_CODE,
    "LinkCodeActivation": created.LINK_CODE_ACTIVATION,
    "UserMerge": created.USER_MERGE,
    "Log": _LOG,
    "PlatformConnection": _CONNECTION,
    "PlatformUser": _PLATFORM_USER,
    "User": _USER,
    "Event": _EVENT,
    "Conversation": CONVERSATION_FIELDS,
    "Edge": _EDGE,
    "SendStatus": _SEND_STATUS,
    "SendError": _SEND_ERROR,
    "File": _FILE,
    "RawBody": _RAW_BODY,
    "Suppression": _SUPPRESSION,
    "WebhookSubscription": _SUBSCRIPTION,
    "WebhookDelivery": _DELIVERY,
    "DeliveryAttempt": _ATTEMPT,
}
