"""One claimed draft at a time becomes a message: said to be sending, rendered, appended, tied to its message.

Each step is committed before the next, and each can be done again: the append is known by its once key, the draft's
id, so that whoever repeats it hears of the first message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson
from msgspec import structs

from outrider.core.errors import AppError, Unavailable
from outrider.core.storable import shown_json
from outrider.events.values import Append, NewEvent, OnceKey, Verdict
from outrider.messaging import recording
from outrider.messaging.contents import CheckedContent
from outrider.messaging.sending import build_item
from outrider.messaging.submissions.bodies import Bodies, checked_bodies
from outrider.messaging.submissions.building import rendered_payload
from outrider.messaging.submissions.values import RENDERED
from outrider.messaging.suppression_lookup import Addressee
from outrider.messaging.values import SendRequest
from outrider.outreach.drafts import cross_tenant, queries
from outrider.outreach.drafts.composing import compose
from outrider.outreach.drafts.context import DraftsContext
from outrider.outreach.drafts.cross_tenant import ClaimedDraft
from outrider.outreach.drafts.history import append_history
from outrider.outreach.drafts.values import Draft, Recipient
from outrider.platforms.base import Adapter, Channel, FailureCode, JsonObject
from outrider.templates.values import Rendering
from outrider.tenancy.actors import Actor, ActorKind, Environment, Scope
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.tenancy.context import settings_transaction

SCOPE: Final = "draft"
# A draft that was appended is known for as long as anybody could still try to send it.
_KEY_HOURS: Final = 10 * 365 * 24
_LONGEST_MESSAGE: Final = 2_000


class Unsendable(Exception):
    """The draft cannot be sent as it is: `code` and the message say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class MailboxUnusable(Unavailable):
    """The mailbox was disabled or removed, or its credentials cannot be opened."""


@dataclass(frozen=True, slots=True)
class ReadyDraft:
    """A draft that is being sent, with whom it goes to and who sends it."""

    claimed: ClaimedDraft
    draft: Draft
    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Route:
    """The connection that sends, and its adapter."""

    entry: ConnectionEntry
    adapter: Adapter


async def find_route(context: DraftsContext, claimed: ClaimedDraft) -> Route:
    """Find what sends a draft: its mailbox, its list's, or the application's default.

    Raises `Unsendable` if there is none, and `MailboxUnusable` if it cannot be used for now.
    """
    backend = await context.backends.backend(_actor(claimed), Channel.EMAIL, claimed.account_id)
    if backend is None:
        raise Unsendable(
            "MAILBOX_MISSING",
            "There is no mailbox to send with: the draft and its list name none that is there, and the application "
            "has no default for mail.",
        )
    entry = await context.sending.connections.get(claimed.application_id, backend.connection_id)
    adapter = None if entry is None else context.sending.registry.get(entry.provider)
    if entry is None or adapter is None or not entry.is_active or not entry.is_readable:
        raise MailboxUnusable(f"The mailbox {backend.identifier} cannot be used now.")
    return Route(entry, adapter)


async def begin_drafts(
    context: DraftsContext, organisation_id: UUID, claimed: Sequence[ClaimedDraft]
) -> Sequence[ReadyDraft]:
    """Say that drafts of one organisation, all of one claim, are being sent; those that were taken back are left out.

    What is given is what was approved: nobody can change it any more.
    """
    by_id = {one.id: one for one in claimed}
    claim = claimed[0].claim
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        begun = await queries.begin_sending(connection, organisation_id, sorted(by_id), claim)
        drafts = await queries.select_drafts(connection, organisation_id, sorted(begun))
        ready: list[ReadyDraft] = []
        for draft in drafts:
            recipient = await queries.select_recipient(
                connection, organisation_id, draft.contact_id, draft.list_id
            )
            assert recipient is not None
            ready.append(ReadyDraft(by_id[draft.id], draft, recipient))
        new = [draft for draft in drafts if begun[draft.id]]
        await append_history(context.tenancy, connection, "system.draft.sending", new, by=SERVER)
    return ready


async def send_draft(context: DraftsContext, ready: ReadyDraft) -> UUID | None:
    """Append the message of a draft that is being sent, once, and tie it; None if it has failed.

    Raises `Unavailable`, and faults of the database: then it is to be tried again.
    """
    draft = ready.draft
    message_id = await cross_tenant.find_message(
        context.sending.pool, draft.application_id, SCOPE, str(draft.id)
    )
    if message_id is None:
        try:
            message_id = await append_draft(context, ready)
        except Unavailable:
            raise
        except (AppError, Unsendable) as refusal:
            await _fail(context, ready, refusal.code, refusal.message)
            return None
    await cross_tenant.tie_message(
        context.sending.pool, draft.organisation_id, draft.application_id, draft.id, message_id
    )
    return message_id


async def append_draft(context: DraftsContext, ready: ReadyDraft) -> UUID:
    """Append the message of a draft, or find it appended; raises an `AppError` if it is refused."""
    item = await _item(context, ready)
    answer = await context.sending.appender.append(item)
    match answer.verdict:
        case Verdict.APPENDED:
            return item.event_id
        case Verdict.DUPLICATE if answer.stored_id is not None:
            return answer.stored_id
        case _:
            # its connection went away just now
            raise MailboxUnusable


async def _item(context: DraftsContext, ready: ReadyDraft) -> Append:
    draft, sending = ready.draft, context.sending
    route = await find_route(context, ready.claimed)
    rendering = await compose(context.render, _actor(ready.claimed), draft.content, ready.recipient)
    bodies = await checked_bodies(Channel.EMAIL, rendering, route.adapter.manifest)
    address = route.adapter.normalise_address(draft.contact_email)
    if address is None:
        message = f"{draft.contact_email[:80]!r} is no address that the mailbox sends to."
        raise Unsendable(FailureCode.RECIPIENT_NOT_FOUND.value, message)
    once_key = OnceKey(SCOPE, str(draft.id), None, _KEY_HOURS)
    if not draft.ignores_suppression:
        await sending.suppression_lookup.refuse(
            Addressee(draft.application_id, Channel.EMAIL, address, once_key)
        )
    item = build_item(
        sending,
        route.entry,
        route.adapter,
        SendRequest(connection_id=route.entry.connection_id, recipient=address, metadata=_metadata(bodies)),
        CheckedContent(_content(bodies)),
        address,
        is_sandbox=False,
        facts={"draft_id": str(draft.id), "contact_id": str(draft.contact_id)},
    )
    return structs.replace(
        item, once_key=once_key, events=(*item.events, *_rendered(context, item, rendering))
    )


def _rendered(context: DraftsContext, item: Append, rendering: Rendering) -> Sequence[NewEvent]:
    if rendering.template is None:
        return ()
    payload = rendered_payload(rendering, datetime.now(UTC))
    return (recording.child(context.sending.ids, item.application_id, RENDERED, payload, item.event_id),)


def _content(bodies: Bodies) -> JsonObject:
    content: JsonObject = {"text": bodies.text, "role": "assistant", "type": "text"}
    return content if bodies.html is None else {**content, "html": bodies.html}


def _metadata(bodies: Bodies) -> JsonObject:
    told = {"subject": bodies.subject, "from": bodies.sender}
    return {name: value for name, value in told.items() if value is not None}


async def _fail(context: DraftsContext, ready: ReadyDraft, code: str, message: str) -> None:
    draft, claimed = ready.draft, ready.claimed
    failure: JsonObject = {"code": code, "message": shown_json(message[:_LONGEST_MESSAGE])}
    async with settings_transaction(context.tenancy, draft.organisation_id) as connection:
        text = orjson.dumps(failure).decode()
        if not await queries.fail_draft(connection, draft.organisation_id, draft.id, claimed.claim, text):
            return
        failed = await queries.select_drafts(connection, draft.organisation_id, [draft.id])
        await append_history(
            context.tenancy,
            connection,
            "system.draft.failed",
            failed,
            by=SERVER,
            more={"error": failure},
        )


class _Server:
    """The server itself, at work that somebody approved."""

    @property
    def told_as(self) -> JsonObject:
        """The `by` of an event."""
        return {"type": ActorKind.SYSTEM.value}


SERVER: Final = _Server()


def _actor(claimed: ClaimedDraft) -> Actor:
    return Actor(
        organisation_id=claimed.organisation_id,
        application_id=claimed.application_id,
        key_id=claimed.id,
        scopes=frozenset({Scope.ALL.value}),
        environment=Environment.LIVE,
        kind=ActorKind.SYSTEM,
    )
