"""Events, messages and conversations; schemas and log entries beside them."""

from typing import Any, Final

from outrider.surfaces.developer_rest import resources
from outrider.surfaces.developer_rest.batches import CREATE_EVENTS
from outrider.surfaces.developer_rest.parameters import CREATED, PAGES, Parameter, between, equal_to
from outrider.surfaces.developer_rest.route_kinds import Acting, Getting, Listing

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
    Acting(
        path="/v1/events",
        field="createEvent",
        shape=resources.EVENT,
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
    Listing(
        path="/v1/events",
        field="events",
        shape=resources.EVENT,
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
            *PAGES,
        ),
    ),
    Getting(
        path="/v1/events/{id}",
        field="event",
        shape=resources.EVENT,
        name="get_event",
        tag="events",
    ),
    Getting(
        path="/v1/events/{id}/provenance",
        field="provenance",
        shape=resources.PROVENANCE,
        name="get_event_provenance",
        tag="events",
        argument="eventId",
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
    Acting(
        path="/v1/messages",
        field="sendMessage",
        shape=resources.SENT_MESSAGE,
        tag="messages",
        status=201,
        refusals=(409,),
        example={
            "platform_connection_id": _ID,
            "to_external_id": "+14155551234",
            "message": "Your order is on its way.",
        },
    ),
    Acting(
        path="/v1/messages/batch",
        field="sendMessages",
        shape=resources.SENT_ANSWERS,
        tag="messages",
        renamed={"inputs": "messages"},
        is_batch=True,
        example={
            "messages": [
                {"platform_connection_id": _ID, "to_external_id": "+14155551234", "message": "Hello."}
            ]
        },
    ),
    Listing(
        path="/v1/messages",
        field="events",
        shape=resources.MESSAGE,
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
                convert="message.{}".format,
            ),
            *CREATED,
            *_MESSAGE_FILTERS,
            *PAGES,
        ),
    ),
    Getting(
        path="/v1/messages/{id}",
        field="event",
        shape=resources.MESSAGE,
        name="get_message",
        tag="messages",
        text="One message as it stands now. Scope `events:read`.",
        is_meant=_is_message,
    ),
    Acting(
        path="/v1/messages/{id}/cancel",
        field="cancelMessage",
        shape=resources.SENT_MESSAGE,
        tag="messages",
        refusals=(409,),
    ),
    Acting(
        path="/v1/messages/{id}/resend",
        field="resendMessage",
        shape=resources.SENT_MESSAGE,
        tag="messages",
        status=201,
        refusals=(409,),
    ),
    Acting(
        path="/v1/messages/{id}/resolve",
        field="resolveMessage",
        shape=resources.SENT_MESSAGE,
        tag="messages",
        refusals=(409,),
        example={"outcome": "sent", "external_message_id": "wamid.xyz"},
    ),
)

CONVERSATIONS: Final = (
    Listing(
        path="/v1/conversations",
        field="conversations",
        shape=resources.CONVERSATION,
        name="list_conversations",
        tag="conversations",
        parameters=(
            Parameter(
                "platform_connection_id", "UUID", "Only those of this connection.", ("platformConnectionId",)
            ),
            *between("last_message", "lastMessageAt"),
            *PAGES,
        ),
    ),
    Getting(
        path="/v1/conversations/{id}",
        field="conversation",
        shape=resources.CONVERSATION,
        name="get_conversation",
        tag="conversations",
        text="The conversation with one platform user who has ever written. Scope `events:read`.",
    ),
    Acting(
        path="/v1/conversations/{id}/read",
        field="markConversationRead",
        shape=resources.CONVERSATION,
        tag="conversations",
        example={"up_to_event_id": _ID},
    ),
)

EVENT_SCHEMAS: Final = (
    Listing(
        path="/v1/event-schemas",
        field="eventSchemas",
        shape=resources.EVENT_SCHEMA,
        name="list_event_schemas",
        tag="event schemas",
    ),
    Getting(
        path="/v1/event-schemas/{id}",
        field="eventSchema",
        shape=resources.EVENT_SCHEMA_HISTORY,
        name="get_event_schema",
        tag="event schemas",
        resource="EventSchema",
    ),
    Acting(
        path="/v1/event-schemas",
        field="createEventSchema",
        shape=resources.EVENT_SCHEMA,
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
    Acting(
        method="PATCH",
        path="/v1/event-schemas/{id}",
        field="updateEventSchema",
        shape=resources.EVENT_SCHEMA,
        tag="event schemas",
        without=("name",),
        example={"description": "An order was placed."},
    ),
)

LOGS: Final = (
    Listing(
        path="/v1/logs",
        field="logs",
        shape=resources.LOG,
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
            Parameter(
                "message_contains",
                "String",
                "Only those in whose message this stands.",
                ("filters", "message", "contains"),
            ),
            *CREATED,
            *PAGES,
        ),
    ),
    Acting(
        path="/v1/logs",
        field="createLog",
        shape=resources.LOG,
        tag="logs",
        status=201,
        example={"message": "Looked the order up.", "log_level": "info", "payload": {"duration_ms": 12}},
    ),
)
