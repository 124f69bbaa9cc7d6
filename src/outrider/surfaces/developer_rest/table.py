"""Every route of the developer REST, resource by resource."""

from typing import Any, Final

from outrider.surfaces.developer_rest import resources
from outrider.surfaces.developer_rest.batches import CREATE_EVENTS
from outrider.surfaces.developer_rest.parameters import CREATED, CURSOR, LIMIT, ORDER, Parameter, equal_to
from outrider.surfaces.developer_rest.routes import Route, acting, getting, listing

_PAGES: Final = (LIMIT, CURSOR, ORDER)
_MESSAGES: Final = ("message.inbound", "message.outbound")
_ID: Final = "0198a3c0-0a0b-7c0d-8e0f-102030405060"

_MESSAGE_FILTERS: Final = (
    equal_to("external_message_id", "externalMessageId", "String", "By the platform's id of the message."),
    equal_to(
        "recipient_external_id",
        "recipientExternalId",
        "String",
        "By how the platform calls the one whom it was sent to.",
    ),
)
_EDGE_FILTERS: Final = (
    Parameter(
        "edge_type",
        "String",
        "Only with an edge of this type; with `target_node_id`, one that is both.",
        ("filters", "hasEdge", "edgeType"),
    ),
    Parameter(
        "target_node_id",
        "UUID",
        "Only with an edge to this.",
        ("filters", "hasEdge", "targetNodeId", "equals"),
    ),
)
_STATUSES: Final = ("pending", "processing", "completed", "failed")


def _is_message(event: Any) -> bool:
    return event["event_type"] in _MESSAGES


EVENTS: Final = (
    acting(
        "POST",
        "/v1/events",
        "createEvent",
        resources.EVENT,
        tag="events",
        status=201,
        refusals=(409,),
        example={
            "event_type": "order.created",
            "payload": {"order_id": "order_8812", "total": 42.5},
            "edges": [{"edge_type": "placed_by", "target_node_type": "platform_user", "target_node_id": _ID}],
        },
    ),
    CREATE_EVENTS,
    listing(
        "/v1/events",
        "events",
        resources.EVENT,
        name="list_events",
        tag="events",
        parameters=(
            equal_to("event_type", "eventType", "String", "Exactly this type."),
            Parameter(
                "event_type_prefix",
                "String",
                "Types that begin so; `custom.` alone means every type of your own.",
                ("filters", "eventType", "startsWith"),
            ),
            *CREATED,
            *_EDGE_FILTERS,
            equal_to("origin_event_id", "originEventId", "UUID", "Only those that follow from this event."),
            *_MESSAGE_FILTERS,
            equal_to("status", "status", "String", "By how they stand.", words=_STATUSES),
            *_PAGES,
        ),
    ),
    getting("/v1/events/{id}", "event", resources.EVENT, name="get_event", tag="events"),
    getting(
        "/v1/events/{id}/provenance",
        "provenance",
        resources.PROVENANCE,
        name="get_event_provenance",
        tag="events",
        place="eventId",
        text=(
            "What led to an event and what followed from it, nearest first: origins, children, and edges between "
            "events in both directions. At most 200 events. Scope `events:read`."
        ),
        resource="Event",
        parameters=(
            Parameter(
                "depth",
                "Int",
                "How many steps to go.",
                ("depth",),
                bounds={"minimum": 1, "maximum": 5, "default": 3},
            ),
        ),
    ),
)

MESSAGES: Final = (
    acting(
        "POST",
        "/v1/messages",
        "sendMessage",
        resources.SENT_MESSAGE,
        tag="messages",
        status=201,
        refusals=(409,),
        example={
            "platform_connection_id": _ID,
            "to_external_id": "+14155551234",
            "message": "Your order is on its way.",
        },
    ),
    acting(
        "POST",
        "/v1/messages/batch",
        "sendMessages",
        resources.SENT_ANSWERS,
        tag="messages",
        renamed={"inputs": "messages"},
        example={
            "messages": [
                {"platform_connection_id": _ID, "to_external_id": "+14155551234", "message": "Hello."}
            ]
        },
    ),
    listing(
        "/v1/messages",
        "events",
        resources.MESSAGE,
        name="list_messages",
        tag="messages",
        fixed={"filters": {"eventType": {"in": list(_MESSAGES)}}},
        text="The messages, sent and received, newest first. Scope `events:read`.",
        parameters=(
            equal_to(
                "direction",
                "eventType",
                "String",
                "Only those that came in, or only those that were sent.",
                words=("inbound", "outbound"),
                convert=lambda word: f"message.{word}",
            ),
            *CREATED,
            *_MESSAGE_FILTERS,
            *_PAGES,
        ),
    ),
    getting(
        "/v1/messages/{id}",
        "event",
        resources.MESSAGE,
        name="get_message",
        tag="messages",
        text="One message as it stands now. Scope `events:read`.",
        is_meant=_is_message,
    ),
    acting(
        "POST",
        "/v1/messages/{id}/cancel",
        "cancelMessage",
        resources.SENT_MESSAGE,
        tag="messages",
        refusals=(409,),
    ),
    acting(
        "POST",
        "/v1/messages/{id}/resend",
        "resendMessage",
        resources.SENT_MESSAGE,
        tag="messages",
        status=201,
        refusals=(409,),
    ),
    acting(
        "POST",
        "/v1/messages/{id}/resolve",
        "resolveMessage",
        resources.SENT_MESSAGE,
        tag="messages",
        refusals=(409,),
        example={"outcome": "sent", "external_message_id": "wamid.xyz"},
    ),
)

LINK_CODES: Final = (
    acting(
        "POST",
        "/v1/link-codes",
        "generateLinkCode",
        resources.LINK_CODE,
        tag="link codes",
        status=201,
        example={"platform_user_id": _ID, "expiry_minutes": 15, "max_uses": 1},
    ),
    acting(
        "POST",
        "/v1/link-codes/activate",
        "activateLinkCode",
        resources.LINK_CODE_ACTIVATION,
        tag="link codes",
        refusals=(410,),
        example={"code": "1234-5678-9012-5924", "platform_user_id": _ID},
    ),
)

USERS: Final = (
    listing(
        "/v1/users",
        "users",
        resources.USER,
        name="list_users",
        tag="users",
        parameters=(
            Parameter(
                "is_system_user",
                "Boolean",
                "Only the application's own side of connections, or only others.",
                ("filters", "isSystemUser"),
            ),
            *CREATED,
            *_PAGES,
        ),
    ),
    getting("/v1/users/{id}", "user", resources.USER, name="get_user", tag="users"),
    acting(
        "POST",
        "/v1/users",
        "createUser",
        resources.USER,
        tag="users",
        status=201,
        example={"name": "Ada Lovelace"},
    ),
    acting(
        "PATCH",
        "/v1/users/{id}",
        "updateUser",
        resources.USER,
        tag="users",
        required=("name",),
        example={"name": "Ada Lovelace"},
    ),
    acting(
        "POST",
        "/v1/users/merge",
        "mergeUsers",
        resources.USER_MERGE,
        tag="users",
        example={"source_user_id": _ID, "target_user_id": "0198a3c0-0a0b-7c0d-8e0f-102030405061"},
    ),
    listing(
        "/v1/platform-users",
        "platformUsers",
        resources.PLATFORM_USER,
        name="list_platform_users",
        tag="platform users",
        parameters=(
            Parameter(
                "platform_connection_id", "UUID", "Only those of this connection.", ("platformConnectionId",)
            ),
            equal_to("external_id", "externalId", "String", "By how the platform calls them."),
            equal_to("user_id", "userId", "UUID", "By the person."),
            *CREATED,
            *_PAGES,
        ),
    ),
    getting(
        "/v1/platform-users/{id}",
        "platformUser",
        resources.PLATFORM_USER,
        name="get_platform_user",
        tag="platform users",
    ),
    acting(
        "POST",
        "/v1/platform-users",
        "createPlatformUser",
        resources.PLATFORM_USER,
        tag="platform users",
        status=201,
        refusals=(409,),
        example={"platform_connection_id": _ID, "external_id": "+14155551234", "name": "Ada"},
    ),
)

CONVERSATIONS: Final = (
    listing(
        "/v1/conversations",
        "conversations",
        resources.CONVERSATION,
        name="list_conversations",
        tag="conversations",
        parameters=(
            Parameter(
                "platform_connection_id", "UUID", "Only those of this connection.", ("platformConnectionId",)
            ),
            LIMIT,
            CURSOR,
        ),
    ),
    getting(
        "/v1/conversations/{id}",
        "conversation",
        resources.CONVERSATION,
        name="get_conversation",
        tag="conversations",
        text="The conversation with one platform user who has ever written. Scope `events:read`.",
    ),
    acting(
        "POST",
        "/v1/conversations/{id}/read",
        "markConversationRead",
        resources.CONVERSATION,
        tag="conversations",
        example={"up_to_event_id": _ID},
    ),
)

CONNECTIONS: Final = (
    listing(
        "/v1/platform-connections",
        "platformConnections",
        resources.CONNECTION,
        name="list_platform_connections",
        tag="platform connections",
    ),
    getting(
        "/v1/platform-connections/{id}",
        "platformConnection",
        resources.CONNECTION,
        name="get_platform_connection",
        tag="platform connections",
    ),
    acting(
        "POST",
        "/v1/platform-connections",
        "createPlatformConnection",
        resources.CONNECTION,
        tag="platform connections",
        status=201,
        refusals=(409, 502),
        example={"platform_name": "telegram", "name": "Support", "config": {"bot_token": "123456:ABC"}},
    ),
    acting(
        "PATCH",
        "/v1/platform-connections/{id}",
        "updatePlatformConnection",
        resources.CONNECTION,
        tag="platform connections",
        refusals=(409, 502),
        example={"name": "Support", "status": "disabled"},
    ),
    acting(
        "DELETE",
        "/v1/platform-connections/{id}",
        "deletePlatformConnection",
        None,
        tag="platform connections",
        status=204,
    ),
    acting(
        "POST",
        "/v1/platform-connections/{id}/test",
        "testPlatformConnection",
        resources.CONNECTION_TEST,
        tag="platform connections",
        refusals=(502,),
    ),
)

APPLICATION: Final = (
    getting(
        "/v1/application", "application", resources.APPLICATION, name="get_application", tag="application"
    ),
    acting(
        "PATCH",
        "/v1/application",
        "updateApplication",
        resources.APPLICATION,
        tag="application",
        example={"config": {"auto_mark_read": "on_received"}},
    ),
)

_BY_ID: Final = "/v1/webhook-subscriptions/{id}"
WEBHOOKS: Final = (
    listing(
        "/v1/webhook-subscriptions",
        "webhookSubscriptions",
        resources.SUBSCRIPTION,
        name="list_webhook_subscriptions",
        tag="webhook subscriptions",
    ),
    getting(
        _BY_ID,
        "webhookSubscription",
        resources.SUBSCRIPTION,
        name="get_webhook_subscription",
        tag="webhook subscriptions",
    ),
    acting(
        "POST",
        "/v1/webhook-subscriptions",
        "createWebhookSubscription",
        resources.SUBSCRIPTION,
        tag="webhook subscriptions",
        status=201,
        example={
            "name": "Orders",
            "target_url": "https://example.com/webhooks/outrider",
            "event_patterns": ["message.*", "order.created"],
            "secret": "my-webhook-secret-32chars-minimum",
        },
    ),
    acting(
        "PATCH",
        _BY_ID,
        "updateWebhookSubscription",
        resources.SUBSCRIPTION,
        tag="webhook subscriptions",
        example={"event_patterns": ["message.inbound"]},
    ),
    acting("DELETE", _BY_ID, "deleteWebhookSubscription", None, tag="webhook subscriptions", status=204),
    *(
        acting(
            "POST",
            f"{_BY_ID}/{what}",
            f"{what}WebhookSubscription",
            resources.SUBSCRIPTION,
            tag="webhook subscriptions",
        )
        for what in ("pause", "resume")
    ),
    acting(
        "POST",
        f"{_BY_ID}/rotate-secret",
        "rotateWebhookSubscriptionSecret",
        resources.SUBSCRIPTION,
        tag="webhook subscriptions",
        example={"secret": "another-webhook-secret-of-32-characters"},
    ),
    acting(
        "POST",
        f"{_BY_ID}/test",
        "testWebhookSubscription",
        resources.DELIVERY,
        tag="webhook subscriptions",
    ),
    listing(
        "/v1/webhook-deliveries",
        "webhookDeliveries",
        resources.DELIVERY,
        name="list_webhook_deliveries",
        tag="webhook deliveries",
        parameters=(
            Parameter("subscription_id", "UUID", "Only those to this subscription.", ("subscriptionId",)),
            Parameter("event_id", "UUID", "Only those of this event.", ("eventId",)),
            Parameter("state", "WebhookDeliveryState", "Only those in this state.", ("state",)),
            *_PAGES,
        ),
    ),
    getting(
        "/v1/webhook-deliveries/{id}",
        "webhookDelivery",
        resources.DELIVERY,
        name="get_webhook_delivery",
        tag="webhook deliveries",
    ),
    acting(
        "POST",
        "/v1/webhook-deliveries/{id}/retry",
        "retryWebhookDelivery",
        resources.DELIVERY,
        tag="webhook deliveries",
        refusals=(409,),
    ),
)

EVENT_SCHEMAS: Final = (
    listing(
        "/v1/event-schemas",
        "eventSchemas",
        resources.EVENT_SCHEMA,
        name="list_event_schemas",
        tag="event schemas",
    ),
    getting(
        "/v1/event-schemas/{id}",
        "eventSchema",
        resources.EVENT_SCHEMA_HISTORY,
        name="get_event_schema",
        tag="event schemas",
        resource="EventSchema",
    ),
    acting(
        "POST",
        "/v1/event-schemas",
        "createEventSchema",
        resources.EVENT_SCHEMA,
        tag="event schemas",
        status=201,
        refusals=(409,),
        example={
            "name": "order.created",
            "json_schema": {
                "type": "object",
                "required": ["order_id"],
                "properties": {"order_id": {"type": "string"}},
            },
        },
    ),
    acting(
        "PATCH",
        "/v1/event-schemas/{id}",
        "updateEventSchema",
        resources.EVENT_SCHEMA,
        tag="event schemas",
        without=("name",),
        example={"description": "An order was placed."},
    ),
)

LOGS: Final = (
    listing(
        "/v1/logs",
        "logs",
        resources.LOG,
        name="list_logs",
        tag="logs",
        parameters=(
            Parameter("event_id", "UUID", "Only those about this event.", ("eventId",)),
            equal_to(
                "log_level",
                "logLevel",
                "String",
                "Only those of this level.",
                words=("debug", "info", "warning", "error", "critical"),
            ),
            equal_to("log_type", "logType", "String", "Only those of this kind."),
            *CREATED,
            *_PAGES,
        ),
    ),
    acting(
        "POST",
        "/v1/logs",
        "createLog",
        resources.LOG,
        tag="logs",
        status=201,
        example={"message": "Looked the order up.", "log_level": "info", "payload": {"duration_ms": 12}},
    ),
)

ROUTES: Final[tuple[Route, ...]] = (
    *EVENTS,
    *MESSAGES,
    *LINK_CODES,
    *USERS,
    *CONVERSATIONS,
    *CONNECTIONS,
    *APPLICATION,
    *WEBHOOKS,
    *EVENT_SCHEMAS,
    *LOGS,
)
