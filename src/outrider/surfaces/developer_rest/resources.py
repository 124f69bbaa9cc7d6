"""The shapes of the things that REST shows."""

from typing import Any, Final

from outrider.surfaces.developer_rest.shapes import ID, JsonSchema, Shape, closed, or_null, shape_of

EVENT: Final = shape_of("Event", edges=shape_of("Edge"))
PROVENANCE: Final = shape_of(
    "Provenance", nodes=shape_of("ProvenanceNode", event=EVENT), links=shape_of("ProvenanceLink")
)
SEND_STATUS: Final = shape_of("SendStatus", error=shape_of("SendError"))
SENT_MESSAGE: Final = shape_of("SendMessageResult", name="SentMessage", status=SEND_STATUS)
SENT_ANSWER: Final = shape_of(
    "SendMessageAnswer", name="SentMessageAnswer", message=SENT_MESSAGE, error=shape_of("SendError")
)
PLATFORM_USER: Final = shape_of("PlatformUser", user=ID)
# without their platform users, which a key that may only write could not be shown
USER: Final = shape_of("User")
USER_MERGE: Final = shape_of("UserMerge", event=ID, user=USER)
LINK_CODE: Final = shape_of("LinkCode", event=ID)
LINK_CODE_ACTIVATION: Final = shape_of(
    "LinkCodeActivation",
    event=ID,
    mergeEvent=ID,
    user=ID,
    sourcePlatformUser=ID,
    targetPlatformUser=ID,
)
CONVERSATION: Final = shape_of(
    "Conversation",
    platformUser=PLATFORM_USER,
    participants=PLATFORM_USER,
    platformConnection=ID,
    lastMessage=EVENT,
)
CONNECTION: Final = shape_of("PlatformConnection", health=shape_of("ConnectionHealth"))
CONNECTION_TEST: Final = shape_of("PlatformConnectionTestResult", health=shape_of("ConnectionHealth"))
APPLICATION: Final = shape_of("Application")
SUBSCRIPTION: Final = shape_of("WebhookSubscription")
DELIVERY: Final = shape_of("WebhookDelivery", attempts=shape_of("DeliveryAttempt"))
EVENT_SCHEMA: Final = shape_of("EventSchema")
EVENT_SCHEMA_HISTORY: Final = shape_of(
    "EventSchema", name="EventSchemaHistory", versions=shape_of("EventSchemaVersion")
)
LOG: Final = shape_of("Log")
SUPPRESSION: Final = shape_of("Suppression", event=ID)


def _message() -> Shape:
    """A message is an event with a state: what sending answered, and the event itself."""
    event = shape_of("Event", edges=shape_of("Edge"), sending=SEND_STATUS)

    def write(value: dict[str, Any]) -> dict[str, Any]:
        shown = event.project(value)
        return {"id": shown["id"], "status": shown.pop("sending"), "event": shown}

    schema = closed(
        {
            "id": {"type": "string", "format": "uuid", "description": "The id of its event."},
            "status": or_null(SEND_STATUS.reference)
            | {"description": "How its sending stands; null of a message that came in."},
            "event": EVENT.reference,
        },
        "A message, sent or received.",
    )
    return Shape("Message", event.selection, write, schema, (SEND_STATUS, EVENT))


MESSAGE: Final = _message()


def _answers() -> Shape:
    """What became of each of several messages."""
    listed: JsonSchema = {
        "type": "array",
        "items": SENT_ANSWER.reference,
        "description": "An answer for each, in the order given.",
    }

    def write(answers: list[Any]) -> dict[str, Any]:
        return {"data": [SENT_ANSWER.project(one) for one in answers]}

    schema = closed({"data": listed}, "What became of each.")
    return Shape("SentMessageAnswers", SENT_ANSWER.selection, write, schema, (SENT_ANSWER,))


SENT_ANSWERS: Final = _answers()
