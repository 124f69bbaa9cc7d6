"""What a platform told as items to append: one for each message, reaction, receipt, and thing that nobody knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.hashing import hash_secret
from outrider.core.ids import IdClock, time_of
from outrider.core.metrics import Metrics
from outrider.core.storable import shown_json
from outrider.events.appending import Appender
from outrider.events.bodies import EdgeView, fragment, shown_time
from outrider.events.values import (
    Append,
    MessageState,
    NewEdge,
    NewEvent,
    NewIdentity,
    OnceKey,
    Receipt,
)
from outrider.files.incoming import message_with_media, new_inbound_file
from outrider.files.media_payloads import with_media_url
from outrider.identity.committing import IdentityContext
from outrider.messaging.auto_marking import AutoMarking, mark_received
from outrider.messaging.conversations import conversation_key
from outrider.platforms.base import (
    FailureCode,
    InboundItem,
    InboundMessage,
    InboundReaction,
    JsonObject,
    Sender,
    Unrecognised,
)
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.registry import Registry
from outrider.tenancy.connection_directory import ConnectionDirectory, ConnectionEntry
from outrider.tenancy.derived_ids import platform_user_id, user_id
from outrider.webhooks import queries

INBOUND = "message.inbound"
REACTION = "message.reaction"
UNRECOGNISED = "system.webhook.unrecognised"
_DEDUPE_HOURS = 30 * 24
_LONGEST_KEY = 500
# Nobody sent messages before, and no clock is a day fast: such a time of a platform is a mistake.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_MOST_AHEAD = timedelta(days=1)
# What moves a message's state; the other receipts are events beside it.
_MOVED: Mapping[ReceiptState, MessageState] = MappingProxyType(
    {
        ReceiptState.SENT: MessageState.SENT,
        ReceiptState.FAILED: MessageState.FAILED,
        ReceiptState.DELIVERED: MessageState.DELIVERED,
        ReceiptState.READ: MessageState.READ,
    }
)


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
class Received:
    """One webhook at work: its connection and what is kept of it."""

    entry: ConnectionEntry
    raw: bytes | None
    raw_headers: str | None


async def item_of(context: ReceivingContext, received: Received, item: InboundItem) -> Append:
    """All that one thing which a webhook tells of writes."""
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


async def _message(context: ReceivingContext, received: Received, message: InboundMessage) -> Append:
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


async def _reaction(context: ReceivingContext, received: Received, reaction: InboundReaction) -> Append:
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


def _receipt(context: ReceivingContext, received: Received, receipt: InboundReceipt) -> Append:
    entry = received.entry
    event_id = context.ids.new()
    at = _believable(receipt.happened_at, time_of(event_id))
    word, external_id = receipt.state.value, _shown(receipt.external_id)
    payload: JsonObject = {
        "status": word,
        "external_message_id": external_id,
        f"{word}_at": shown_time(at),
        **_told(receipt),
    }
    error: str | None = None
    if receipt.state is ReceiptState.FAILED:
        problem = {
            "code": (receipt.code or FailureCode.UNKNOWN).value,
            "message": _shown(receipt.detail or "The platform could not deliver the message."),
        }
        payload["error"] = problem
        error = orjson.dumps(problem).decode()
    return Append(
        application_id=entry.application_id,
        event_id=event_id,
        events=(_event(context, received, event_id, f"message.{word}", payload, time_of(event_id)),),
        once_key=_once_key(entry, receipt.dedupe_key),
        receipts=(
            Receipt(event_id, entry.connection_id, external_id, None, _MOVED.get(receipt.state), at, error),
        ),
        is_new_fact=False,
    )


def _told(receipt: InboundReceipt) -> JsonObject:
    """What not every receipt tells; `permanent` says that nothing should be sent to this recipient again."""
    told: JsonObject = {}
    if receipt.state in {ReceiptState.FAILED, ReceiptState.COMPLAINED, ReceiptState.UNSUBSCRIBED}:
        told["permanent"] = receipt.is_permanent
    if receipt.recipient is not None:
        told["recipient"] = _shown(receipt.recipient)
    if receipt.url is not None:
        told["url"] = _shown(receipt.url)
    return told


def _unrecognised(context: ReceivingContext, received: Received, item: Unrecognised) -> Append:
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
    received: Received,
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
