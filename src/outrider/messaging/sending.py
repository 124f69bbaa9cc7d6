"""Sending: check, build one immutable item, append it, and (if asked) wait for its first attempt.

A message is accepted when its event, its edges, its state and the work of sending it are committed together;
the network is the dispatcher's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import AppError, IdempotencyConflict, NotFound, ValidationError
from outrider.core.hashing import canonical_hash
from outrider.core.ids import IdClock, time_of
from outrider.core.storable import storable_json, storable_text
from outrider.dispatch.values import shard_of
from outrider.events.appending import Appender, PoisonedItem
from outrider.events.bodies import EdgeView
from outrider.events.values import (
    Answer,
    Append,
    MessageState,
    NewEdge,
    NewEvent,
    NewIdentity,
    NewMessage,
    OnceKey,
    Target,
    Verdict,
)
from outrider.files.storing import file_not_found
from outrider.messaging import queries
from outrider.messaging.contents import CheckedContent, checked_content
from outrider.messaging.conversations import conversation_key
from outrider.messaging.cross_tenant import select_attempted
from outrider.messaging.errors import NotCancellable
from outrider.messaging.recording import Recording, cancelled
from outrider.messaging.suppression_lookup import Addressee, SuppressionLookup
from outrider.messaging.values import OUTBOUND, OutboundCargo, SendRequest, SendResult
from outrider.messaging.waiting import Waiters
from outrider.platforms.base import Adapter, JsonObject
from outrider.platforms.registry import Registry
from outrider.tenancy.actors import Actor, Environment, Scope
from outrider.tenancy.connection_directory import ConnectionDirectory, ConnectionEntry
from outrider.tenancy.derived_ids import platform_user_id, user_id

WAIT_SECONDS = 10.0
SANDBOX = "sandbox"
_KEY_HOURS = 24
_KEY_CHARACTERS = 255
_SCOPE = "sendMessage"
_RESEND_SCOPE = "resendMessage"


@dataclass(frozen=True, slots=True)
class SendingContext:
    """What sending needs of the process."""

    appender: Appender
    connections: ConnectionDirectory
    registry: Registry
    ids: IdClock
    waiters: Waiters
    pool: Pool
    recording: Recording
    suppression_lookup: SuppressionLookup


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that was checked and can be appended."""

    item: Append
    request: SendRequest
    addressee: Addressee | None = None
    """Who must not be on the list of those to whom nothing is sent; None if that does not matter."""

    @property
    def waits(self) -> bool:
        """Whether the caller wants the outcome of the first attempt."""
        return self.request.wait and self.item.message is not None and self.item.message.due_at is None


async def send_message(context: SendingContext, actor: Actor, request: SendRequest) -> SendResult:
    """Accept one message; raises an `AppError` if it is refused, and then nothing was written."""
    actor.require(Scope.EVENTS_WRITE)
    prepared = await _prepare(context, actor, request)
    if prepared.addressee is not None:
        await context.suppression_lookup.refuse(prepared.addressee)
    return await carry_out(context, actor, prepared)


async def send_messages(
    context: SendingContext, actor: Actor, requests: Sequence[SendRequest | AppError]
) -> list[SendResult | AppError]:
    """Accept several messages, each for itself; requests that were refused already pass through."""
    actor.require(Scope.EVENTS_WRITE)
    prepared = await _without_suppressed(
        context, [await _prepare_or_refuse(context, actor, request) for request in requests]
    )
    accepted = [one for one in prepared if isinstance(one, Prepared)]
    quick = [one for one in accepted if not one.waits]
    answers = dict(
        zip(map(id, quick), await context.appender.append_all([one.item for one in quick]), strict=True)
    )
    slow = await asyncio.gather(*(_carried_out(context, actor, one) for one in accepted if one.waits))
    waited = iter(slow)
    return [
        one
        if isinstance(one, AppError)
        else next(waited)
        if one.waits
        else await _answered_or_refused(context, actor, one, answers[id(one)])
        for one in prepared
    ]


async def _answered_or_refused(
    context: SendingContext, actor: Actor, prepared: Prepared, answer: Answer | AppError | PoisonedItem
) -> SendResult | AppError:
    if isinstance(answer, AppError):
        return answer
    if isinstance(answer, PoisonedItem):
        raise answer
    try:
        return await _answered(context, actor, prepared, answer)
    except AppError as error:
        return error


async def _carried_out(context: SendingContext, actor: Actor, prepared: Prepared) -> SendResult | AppError:
    try:
        return await carry_out(context, actor, prepared)
    except AppError as error:
        return error


async def cancel_message(context: SendingContext, actor: Actor, event_id: UUID) -> SendResult:
    """End a message that waits for its time (scheduled or deferred); raises `NotCancellable` if it does not."""
    actor.require(Scope.EVENTS_WRITE)
    with faults_as_unavailable():
        queued = await queries.select_queued(context.pool, actor.application_id, event_id)
        message = await queries.select_message(context.pool, actor.application_id, event_id)
        if message is None:
            raise NotFound("Message not found.", resource_type="Message", resource_id=str(event_id))
        if queued is None:
            raise NotCancellable(state=message.state)
        sent = await queries.select_sent(context.pool, actor.application_id, event_id)
    item = cancelled(context.recording, actor.application_id, queued, sent)
    answer = await context.appender.append(item)
    if answer.verdict == Verdict.STALE:
        raise NotCancellable(state=message.state)
    return SendResult(event_id, MessageState.FAILED.word, None, "CANCELLED", "The message was cancelled.")


async def _prepare_or_refuse(
    context: SendingContext, actor: Actor, request: SendRequest | AppError
) -> "Prepared | AppError":
    if isinstance(request, AppError):
        return request
    try:
        return await _prepare(context, actor, request)
    except AppError as error:
        return error


async def _without_suppressed(
    context: SendingContext, prepared: "Sequence[Prepared | AppError]"
) -> "list[Prepared | AppError]":
    addressees = [one.addressee if isinstance(one, Prepared) else None for one in prepared]
    refusals = await context.suppression_lookup.refusals(addressees)
    return [refusal or one for refusal, one in zip(refusals, prepared, strict=True)]


async def carry_out(context: SendingContext, actor: Actor, prepared: Prepared) -> SendResult:
    """Append a prepared message and wait for its first attempt if that is wanted."""
    item = prepared.item
    if not prepared.waits:
        return await _answered(context, actor, prepared, await context.appender.append(item))
    outcome = context.waiters.register(actor.application_id, item.event_id)
    try:
        answer = await context.appender.append(item)
        if answer.verdict == Verdict.APPENDED:
            return await _first_outcome(item.event_id, outcome)
    finally:
        context.waiters.forget(item.event_id, outcome)
    if answer.verdict == Verdict.DUPLICATE and answer.stored_id is not None:
        return await _wait_with_first(context, actor, answer.stored_id)
    return await _answered(context, actor, prepared, answer)


async def _wait_with_first(context: SendingContext, actor: Actor, event_id: UUID) -> SendResult:
    """The answer to a repeat: the message as it is, once its first attempt has ended."""
    outcome = context.waiters.register(actor.application_id, event_id)
    try:
        with faults_as_unavailable():
            attempted = await select_attempted(context.pool, [(actor.application_id, event_id)])
        return attempted[0] if attempted else await _first_outcome(event_id, outcome)
    finally:
        context.waiters.forget(event_id, outcome)


async def _first_outcome(event_id: UUID, outcome: "asyncio.Future[SendResult]") -> SendResult:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await outcome
    except TimeoutError:
        return SendResult(event_id, MessageState.ACCEPTED.word)


async def _answered(context: SendingContext, actor: Actor, prepared: Prepared, answer: Answer) -> SendResult:
    match answer.verdict:
        case Verdict.APPENDED:
            return SendResult(prepared.item.event_id, MessageState.ACCEPTED.word)
        case Verdict.DUPLICATE if answer.stored_id is not None:
            with faults_as_unavailable():
                stored = await queries.select_message(context.pool, actor.application_id, answer.stored_id)
            return stored or SendResult(answer.stored_id, MessageState.ACCEPTED.word)
        case Verdict.KEY_CONFLICT:
            raise IdempotencyConflict(idempotency_key=prepared.request.idempotency_key)
        case _:
            raise _missing(prepared, answer.stored_id)


def _missing(prepared: Prepared, missing_id: UUID | None) -> NotFound:
    if missing_id is not None and Target("file", missing_id) in prepared.item.targets:
        return file_not_found(missing_id)
    is_connection = missing_id == prepared.request.connection_id
    return NotFound(
        "Platform connection not found." if is_connection else "Event not found.",
        resource_type="PlatformConnection" if is_connection else "Event",
        resource_id=str(missing_id),
    )


async def _prepare(context: SendingContext, actor: Actor, request: SendRequest) -> Prepared:
    entry = await context.connections.get(actor.application_id, request.connection_id)
    if entry is None or not entry.is_active:
        raise NotFound(
            "Platform connection not found.",
            resource_type="PlatformConnection",
            resource_id=str(request.connection_id),
        )
    is_sandbox = request.is_sandbox or actor.environment == Environment.TEST
    adapter = context.registry.get(SANDBOX if is_sandbox else entry.provider)
    assert adapter is not None, "the directory knows only connections of known providers"
    content = await checked_content(context.pool, actor.application_id, request, adapter)
    recipient = adapter.normalise_address(request.recipient)
    if recipient is None:
        raise ValidationError(
            f"{request.recipient[:80]!r} is not an address on {entry.channel.value}.", path="toExternalId"
        )
    _check_times(context, request)
    if request.ignores_suppression:
        actor.require(Scope.ALL)
    item = build_item(context, entry, adapter, request, content, recipient, is_sandbox=is_sandbox)
    if is_sandbox or request.ignores_suppression:
        return Prepared(item, request)
    return Prepared(item, request, Addressee(entry.application_id, entry.channel, recipient, item.once_key))


def _check_times(context: SendingContext, request: SendRequest) -> None:
    if request.expires_at is None:
        return
    now = context.ids.now()
    if request.expires_at <= max(now, request.scheduled_at or now):
        raise ValidationError("expiresAt must lie after the time of sending.", path="expiresAt")


def build_item(
    context: SendingContext,
    entry: ConnectionEntry,
    adapter: Adapter,
    request: SendRequest,
    content: CheckedContent,
    recipient: str,
    *,
    is_sandbox: bool,
    facts: JsonObject | None = None,
) -> Append:
    """Make the item of a checked message: its event, edges, person, state and work.

    `facts` stand in its payload, beside what is sent.
    """
    event_id = context.ids.new()
    created_at = time_of(event_id)
    payload: JsonObject = {"type": "message", "message": content.message, "platform": entry.channel.value}
    if request.metadata:
        payload["metadata"] = dict(request.metadata)
    if is_sandbox:
        payload["sandbox"] = True
    payload |= facts or {}
    person = platform_user_id(entry.identity_key, entry.connection_id, recipient)
    edges = [
        EdgeView(
            "sent_by",
            "platform_user",
            entry.system_user.platform_user_id,
            entry.system_user.external_id,
            entry.system_user.name,
        ),
        EdgeView("sent_to", "platform_user", person, recipient),
    ]
    edges += [EdgeView("attachment", "file", file_id) for file_id in content.file_ids]
    targets = [
        Target("connection", entry.connection_id),
        *(Target("file", file_id) for file_id in content.file_ids),
    ]
    if request.reply_to_event_id is not None:
        edges.append(EdgeView("reply_to", "event", request.reply_to_event_id))
        targets.append(Target("event", request.reply_to_event_id))
    if request.resend_of_event_id is not None:
        edges.append(EdgeView("resend_of", "event", request.resend_of_event_id))
    key = conversation_key(entry.connection_id, recipient)
    is_ordered = adapter.manifest.is_ordered_on(entry.channel)
    # a time in the past is no time to wait for, and keeps its place in the conversation
    is_scheduled = request.scheduled_at is not None and request.scheduled_at > created_at
    text = storable_json(payload).decode()
    return Append(
        application_id=entry.application_id,
        event_id=event_id,
        events=(
            NewEvent(
                entry.application_id,
                event_id,
                OUTBOUND,
                text,
                ordering_key=key if is_ordered else None,
                is_held=True,
            ),
        ),
        edges=[
            NewEdge(event_id, context.ids.new(), edge.edge_type, edge.target_type, edge.target_id)
            for edge in edges
        ],
        once_key=_once_key(request),
        targets=targets,
        identities=(_identity(entry, person, recipient, created_at),),
        message=NewMessage(
            event_id,
            entry.connection_id,
            person,
            shard_of(entry.connection_id),
            key if is_ordered and not is_scheduled else None,
            request.scheduled_at if is_scheduled else None,
            request.expires_at,
        ),
        cargo=OutboundCargo(recipient, payload, tuple(edges), created_at),
    )


def _identity(entry: ConnectionEntry, person: UUID, recipient: str, created_at: datetime) -> NewIdentity:
    return NewIdentity(
        platform_user_id=person,
        user_id=user_id(entry.identity_key, entry.connection_id, recipient),
        connection_id=entry.connection_id,
        external_id=recipient,
        name=None,
        profile_picture_url=None,
        is_system=False,
        created_at=created_at,
    )


def _once_key(request: SendRequest) -> OnceKey | None:
    key = request.idempotency_key
    if request.resend_of_event_id is not None:
        return OnceKey(_RESEND_SCOPE, str(request.resend_of_event_id), None, _KEY_HOURS)
    if key is None:
        return None
    if not 0 < len(key) <= _KEY_CHARACTERS:
        raise ValidationError(
            f"An idempotency key has 1 to {_KEY_CHARACTERS} characters.", path="idempotencyKey"
        )
    storable_text(key, name="idempotencyKey")
    arguments = {
        "connection": str(request.connection_id),
        "recipient": request.recipient,
        "text": request.text,
        "content": dict(request.content) if request.content is not None else None,
        "metadata": dict(request.metadata) if request.metadata else None,
        "files": [str(file_id) for file_id in request.file_ids],
        "sandbox": request.is_sandbox,
        "reply_to": str(request.reply_to_event_id),
        "scheduled_at": str(request.scheduled_at),
        "expires_at": str(request.expires_at),
    }
    return OnceKey(_SCOPE, key, canonical_hash(arguments), _KEY_HOURS)
