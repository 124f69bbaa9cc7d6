"""A message on its way out, as the operations and the dispatcher hand it to each other."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from outrider.events.bodies import EdgeView
from outrider.events.values import MessageState
from outrider.platforms.base import FailureCode, JsonObject

OUTBOUND = "message.outbound"


class SendRequest(Struct, frozen=True, kw_only=True):
    """What a caller wants sent: `text`, or `content` (the contract's message object), one of the two.

    `wait`: answer after the first attempt (at most 10 s) instead of after the commit. `resend_of_event_id`: the
    failed message that this one is sent for, once. `ignores_suppression`: send also to who is on the suppression list.
    """

    connection_id: UUID
    recipient: str
    text: str | None = None
    content: Mapping[str, object] | None = None
    metadata: Mapping[str, object] | None = None
    file_ids: Sequence[UUID] = ()
    is_sandbox: bool = False
    idempotency_key: str | None = None
    reply_to_event_id: UUID | None = None
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    wait: bool = True
    resend_of_event_id: UUID | None = None
    ignores_suppression: bool = False


class SendResult(Struct, frozen=True):
    """A message as it is now; `state` is accepted, sent, failed, delivered or read."""

    event_id: UUID
    state: str
    external_message_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class OutboundCargo(Struct, frozen=True):
    """What an attempt needs of a message; `payload` is the event's, as accepted."""

    recipient: str
    payload: JsonObject
    edges: tuple[EdgeView, ...]
    created_at: datetime


class AttemptSummary(Struct, frozen=True):
    """What an attempt made of a message, for whoever waits for it."""

    state: MessageState
    external_id: str | None = None
    code: FailureCode | None = None
    detail: str | None = None
