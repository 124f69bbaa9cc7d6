"""Sending a failed message again: as a new message, which says for which one it goes out."""

from typing import cast
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound
from outrider.events.values import MessageState
from outrider.messaging import queries
from outrider.messaging.contents import CheckedContent
from outrider.messaging.errors import NotResendable
from outrider.messaging.sending import SANDBOX, Prepared, SendingContext, build_item, carry_out
from outrider.messaging.suppression_lookup import Addressee
from outrider.messaging.values import OutboundCargo, SendRequest, SendResult
from outrider.platforms.base import JsonObject
from outrider.tenancy.actors import Actor, Environment, Scope
from outrider.tenancy.connection_directory import ConnectionEntry


async def resend_message(
    context: SendingContext, actor: Actor, event_id: UUID, *, wait: bool = True
) -> SendResult:
    """Send what a failed message said, to whom it was for, over the same connection.

    The new message has an edge `resend_of` to the failed one, whose state stays what it is. It is made once:
    another call within 24 hours answers the same new message. If that fails, it can be sent again itself.
    """
    actor.require(Scope.EVENTS_WRITE)
    with faults_as_unavailable():
        message = await queries.select_message(context.pool, actor.application_id, event_id)
        connection_id = await queries.select_message_connection(context.pool, actor.application_id, event_id)
        sent = await queries.select_sent(context.pool, actor.application_id, event_id)
    if message is None or connection_id is None or sent is None:
        raise NotFound("Message not found.", resource_type="Message", resource_id=str(event_id))
    if message.state != MessageState.FAILED.word:
        raise NotResendable(state=message.state)
    entry = await context.connections.get(actor.application_id, connection_id)
    if entry is None or not entry.is_active:
        raise NotFound(
            "Platform connection not found.",
            resource_type="PlatformConnection",
            resource_id=str(connection_id),
        )
    prepared = _prepared(context, actor, entry, event_id, sent, wait=wait)
    if not prepared.request.is_sandbox:
        await context.suppression_lookup.refuse(
            Addressee(entry.application_id, entry.channel, sent.recipient, prepared.item.once_key)
        )
    return await carry_out(context, actor, prepared)


def _prepared(
    context: SendingContext,
    actor: Actor,
    entry: ConnectionEntry,
    event_id: UUID,
    sent: OutboundCargo,
    *,
    wait: bool,
) -> Prepared:
    is_sandbox = sent.payload.get("sandbox") is True or actor.environment == Environment.TEST
    adapter = context.registry.get(SANDBOX if is_sandbox else entry.provider)
    assert adapter is not None, "the directory knows only connections of known providers"
    metadata = sent.payload.get("metadata")
    request = SendRequest(
        connection_id=entry.connection_id,
        recipient=sent.recipient,
        metadata=cast("JsonObject | None", metadata),
        file_ids=[edge.target_id for edge in sent.edges if edge.edge_type == "attachment"],
        is_sandbox=is_sandbox,
        reply_to_event_id=next((edge.target_id for edge in sent.edges if edge.edge_type == "reply_to"), None),
        wait=wait,
        resend_of_event_id=event_id,
    )
    content = CheckedContent(cast("JsonObject", sent.payload["message"]), tuple(request.file_ids))
    item = build_item(context, entry, adapter, request, content, sent.recipient, is_sandbox=is_sandbox)
    return Prepared(item, request)
