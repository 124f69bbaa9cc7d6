"""`POST /v1/events/batch`: several events in one request, an answer for each at its place."""

from typing import Any, Final, cast

from outrider.core.errors import AppError
from outrider.core.storable import parse_api_json
from outrider.events.creating import MOST_EVENTS, NewCustomEvent
from outrider.surfaces.developer_graphql.decoding import custom_event
from outrider.surfaces.developer_rest import documents
from outrider.surfaces.developer_rest.bounds import loosened
from outrider.surfaces.developer_rest.documents import Serving
from outrider.surfaces.developer_rest.members import members_of, refused
from outrider.surfaces.developer_rest.names import renamed_text
from outrider.surfaces.developer_rest.routes import Asked, Route
from outrider.surfaces.developer_rest.shapes import JsonSchema, closed, or_null, shape_of
from outrider.tenancy.actors import Actor

_FIELD: Final = "createEvent"
_EVENT: Final = members_of(_FIELD, documents.mutation_field(_FIELD).args)
_READING: Final = documents.mutation(_FIELD, documents.mutation_field(_FIELD).args, "{ id }").operation
_ERROR: Final = shape_of("SendError")


async def _create(serving: Serving, actor: Actor, asked: Asked) -> object:
    created = await serving.operations.create_events(actor, _read(asked.body))
    return {"data": [_answer(one) for one in created]}


def _read(body: bytes) -> list[NewCustomEvent | AppError]:
    value = parse_api_json(body)
    if not isinstance(value, dict) or value.keys() != {"events"}:
        raise refused("", "must be a JSON object with the one member events")
    events: object = cast("dict[str, object]", value)["events"]
    if not isinstance(events, list):
        raise refused("events", "must be a list")
    given = cast("list[object]", events)
    if not 1 <= len(given) <= MOST_EVENTS:
        raise refused("events", f"must hold 1 to {MOST_EVENTS} events, not {len(given)}")
    arguments = [_EVENT.read(one, f"events[{number}]") for number, one in enumerate(given)]
    return [custom_event(_READING.coerce(one).coerced) for one in arguments]


def _answer(created: object) -> dict[str, Any]:
    if isinstance(created, AppError):
        message = renamed_text(created.message, _EVENT.names)
        return {"event_id": None, "error": {"code": created.code, "message": message}}
    return {"event_id": str(created), "error": None}


def _answer_schema() -> JsonSchema:
    one = closed(
        {
            "event_id": {
                "type": ["string", "null"],
                "format": "uuid",
                "description": "The id of the event; null if it was not created.",
            },
            "error": or_null(_ERROR.reference),
        },
        "The answer to one event: one of the two is null.",
    )
    answers: JsonSchema = {
        "type": "array",
        "items": one,
        "description": "An answer for each, in the order given.",
    }
    return closed({"data": answers}, "What became of each.")


CREATE_EVENTS: Final = Route(
    method="POST",
    path="/v1/events/batch",
    name="create_events",
    tag="events",
    text=(
        f"Append 1 to {MOST_EVENTS} events of your own. Each has an answer of its own, in the order given: what is "
        "wrong with one leaves the others alone. A body that cannot be read is refused whole. Scope `events:write`."
    ),
    handle=_create,
    answer=_answer_schema(),
    shapes=(_ERROR,),
    body={
        "type": "object",
        "properties": {
            "events": {
                "type": "array",
                "items": loosened(_EVENT.schema),
                "minItems": 1,
                "maxItems": MOST_EVENTS,
                "description": "The events.",
            }
        },
        "required": ["events"],
        "additionalProperties": False,
    },
    example={"events": [{"event_type": "order.created", "payload": {"order_id": "order_8812"}}]},
    names=_EVENT.names,
)
