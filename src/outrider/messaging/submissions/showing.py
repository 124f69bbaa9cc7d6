"""A submitted message as its contract shows it: all keys, and the status that the core's state stands for."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, cast
from uuid import NAMESPACE_DNS, uuid5

from outrider.core.ids import time_of
from outrider.events.values import MessageState
from outrider.messaging.submissions.values import FAILED, RENDERED, SUBMISSION, Progress, Submitted, told_time

STATUSES: Final = (
    "received",
    "queued_for_rendering",
    "rendered",
    "queued_for_delivery",
    "delivered",
    "render_error",
    "backend_error",
    "internal_error",
)
_AS_GIVEN: Final = (
    "type",
    "to",
    "from",
    "project",
    "project_id",
    "template",
    "template_id",
    "text_template_body",
    "html_template_body",
    "template_styles",
    "data",
    "backend",
    "backend_id",
    "id_from_submitter",
    "received_at",
    "rendered_at",
)
_FLAGS: Final = ("sync", "render_only", "test")


def status_of(message: Submitted) -> str:
    """Give the status in the contract's words."""
    submission = submission_of(message)
    if "render_error" in submission:
        return "render_error"
    if message.event_type == RENDERED:
        return "rendered"
    match message.progress.state:
        case MessageState.ACCEPTED:
            return "received" if message.progress.is_fresh else "queued_for_delivery"
        case MessageState.FAILED:
            return "backend_error"
        case _:
            return "delivered"


def is_done(message: Submitted) -> bool:
    """Whether nothing more will happen."""
    return message.event_type in {RENDERED, FAILED} or message.progress.state is not MessageState.ACCEPTED


def shown_message(message: Submitted) -> dict[str, object]:
    """Show a message with all keys of the contract, what is not known as null."""
    submission, progress = submission_of(message), message.progress
    content = _object(message.payload.get("message"))
    metadata = _object(message.payload.get("metadata"))
    provider = submission.get("provider")
    return {
        "id": str(message.id),
        "public_id": str(message.id),
        **{name: submission.get(name) for name in _AS_GIVEN},
        **{name: submission.get(name) is True for name in _FLAGS},
        "subject": metadata.get("subject"),
        "text_body": content.get("text"),
        "html_body": content.get("html"),
        "status": status_of(message),
        "status_message": _status_message(message),
        "done": is_done(message),
        "queued_for_rendering_at": _queued_for_rendering_at(submission),
        "queued_for_delivery_at": _queued_for_delivery_at(message, submission),
        "delivered_at": _moment(progress.sent_at),
        "failed_at": _failed_at(message),
        "provider_id": _provider_id(provider) if isinstance(provider, str) else None,
        "id_from_backend": progress.external_id,
        "backend_response": _backend_response(progress),
    }


def submission_of(message: Submitted) -> Mapping[str, object]:
    """What its submitter said beside the content."""
    return _object(message.payload.get(SUBMISSION))


def _status_message(message: Submitted) -> object:
    problem = submission_of(message).get("render_error")
    if problem is not None:
        return _object(problem).get("message")
    if message.progress.state is MessageState.FAILED and message.progress.error is not None:
        error = message.progress.error
        return f"{error.get('code')}: {error.get('message')}"
    return None


def _failed_at(message: Submitted) -> str | None:
    if message.event_type == FAILED:
        return told_time(time_of(message.id))
    # a receipt that comes after a delivery is history, and changes nothing
    return _moment(message.progress.failed_at) if message.progress.state is MessageState.FAILED else None


def _queued_for_rendering_at(submission: Mapping[str, object]) -> object:
    is_queued = submission.get("rendered_at") is not None and submission.get("sync") is not True
    return submission.get("received_at") if is_queued else None


def _queued_for_delivery_at(message: Submitted, submission: Mapping[str, object]) -> str | None:
    is_sent = message.event_type not in {RENDERED, FAILED} and "render_error" not in submission
    return told_time(time_of(message.id)) if is_sent and submission.get("sync") is not True else None


def _backend_response(progress: Progress) -> dict[str, object]:
    if progress.state is MessageState.FAILED and progress.error is not None:
        return dict(progress.error)
    return {} if progress.external_id is None else {"id": progress.external_id}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else told_time(moment)


@lru_cache(maxsize=256)
def _provider_id(provider: str) -> str:
    return str(uuid5(NAMESPACE_DNS, provider))


def _object(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
