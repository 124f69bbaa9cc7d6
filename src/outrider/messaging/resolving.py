"""Deciding by hand what became of a message that is held in doubt."""

from enum import StrEnum
from typing import assert_never
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound, ValidationError
from outrider.core.storable import storable_text
from outrider.events.values import Append, MessageState, Verdict
from outrider.messaging import queries, recording
from outrider.messaging.errors import NotResolvable
from outrider.messaging.queries import QueuedMessage
from outrider.messaging.sending import SendingContext
from outrider.messaging.values import AttemptSummary, OutboundCargo, SendResult
from outrider.platforms.base import FailureCode
from outrider.tenancy.actors import Actor, Scope

_EXTERNAL_ID_CHARACTERS = 255
_REASON = "resolved"
_FAILED = "It was decided by hand that the message has failed."


class Resolution(StrEnum):
    """What somebody found out, or wants: `retry` sends once more and may send twice."""

    SENT = "sent"
    FAILED = "failed"
    RETRY = "retry"


async def resolve_message(
    context: SendingContext,
    actor: Actor,
    event_id: UUID,
    resolution: Resolution,
    *,
    external_id: str | None = None,
) -> SendResult:
    """End the doubt; `external_id` is the platform's id of a message that was sent, if it is known.

    Raises `NotResolvable` unless the message is held in doubt now.
    """
    actor.require(Scope.EVENTS_WRITE)
    _check_external_id(resolution, external_id)
    with faults_as_unavailable():
        queued = await queries.select_queued(context.pool, actor.application_id, event_id)
        message = await queries.select_message(context.pool, actor.application_id, event_id)
        cargo = await queries.select_sent(context.pool, actor.application_id, event_id)
    if message is None:
        raise NotFound("Message not found.", resource_type="Message", resource_id=str(event_id))
    if queued is None or queued.state != "in_doubt":
        raise NotResolvable(state=message.state)
    item, result = _resolved(context, actor, queued, cargo, resolution, external_id)
    answer = await context.appender.append(item)
    if answer.verdict == Verdict.STALE:
        raise NotResolvable(state=message.state)
    return result


def _check_external_id(resolution: Resolution, external_id: str | None) -> None:
    if external_id is None:
        return
    if resolution is not Resolution.SENT:
        raise ValidationError("Only a message that was sent has an external id.", path="externalMessageId")
    if not 0 < len(external_id) <= _EXTERNAL_ID_CHARACTERS:
        raise ValidationError(
            f"An external id has 1 to {_EXTERNAL_ID_CHARACTERS} characters.", path="externalMessageId"
        )
    storable_text(external_id, name="externalMessageId")


def _resolved(
    context: SendingContext,
    actor: Actor,
    queued: QueuedMessage,
    cargo: OutboundCargo | None,
    resolution: Resolution,
    external_id: str | None,
) -> tuple[Append, SendResult]:
    application_id, event_id = actor.application_id, queued.delivery_id
    match resolution:
        case Resolution.SENT:
            child, receipt, _ = recording.success(
                context.ids, application_id, event_id, queued.connection_id, external_id
            )
            outcome = recording.from_outside(
                queued, result="resolved", final_state="succeeded", reason=_REASON
            )
            summary = AttemptSummary(MessageState.SENT, external_id)
        case Resolution.FAILED:
            child, receipt, _ = recording.failure(
                context.ids, application_id, event_id, None, FailureCode.UNKNOWN, _FAILED
            )
            outcome = recording.from_outside(queued, result="resolved", final_state="failed", reason=_REASON)
            summary = AttemptSummary(MessageState.FAILED, None, FailureCode.UNKNOWN, _FAILED)
        case Resolution.RETRY:
            child = receipt = None
            outcome = recording.from_outside(
                queued, result="resolved", next_state="ready", due_at=context.ids.now()
            )
            summary = AttemptSummary(MessageState.ACCEPTED)
        case _:
            assert_never(resolution)
    done = recording.done_if_submitted(context.ids, application_id, event_id, cargo)
    item = Append(
        application_id=application_id,
        event_id=event_id,
        events=() if child is None else (child, *done),
        receipts=() if receipt is None else (receipt,),
        outcome=outcome,
        is_new_fact=False,
        cargo=summary,
    )
    code = None if summary.code is None else summary.code.value
    return item, SendResult(event_id, summary.state.word, summary.external_id, code, summary.detail)
