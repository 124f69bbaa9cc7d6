"""A transactional message as it is handed between its surface, its operations and its webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from outrider.core.errors import AppError, ErrorKind
from outrider.events.values import MessageState, OnceKey
from outrider.platforms.base import Channel, JsonObject

SUBMISSION: Final = "submission"
"""Where in an event's payload stands what its submitter said beside the content."""
RENDERED: Final = "message.rendered"
FAILED: Final = "message.failed"


class ConfigIssue(AppError):
    """The account is not completely configured for this message."""

    kind = ErrorKind.INVALID
    code = "CONFIG_ISSUE"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message."""

    filename: str | None
    mime_type: str | None
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What a submitter wants sent. `once_key`: of several requests with it the first counts."""

    channel: Channel
    to: str
    sender: str | None = None
    subject: str | None = None
    project: str | None = None
    project_id: UUID | None = None
    template: str | None = None
    template_id: UUID | None = None
    text_template: str | None = None
    html_template: str | None = None
    styles: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    data: Mapping[str, object] | None = None
    backend: str | None = None
    backend_id: UUID | None = None
    is_sync: bool = False
    is_render_only: bool = False
    is_test: bool = False
    ignores_suppression: bool = False
    id_from_submitter: str | None = None
    attachments: Sequence[Attachment] = ()
    is_inline: bool = False
    once_key: OnceKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a message has come: the fold of what is known of it."""

    state: MessageState = MessageState.ACCEPTED
    external_id: str | None = None
    sent_at: datetime | None = None
    failed_at: datetime | None = None
    error: Mapping[str, object] | None = None
    is_fresh: bool = False
    """It was only just stored: nobody has tried to send it."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message that was submitted, as it is now; `event_type` tells what its event is."""

    id: UUID
    application_id: UUID
    event_type: str
    payload: JsonObject
    progress: Progress


def told_time(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and Z, as this contract shows times."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
