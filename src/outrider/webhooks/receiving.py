"""Receiving from platforms: verify the raw bytes, parse, append, and answer only after the commit.

A repeated webhook (same connection and dedupe key) changes nothing and still answers 200. Overload or a
missing database answers 503, which every platform repeats.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import assert_never
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import NotFound, PayloadTooLarge, Unauthorized, Unavailable
from outrider.core.hashing import hash_secret, secrets_equal
from outrider.core.ids import IdClock, time_of
from outrider.core.metrics import Metrics
from outrider.core.storable import shown_json
from outrider.events.appending import Appender
from outrider.events.bodies import EdgeView, fragment, shown_time
from outrider.events.values import (
    Answer,
    Append,
    MessageState,
    NewEdge,
    NewEvent,
    NewIdentity,
    OnceKey,
    Receipt,
    Verdict,
)
from outrider.files.incoming import message_with_media, new_inbound_file
from outrider.files.media_payloads import with_media_url
from outrider.identity.activating import append_with_code, are_codes_wanted
from outrider.identity.code_texts import find_code
from outrider.identity.committing import IdentityContext
from outrider.messaging.auto_marking import AutoMarking, mark_received
from outrider.messaging.conversations import conversation_key
from outrider.platforms.base import (
    Adapter,
    FailureCode,
    InboundItem,
    InboundMessage,
    InboundReaction,
    InboundReceipt,
    InboundRequest,
    JsonObject,
    Sender,
    Unrecognised,
    WebhookAnswer,
)
from outrider.platforms.registry import Registry
from outrider.tenancy.connection_directory import ConnectionDirectory, ConnectionEntry
from outrider.tenancy.derived_ids import platform_user_id, user_id
from outrider.webhooks import queries

# One answer to everything: which part is wrong is nobody's business.
NOT_AUTHENTIC = "The webhook is not authentic: its address, secret or signature is wrong."
INBOUND = "message.inbound"
REACTION = "message.reaction"
UNRECOGNISED = "system.webhook.unrecognised"
_DEDUPE_HOURS = 30 * 24
_LONGEST_KEY = 500
# Nobody sent messages before, and no clock is a day fast: such a time of a platform is a mistake.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_AHEAD = timedelta(days=1)
# What the largest batches of vendors hold; and how much of a body is kept with every event that it caused.
_MOST_ITEMS = 1_000
_MOST_COPIED = 4_000_000
_KEPT_HEADERS = ("content-type", "user-agent")


@dataclass(frozen=True, slots=True)
class ReceivingContext:
    """What receiving needs of the process."""

    appender: Appender
    connections: ConnectionDirectory
    registry: Registry
    ids: IdClock
    pool: Pool
    metrics: Metrics
    identity: IdentityContext
    marking: AutoMarking
    file_url: Callable[[UUID, UUID], str]


@dataclass(frozen=True, slots=True)
class _Received:
    """One webhook at work: its connection and what is kept of it."""

    entry: ConnectionEntry
    raw: bytes | None
    raw_headers: str | None


async def recognise(context: ReceivingContext, webhook_id: UUID, secret: str) -> ConnectionEntry:
    """Find whose webhook this is, before anything of its body is read.

    Raises `Unauthorized` for an unknown address and a wrong secret alike, `NotFound` where no connection uses
    the account any more.
    """
    webhook = await context.connections.by_webhook(webhook_id)
    # an unknown address takes the same comparison as a wrong secret
    known_hash = webhook.secret_hash if webhook is not None else bytes(32)
    if not secrets_equal(hash_secret(secret), known_hash) or webhook is None:
        raise Unauthorized(NOT_AUTHENTIC)
    if webhook.connection is None:
        raise NotFound("No connection uses this webhook any more.", resource_type="PlatformConnection")
    return webhook.connection


async def receive(
    context: ReceivingContext, entry: ConnectionEntry, request: InboundRequest
) -> WebhookAnswer:
    """Take in a webhook whose address was recognised; returns what the platform wants to read, after the commit.

    Raises `Unauthorized` for a wrong signature, `Unavailable` when it must be sent again.
    """
    return await receive_for(context, entry, context.registry.get(entry.provider), request)


async def receive_for(
    context: ReceivingContext, entry: ConnectionEntry, adapter: Adapter | None, request: InboundRequest
) -> WebhookAnswer:
    """Take in a webhook whose address is known to be right, as this adapter reads it."""
    if not entry.is_readable:
        # without its secrets nothing can be verified: the platform sends again until they are back
        raise Unavailable("The connection's credentials cannot be opened.")
    if adapter is None or not adapter.verify(request, entry.context):
        context.metrics.inbound_total.add(entry.channel.value, "refused")
        raise Unauthorized(NOT_AUTHENTIC)
    parsed = adapter.parse(request, entry.context)
    headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
    if len(parsed.items) > _MOST_ITEMS:
        raise PayloadTooLarge(
            f"A webhook may tell of at most {_MOST_ITEMS} things at once.", limit=_MOST_ITEMS
        )
    received = _Received(entry, request.body, orjson.dumps(shown_json(headers)).decode())
    has_room = len(parsed.items) * len(request.body) <= _MOST_COPIED
    other = received if has_room else _Received(entry, None, None)
    items = [
        await _item(context, other if number else received, item) for number, item in enumerate(parsed.items)
    ]
    codes = [_link_code(item) for item in parsed.items]
    # the whole body is sent again if one part fails, and what was stored of it is known as a repeat
    if any(codes) and await are_codes_wanted(context.identity, entry.application_id):
        answers = [
            await (append_with_code(context.identity, item, code) if code else context.appender.append(item))
            for item, code in zip(items, codes, strict=True)
        ]
    else:
        answers = await _append_together(context, items)
    _report(context, received, parsed.items, answers)
    return parsed.answer


async def _append_together(context: ReceivingContext, items: Sequence[Append]) -> list[Answer]:
    ends = await asyncio.gather(*(context.appender.append(item) for item in items), return_exceptions=True)
    answers: list[Answer] = []
    for end in ends:
        if isinstance(end, BaseException):
            raise end
        answers.append(end)
    return answers


def _link_code(item: InboundItem) -> str | None:
    """The link code in what somebody wrote."""
    if not isinstance(item, InboundMessage):
        return None
    for text in (item.content.get("text"), item.content.get("caption")):
        code = find_code(text) if isinstance(text, str) else None
        if code is not None:
            return code
    return None


async def _item(context: ReceivingContext, received: _Received, item: InboundItem) -> Append:
    match item:
        case InboundMessage():
            return await _message(context, received, item)
        case InboundReaction():
            return await _reaction(context, received, item)
        case InboundReceipt():
            return _receipt(context, received, item)
        case Unrecognised():
            return _unrecognised(context, received, item)
        case _:
            assert_never(item)


async def _message(context: ReceivingContext, received: _Received, message: InboundMessage) -> Append:
    entry = received.entry
    event_id = context.ids.new()
    at = time_of(event_id)
    external_id, sender_id = _shown(message.external_id), _shown(message.sender.external_id)
    files = [new_inbound_file(context.ids, event_id, entry.connection_id, one) for one in message.files]
    payload: JsonObject = {
        "type": "message",
        "message": message_with_media(message.content, files),
        "platform": entry.channel.value,
        "external_message_id": external_id,
        "created_at": shown_time(_believable(message.written_at, at)),
    }
    if message.conversation != message.sender.external_id:
        payload["conversation"] = _shown(message.conversation)
    person = platform_user_id(entry.identity_key, entry.connection_id, sender_id)
    name = None if message.sender.name is None else _shown(message.sender.name)
    edges = [
        EdgeView("sent_by", "platform_user", person, sender_id, name),
        EdgeView(
            "sent_to",
            "platform_user",
            entry.system_user.platform_user_id,
            entry.system_user.external_id,
            entry.system_user.name,
        ),
    ]
    edges += await _reply_edge(context, entry, message.reply_to_external_id)
    edges += [EdgeView("attachment", "file", file.id) for file in files]
    marks, mark_edges = await mark_received(
        context.marking, entry.application_id, person, event_id, (sender_id, name)
    )
    return Append(
        application_id=entry.application_id,
        event_id=event_id,
        events=(
            _event(
                context,
                received,
                event_id,
                INBOUND,
                payload,
                at,
                edges=edges,
                ordering_key=conversation_key(entry.connection_id, _shown(message.conversation)),
            ),
            *marks,
        ),
        edges=[*_edge_rows(context, event_id, edges), *mark_edges],
        once_key=_once_key(entry, message.dedupe_key),
        identities=(_identity(entry, message.sender, at),),
        receipts=(Receipt(event_id, entry.connection_id, external_id, event_id, None, at, None),),
        files=files,
    )


async def _reaction(context: ReceivingContext, received: _Received, reaction: InboundReaction) -> Append:
    entry = received.entry
    event_id = context.ids.new()
    at = time_of(event_id)
    sender_id = _shown(reaction.sender.external_id)
    name = None if reaction.sender.name is None else _shown(reaction.sender.name)
    payload: JsonObject = {
        "reaction": {"emoji": _shown(reaction.emoji), "message_id": _shown(reaction.external_id)},
        "platform": entry.channel.value,
    }
    person = platform_user_id(entry.identity_key, entry.connection_id, sender_id)
    edges = [
        EdgeView("sent_by", "platform_user", person, sender_id, name),
        *await _reply_edge(context, entry, reaction.external_id),
    ]
    return Append(
        application_id=entry.application_id,
        event_id=event_id,
        events=(
            _event(
                context,
                received,
                event_id,
                REACTION,
                payload,
                at,
                edges=edges,
                ordering_key=conversation_key(entry.connection_id, _shown(reaction.conversation)),
            ),
        ),
        edges=_edge_rows(context, event_id, edges),
        once_key=_once_key(entry, reaction.dedupe_key),
        identities=(_identity(entry, reaction.sender, at),),
    )


def _edge_rows(context: ReceivingContext, event_id: UUID, edges: Sequence[EdgeView]) -> list[NewEdge]:
    return [
        NewEdge(event_id, context.ids.new(), edge.edge_type, edge.target_type, edge.target_id)
        for edge in edges
    ]


def _identity(entry: ConnectionEntry, sender: Sender, at: datetime) -> NewIdentity:
    external_id = _shown(sender.external_id)
    return NewIdentity(
        platform_user_id=platform_user_id(entry.identity_key, entry.connection_id, external_id),
        user_id=user_id(entry.identity_key, entry.connection_id, external_id),
        connection_id=entry.connection_id,
        external_id=external_id,
        name=None if sender.name is None else _shown(sender.name),
        profile_picture_url=sender.profile_picture_url,
        is_system=False,
        created_at=at,
    )


def _receipt(context: ReceivingContext, received: _Received, receipt: InboundReceipt) -> Append:
    entry = received.entry
    event_id = context.ids.new()
    at = _believable(receipt.happened_at, time_of(event_id))
    state = MessageState[receipt.state.name]
    external_id = _shown(receipt.external_id)
    payload: JsonObject = {
        "status": state.word,
        "external_message_id": external_id,
        f"{state.word}_at": shown_time(at),
    }
    error: str | None = None
    if state == MessageState.FAILED:
        problem = {
            "code": (receipt.code or FailureCode.UNKNOWN).value,
            "message": _shown(receipt.detail or "The platform could not deliver the message."),
        }
        payload["error"] = problem
        error = orjson.dumps(problem).decode()
    return Append(
        application_id=entry.application_id,
        event_id=event_id,
        events=(_event(context, received, event_id, f"message.{state.word}", payload, time_of(event_id)),),
        once_key=_once_key(entry, receipt.dedupe_key),
        receipts=(Receipt(event_id, entry.connection_id, external_id, None, state, at, error),),
        is_new_fact=False,
    )


def _unrecognised(context: ReceivingContext, received: _Received, item: Unrecognised) -> Append:
    entry = received.entry
    event_id = context.ids.new()
    payload: JsonObject = {
        "platform": entry.channel.value,
        "provider": entry.provider,
        "platform_connection_id": str(entry.connection_id),
        "note": _shown(item.note),
    }
    return Append(
        application_id=entry.application_id,
        event_id=event_id,
        events=(_event(context, received, event_id, UNRECOGNISED, payload, time_of(event_id)),),
        once_key=None if item.dedupe_key is None else _once_key(entry, item.dedupe_key),
    )


def _event(
    context: ReceivingContext,
    received: _Received,
    event_id: UUID,
    event_type: str,
    payload: JsonObject,
    at: datetime,
    *,
    edges: Sequence[EdgeView] = (),
    ordering_key: int | None = None,
) -> NewEvent:
    application_id = received.entry.application_id
    text = orjson.dumps(payload).decode()
    shared = fragment(
        application_id=application_id,
        event_id=event_id,
        event_type=event_type,
        payload=with_media_url(text, partial(context.file_url, application_id)),
        edges=edges,
        created_at=at,
    )
    return NewEvent(
        application_id,
        event_id,
        event_type,
        text,
        ordering_key=ordering_key,
        fragment=shared,
        raw=received.raw,
        raw_headers=received.raw_headers,
    )


async def _reply_edge(
    context: ReceivingContext, entry: ConnectionEntry, external_id: str | None
) -> list[EdgeView]:
    if external_id is None:
        return []
    with faults_as_unavailable():
        event_id = await queries.select_event_of_external_id(
            context.pool, entry.application_id, entry.connection_id, _shown(external_id)
        )
    return [] if event_id is None else [EdgeView("reply_to", "event", event_id)]


def _once_key(entry: ConnectionEntry, dedupe_key: str) -> OnceKey:
    key = _shown(dedupe_key)
    if len(key) > _LONGEST_KEY:
        # an index holds no more; two long keys may begin alike
        key = hash_secret(key).hex()
    return OnceKey(f"inbound:{entry.connection_id}", key, None, _DEDUPE_HOURS)


def _believable(told: datetime | None, received: datetime) -> datetime:
    """The platform's time, or ours where it tells none that can be right."""
    return told if told is not None and _EARLIEST <= told <= received + _MOST_AHEAD else received


def _shown(text: str) -> str:
    shown = shown_json(text)
    return shown if isinstance(shown, str) else str(shown)


def _report(
    context: ReceivingContext, received: _Received, items: Sequence[InboundItem], answers: Sequence[Answer]
) -> None:
    entry = received.entry
    duplicates = sum(answer.verdict == Verdict.DUPLICATE for answer in answers)
    is_repeat = bool(answers) and duplicates == len(answers)
    context.metrics.inbound_total.add(entry.channel.value, "repeated" if is_repeat else "ok")
    log.wide(
        "webhook.received",
        application_id=entry.application_id,
        connection_id=entry.connection_id,
        provider=entry.provider,
        items=len(items),
        duplicates=duplicates,
        kinds=sorted({type(item).__name__ for item in items}),
    )
