"""The operations behind the mutations; the process fills them in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.errors import AppError
from outrider.events.creating import NewCustomEvent
from outrider.messaging.values import SendRequest, SendResult
from outrider.tenancy.actors import Actor
from outrider.tenancy.connections import CreatedConnection, NewConnection
from outrider.webhooks.subscriptions import CreatedSubscription, NewSubscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What the mutations call, each with the one who acts first; they raise `AppError` to refuse."""

    send: Callable[[Actor, SendRequest], Awaitable[SendResult]]
    send_many: Callable[[Actor, Sequence[SendRequest | AppError]], Awaitable[list[SendResult | AppError]]]
    cancel: Callable[[Actor, UUID], Awaitable[SendResult]]
    create_event: Callable[[Actor, NewCustomEvent], Awaitable[UUID]]
    mark_conversation_read: Callable[[Actor, UUID, UUID | None], Awaitable[UUID]]
    create_connection: Callable[[Actor, NewConnection], Awaitable[CreatedConnection]]
    create_subscription: Callable[[Actor, NewSubscription], Awaitable[CreatedSubscription]]
