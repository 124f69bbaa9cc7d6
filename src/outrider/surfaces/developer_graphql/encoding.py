"""How the results of operations are written: what is selected of them, field by field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from outrider.core.errors import AppError
from outrider.events.bodies import shown_time
from outrider.messaging.values import SendResult
from outrider.surfaces.developer_graphql.selections import Selected, Selecting

FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """The answer to one of several messages: one of the two is None."""

    message: SendResult | None
    error: "SendError | None"


@dataclass(frozen=True, slots=True)
class SendError:
    """Why something was not done."""

    code: str
    message: str


Encode = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is taken from a value, and its type if it is an object itself."""

    get: Encode
    type_name: str | None = None


def send_answer(answer: SendResult | AppError) -> SendAnswer:
    """Tell a result from a refusal."""
    if isinstance(answer, AppError):
        return SendAnswer(None, SendError(answer.code, answer.message))
    return SendAnswer(answer, None)


def encoder(selecting: Selecting, type_name: str, selected: Selected) -> Encode:
    """Give a function that writes what is selected of a value, or null for None."""
    members: list[tuple[str, Encode]] = []
    for field in selecting.fields(selected.selection_sets):
        if field.name == "__typename":
            members.append((field.key, lambda _value: type_name))
            continue
        known = _FIELDS[type_name][field.name]
        if known.type_name is None:
            members.append((field.key, known.get))
        else:
            members.append((field.key, _nested(known.get, encoder(selecting, known.type_name, field))))

    def encode(value: object) -> object:
        return None if value is None else {key: get(value) for key, get in members}

    return encode


def _nested(get: Encode, encode: Encode) -> Encode:
    return lambda value: encode(get(value))


def _failure(result: SendResult) -> SendError | None:
    if result.state != FAILED:
        return None
    return SendError(result.error_code or "UNKNOWN", result.error_message or "The message was not sent.")


# Any: which type a value has follows from the schema, which validated the document.
_RESULT: Final[dict[str, _Field]] = {
    "id": _Field(lambda result: str(result.event_id)),
    "status": _Field(lambda result: result, "SendStatus"),
}
_STATUS: Final[dict[str, _Field]] = {
    "success": _Field(lambda result: result.state != FAILED),
    "externalMessageId": _Field(lambda result: result.external_message_id),
    "state": _Field(lambda result: result.state),
    "error": _Field(_failure, "SendError"),
}
_ERROR: Final[dict[str, _Field]] = {
    "code": _Field(lambda error: error.code),
    "message": _Field(lambda error: error.message),
}
_ANSWER: Final[dict[str, _Field]] = {
    "message": _Field(lambda answer: answer.message, "SendMessageResult"),
    "error": _Field(lambda answer: answer.error, "SendError"),
}
_TEST_RESULT: Final[dict[str, _Field]] = {
    "success": _Field(lambda check: check.is_healthy),
    "message": _Field(lambda check: check.message),
    "health": _Field(lambda check: check.health, "ConnectionHealth"),
}
_HEALTH: Final[dict[str, _Field]] = {
    "status": _Field(lambda health: health.status),
    "message": _Field(lambda health: health.message),
    "lastCheckedAt": _Field(lambda health: shown_time(health.checked_at) if health.checked_at else None),
}
_FIELDS: Final = {
    "PlatformConnectionTestResult": _TEST_RESULT,
    "ConnectionHealth": _HEALTH,
    "SendMessageResult": _RESULT,
    "SendStatus": _STATUS,
    "SendError": _ERROR,
    "SendMessageAnswer": _ANSWER,
}
