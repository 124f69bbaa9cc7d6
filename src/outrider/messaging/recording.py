"""What an attempt's end writes: the child event, the fold of the message, and the freed webhooks, in one item."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import orjson
from msgspec import structs

from outrider.core.ids import IdClock, time_of
from outrider.core.storable import shown_json
from outrider.dispatch.values import QueueRow, Work
from outrider.events.bodies import fragment, shown_time
from outrider.events.values import Append, DeliveryOutcome, MessageState, NewEvent, Receipt, SentPart
from outrider.files.media_payloads import with_media_url
from outrider.messaging.queries import QueuedMessage
from outrider.messaging.values import OUTBOUND, AttemptSummary, OutboundCargo
from outrider.platforms.base import FailureCode

_DETAIL_CHARACTERS = 2_000
# Then hourly, until the message's lifetime ends (design §8).
_RETRY_SECONDS = (5, 30, 120, 600, 1_800)
_HOUR = 3_600
DONE = "message.done"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that has ended: when it began and how long it took."""

    work: Work
    cargo: OutboundCargo | None
    started_at: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Recording:
    """What recording needs: ids, and what makes the link to a file for the webhooks that are freed."""

    ids: IdClock
    file_url: Callable[[UUID, UUID], str]


def retry_seconds(number: int) -> int:
    """How long to wait after the attempt of this number (from 1)."""
    return _RETRY_SECONDS[number - 1] if number <= len(_RETRY_SECONDS) else _HOUR


def sent(recording: Recording, attempt: Attempt, external_id: str, part_ids: Sequence[str] = ()) -> Append:
    """The platform took the message, as several if there are `part_ids`."""
    row = attempt.work.row
    external_id, part_ids = _storable(external_id), [_storable(one) for one in part_ids]
    child, receipt, folded = success(
        recording.ids, row.application_id, row.event_id, row.target_id, external_id, part_ids
    )
    append = _ended(
        recording,
        attempt,
        children=(child, *_done(recording.ids, row, attempt.cargo)),
        receipt=receipt,
        outcome=_outcome(attempt, result="succeeded", final_state="succeeded"),
        folded=folded,
        summary=AttemptSummary(MessageState.SENT, external_id),
    )
    if not part_ids:
        return append
    ties = [_tie(row, recording.ids.now(), one) for one in part_ids if one != external_id]
    parts = [SentPart(row.event_id, number, one) for number, one in enumerate(part_ids)]
    return structs.replace(append, receipts=(*append.receipts, *ties), parts=parts)


def part_sent(recording: Recording, row: QueueRow, number: int, external_id: str) -> Append:
    """The platform took one part of a message: whoever attempts it next goes on behind it."""
    external_id = _storable(external_id)
    return Append(
        application_id=row.application_id,
        event_id=recording.ids.new(),
        receipts=(_tie(row, recording.ids.now(), external_id),),
        parts=(SentPart(row.event_id, number, external_id),),
        is_new_fact=False,
    )


def _tie(row: QueueRow, at: datetime, external_id: str) -> Receipt:
    """What the platform calls a part of the message, so that its receipts and replies find the message."""
    return Receipt(None, row.target_id, external_id, row.event_id, None, at, None)


def failed(
    recording: Recording, attempt: Attempt, code: FailureCode, detail: str, *, result: str = "rejected"
) -> Append:
    """The message has failed for good."""
    row = attempt.work.row
    detail = _storable(detail)
    child, receipt, folded = failure(
        recording.ids, row.application_id, row.event_id, row.target_id, code, detail
    )
    return _ended(
        recording,
        attempt,
        children=(child, *_done(recording.ids, row, attempt.cargo)),
        receipt=receipt,
        outcome=_outcome(attempt, result=result, final_state="failed", reason=code.value, detail=detail),
        folded=folded,
        summary=AttemptSummary(MessageState.FAILED, None, code, detail),
    )


def postponed(
    recording: Recording,
    attempt: Attempt,
    due_at: datetime,
    detail: str,
    *,
    result: str,
    next_state: str | None = "ready",
) -> Append:
    """The message stays in the queue and comes back at `due_at`."""
    detail = _storable(detail)
    return _ended(
        recording,
        attempt,
        outcome=_outcome(attempt, result=result, next_state=next_state, due_at=due_at, detail=detail),
        summary=AttemptSummary(MessageState.ACCEPTED, detail=detail),
    )


def held(recording: Recording, attempt: Attempt, detail: str, forever: datetime) -> Append:
    """Nobody knows whether the platform has the message: it waits for a decision by hand."""
    detail = _storable(detail)
    return _ended(
        recording,
        attempt,
        outcome=_outcome(attempt, result="in_doubt", next_state="in_doubt", due_at=forever, detail=detail),
        summary=AttemptSummary(MessageState.ACCEPTED, detail=detail),
    )


def cancelled(
    recording: Recording, application_id: UUID, queued: QueuedMessage, cargo: OutboundCargo | None
) -> Append:
    """A caller ended the message before its time came."""
    child, receipt, folded = failure(
        recording.ids,
        application_id,
        queued.delivery_id,
        None,
        FailureCode.CANCELLED,
        "The message was cancelled.",
    )
    released = (
        None
        if cargo is None
        else outbound_fragment(recording, application_id, queued.delivery_id, cargo, folded)
    )
    outcome = from_outside(
        queued, result="cancelled", final_state="cancelled", reason=FailureCode.CANCELLED.value
    )._replace(release_fragment=released)
    return Append(
        application_id=application_id,
        event_id=queued.delivery_id,
        events=(child, *done_if_submitted(recording.ids, application_id, queued.delivery_id, cargo)),
        receipts=(receipt,),
        outcome=outcome,
        is_new_fact=False,
        cargo=AttemptSummary(MessageState.FAILED, None, FailureCode.CANCELLED, "The message was cancelled."),
    )


def from_outside(
    queued: QueuedMessage,
    *,
    result: str,
    final_state: str | None = None,
    reason: str | None = None,
    next_state: str | None = None,
    due_at: datetime | None = None,
) -> DeliveryOutcome:
    """What a caller makes of a message that waits for a later time, or in doubt for a decision; no attempt."""
    return DeliveryOutcome(
        shard=queued.shard,
        epoch=None,
        position=queued.position,
        delivery_id=queued.delivery_id,
        number=queued.attempts,
        result=result,
        final_state=final_state,
        reason=reason,
        next_state=next_state,
        due_at=due_at,
        started_at=None,
        duration_ms=None,
        status_code=None,
        detail=None,
        release_fragment=None,
    )


def success(
    ids: IdClock,
    application_id: UUID,
    message_id: UUID,
    connection_id: UUID,
    external_id: str | None,
    part_ids: Sequence[str] = (),
) -> tuple[NewEvent, Receipt, dict[str, object]]:
    """The `message.sent` child, its fold, and what it adds to the message's payload."""
    event_id = ids.new()
    at = time_of(event_id)
    told: dict[str, object] = {"external_message_id": external_id, "sent_at": shown_time(at)}
    if len(part_ids) > 1:
        told["external_message_ids"] = list(part_ids)
    payload = {"status": "sent", **told}
    child = _child(application_id, event_id, "message.sent", payload, message_id, at)
    receipt = Receipt(event_id, connection_id, external_id, message_id, MessageState.SENT, at, None)
    return child, receipt, told


def failure(
    ids: IdClock,
    application_id: UUID,
    message_id: UUID,
    connection_id: UUID | None,
    code: FailureCode,
    detail: str,
) -> tuple[NewEvent, Receipt, dict[str, object]]:
    """The `message.failed` child, its fold, and what it adds to the message's payload."""
    event_id = ids.new()
    at = time_of(event_id)
    error = {"code": code.value, "message": detail[:_DETAIL_CHARACTERS]}
    payload = {"status": "failed", "external_message_id": None, "failed_at": shown_time(at), "error": error}
    child = _child(application_id, event_id, "message.failed", payload, message_id, at)
    receipt = Receipt(
        event_id,
        connection_id or message_id,
        None,
        message_id,
        MessageState.FAILED,
        at,
        orjson.dumps(error).decode(),
    )
    return child, receipt, {"failed_at": shown_time(at)}


def done(ids: IdClock, application_id: UUID, message_id: UUID) -> NewEvent:
    """The `message.done` child of a submitted message: nothing more will happen on our side."""
    return child(ids, application_id, DONE, {"status": "done"}, message_id)


def child(
    ids: IdClock, application_id: UUID, event_type: str, payload: Mapping[str, object], message_id: UUID
) -> NewEvent:
    """An event that tells what became of a message, now."""
    event_id = ids.new()
    return _child(application_id, event_id, event_type, payload, message_id, time_of(event_id))


def done_if_submitted(
    ids: IdClock, application_id: UUID, message_id: UUID, cargo: OutboundCargo | None
) -> Sequence[NewEvent]:
    """What ends with the sending of a submitted message; of another nobody is told."""
    is_submitted = cargo is not None and "submission" in cargo.payload
    return (done(ids, application_id, message_id),) if is_submitted else ()


def _done(ids: IdClock, row: QueueRow, cargo: OutboundCargo | None) -> Sequence[NewEvent]:
    return done_if_submitted(ids, row.application_id, row.event_id, cargo)


def outbound_fragment(
    recording: Recording,
    application_id: UUID,
    event_id: UUID,
    cargo: OutboundCargo,
    folded: Mapping[str, object],
) -> str:
    """The shared part of the message's own webhooks, with what is known after its first attempt."""
    payload = orjson.dumps({**cargo.payload, **folded}).decode()
    return fragment(
        application_id=application_id,
        event_id=event_id,
        event_type=OUTBOUND,
        payload=with_media_url(payload, partial(recording.file_url, application_id)),
        edges=cargo.edges,
        created_at=cargo.created_at,
    )


def lifetime_end(row: QueueRow, since: datetime, lifetime_hours: int) -> datetime:
    """When a message stops being tried, counted from `since`."""
    end = since + timedelta(hours=lifetime_hours)
    return end if row.expires_at is None else min(end, row.expires_at)


def _storable(text: str) -> str:
    """What a platform says, without the characters that the database cannot hold."""
    shown = shown_json(text)
    return shown if isinstance(shown, str) else ""


def _child(
    application_id: UUID,
    event_id: UUID,
    event_type: str,
    payload: Mapping[str, object],
    origin: UUID,
    at: datetime,
) -> NewEvent:
    text = orjson.dumps(payload).decode()
    shared = fragment(
        application_id=application_id,
        event_id=event_id,
        event_type=event_type,
        payload=text,
        edges=(),
        created_at=at,
    )
    return NewEvent(application_id, event_id, event_type, text, origin_event_id=origin, fragment=shared)


def _outcome(
    attempt: Attempt,
    *,
    result: str,
    final_state: str | None = None,
    reason: str | None = None,
    next_state: str | None = None,
    due_at: datetime | None = None,
    detail: str | None = None,
) -> DeliveryOutcome:
    row = attempt.work.row
    return DeliveryOutcome(
        shard=row.shard,
        epoch=attempt.work.epoch,
        position=row.position,
        delivery_id=row.id,
        number=row.attempts + 1,
        result=result,
        final_state=final_state,
        reason=reason,
        next_state=next_state,
        due_at=due_at,
        started_at=attempt.started_at,
        duration_ms=attempt.duration_ms,
        status_code=None,
        detail=None if detail is None else detail[:_DETAIL_CHARACTERS],
        release_fragment=None,
    )


def _ended(
    recording: Recording,
    attempt: Attempt,
    *,
    outcome: DeliveryOutcome,
    summary: AttemptSummary,
    children: Sequence[NewEvent] = (),
    receipt: Receipt | None = None,
    folded: Mapping[str, object] | None = None,
) -> Append:
    row = attempt.work.row
    if attempt.cargo is not None:
        # of several outcomes the first one frees; the first attempt may have ended without any
        released = outbound_fragment(recording, row.application_id, row.event_id, attempt.cargo, folded or {})
        outcome = outcome._replace(release_fragment=released)
    return Append(
        application_id=row.application_id,
        event_id=row.event_id,
        events=children,
        receipts=(receipt,) if receipt is not None else (),
        outcome=outcome,
        is_new_fact=False,
        cargo=summary,
    )
