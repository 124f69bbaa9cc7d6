"""Receiving from platforms: verify the raw bytes, parse, append, and answer only after the commit.

A repeated webhook (same connection and dedupe key) changes nothing and still answers 200. Overload or a
missing database answers 503, which every platform repeats.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.errors import NotFound, PayloadTooLarge, Unauthorized, Unavailable
from outrider.core.hashing import hash_secret, secrets_equal
from outrider.core.storable import shown_json
from outrider.events.values import (
    Answer,
    Append,
    Verdict,
)
from outrider.identity.activating import append_with_code, are_codes_wanted
from outrider.identity.code_texts import find_code
from outrider.platforms.base import (
    Adapter,
    Deferred,
    InboundItem,
    InboundMessage,
    InboundRequest,
    WebhookAnswer,
)
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.webhooks.inbound_items import Received, ReceivingContext, item_of

# One answer to everything: which part is wrong is nobody's business.
NOT_AUTHENTIC = "The webhook is not authentic: its address, secret or signature is wrong."
# What the largest batches of vendors hold; and how much of a body is kept with every event that it caused.
_MOST_ITEMS = 1_000
_MOST_COPIED = 4_000_000
_KEPT_HEADERS = ("content-type", "user-agent")


async def recognise(context: ReceivingContext, webhook_id: UUID, secret: str) -> ConnectionEntry:
    """Find whose webhook this is, before anything of its body is read.

    Raises `Unauthorized` for an unknown address and a wrong secret alike, `NotFound` where no connection uses
    the account any more.
    """
    webhook = await context.connections.by_webhook(webhook_id)
    # an unknown address takes the same comparison as a wrong secret
    known = (webhook.secret_hash, *webhook.callback_hashes) if webhook is not None else (bytes(32),)
    given = hash_secret(secret)
    is_known = [secrets_equal(given, one) for one in known]  # each is compared, whichever it is
    if not any(is_known) or webhook is None:
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
    if adapter is None or not await _is_authentic(adapter, entry, request):
        context.metrics.inbound_total.add(entry.channel.value, "refused")
        raise Unauthorized(NOT_AUTHENTIC)
    parsed = adapter.parse(request, entry.context)
    headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
    if len(parsed.items) > _MOST_ITEMS:
        raise PayloadTooLarge(
            f"A webhook may tell of at most {_MOST_ITEMS} things at once.", limit=_MOST_ITEMS
        )
    received = Received(entry, request.body, orjson.dumps(shown_json(headers)).decode())
    has_room = len(parsed.items) * len(request.body) <= _MOST_COPIED
    other = received if has_room else Received(entry, None, None)
    items = [
        await item_of(context, other if number else received, item)
        for number, item in enumerate(parsed.items)
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
    if parsed.confirm is not None and not await parsed.confirm():
        raise Unavailable("The platform did not take our confirmation.")
    return parsed.answer


async def _is_authentic(adapter: Adapter, entry: ConnectionEntry, request: InboundRequest) -> bool:
    verdict = await adapter.verify(request, entry.context)
    if isinstance(verdict, Deferred):
        raise Unavailable(f"The webhook could not be verified: {verdict.detail}.")
    return verdict


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


def _report(
    context: ReceivingContext, received: Received, items: Sequence[InboundItem], answers: Sequence[Answer]
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
