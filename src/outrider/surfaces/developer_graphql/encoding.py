"""How the results of operations are written: what is selected of them, field by field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from outrider.core.errors import AppError
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


Encode: TypeAlias = "Callable[[object], object]"


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
        get, inner_type = _FIELDS[type_name][field.name]
        members.append(
            (field.key, _nested(get, encoder(selecting, inner_type, field)) if inner_type else get)
        )

    def encode(value: object) -> object:
        return None if value is None else {key: get(value) for key, get in members}

    return encode


def _nested(get: Encode, encode: Encode) -> Encode:
    return lambda value: encode(get(value))


def _failure(result: SendResult) -> SendError | None:
    if result.state != FAILED:
        return None
    return SendError(result.error_code or "UNKNOWN", result.error_message or "The message was not sent.")


_FIELDS: Final[Mapping[str, Mapping[str, tuple[Callable[..., object], str | None]]]] = {
    "SendMessageResult": {
        "id": (lambda result: str(result.event_id), None),
        "status": (lambda result: result, "SendStatus"),
    },
    "SendStatus": {
        "success": (lambda result: result.state != FAILED, None),
        "externalMessageId": (lambda result: result.external_message_id, None),
        "state": (lambda result: result.state, None),
        "error": (_failure, "SendError"),
    },
    "SendError": {
        "code": (lambda error: error.code, None),
        "message": (lambda error: error.message, None),
    },
    "SendMessageAnswer": {
        "message": (lambda answer: answer.message, "SendMessageResult"),
        "error": (lambda answer: answer.error, "SendError"),
    },
}
