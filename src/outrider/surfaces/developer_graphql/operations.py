"""The operations behind the mutations; the process fills them in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from outrider.core.errors import AppError
from outrider.events.creating import NewCustomEvent
from outrider.events.logs.creating import NewLog
from outrider.events.logs.cross_tenant import LogEntry
from outrider.events.schemas import EventSchema, EventSchemaChange, NewEventSchema
from outrider.files.values import StoredFile
from outrider.identity.values import (
    Activation,
    LinkCode,
    Merge,
    NewPlatformUser,
    PlatformUser,
    PlatformUserChanges,
    User,
)
from outrider.messaging.resolving import Resolution
from outrider.messaging.values import SendRequest, SendResult
from outrider.platforms.base import Channel
from outrider.tenancy.actors import Actor
from outrider.tenancy.application_settings import ApplicationChanges, ApplicationView
from outrider.tenancy.checking_connections import ConnectionCheck
from outrider.tenancy.connections import CreatedConnection, NewConnection
from outrider.tenancy.managing_connections import ConnectionChanges, ConnectionView
from outrider.webhooks.managing import SentTest, SubscriptionChanges, SubscriptionView
from outrider.webhooks.subscriptions import CreatedSubscription, NewSubscription


class ResolveMessage(Protocol):
    """Say what became of a message."""

    def __call__(
        self, actor: Actor, event_id: UUID, resolution: Resolution, /, *, external_id: str | None
    ) -> Awaitable[SendResult]: ...


class CreateUser(Protocol):
    """Create a user."""

    def __call__(self, actor: Actor, /, *, name: str | None) -> Awaitable[User]: ...


class UpdateUser(Protocol):
    """Name a user."""

    def __call__(self, actor: Actor, user_id: UUID, /, *, name: str | None) -> Awaitable[User]: ...


class CreateFile(Protocol):
    """Fetch a file from a URL."""

    def __call__(
        self, actor: Actor, url: str, /, *, filename: str | None, mime_type: str | None
    ) -> Awaitable[StoredFile]: ...


class StoreFile(Protocol):
    """Keep an uploaded file."""

    def __call__(
        self, actor: Actor, content: bytes, /, *, filename: str | None, mime_type: str | None
    ) -> Awaitable[StoredFile]: ...


class GenerateLinkCode(Protocol):
    """Make a code."""

    def __call__(
        self, actor: Actor, platform_user_id: UUID, /, *, expiry_minutes: int, max_uses: int
    ) -> Awaitable[LinkCode]: ...


class AddSuppression(Protocol):
    """Send nothing to an address any more."""

    def __call__(
        self, actor: Actor, channel: Channel, address: str, /, *, note: str | None
    ) -> Awaitable[UUID]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What the mutations call, each with the one who acts first; they raise `AppError` to refuse."""

    send: Callable[[Actor, SendRequest], Awaitable[SendResult]]
    send_many: Callable[[Actor, Sequence[SendRequest | AppError]], Awaitable[list[SendResult | AppError]]]
    cancel: Callable[[Actor, UUID], Awaitable[SendResult]]
    resend: Callable[[Actor, UUID], Awaitable[SendResult]]
    resolve: ResolveMessage
    mark_conversation_read: Callable[[Actor, UUID, UUID | None], Awaitable[UUID]]
    create_event: Callable[[Actor, NewCustomEvent], Awaitable[UUID]]
    create_events: Callable[
        [Actor, Sequence[NewCustomEvent | AppError]], Awaitable[Sequence[UUID | AppError]]
    ]
    create_event_schema: Callable[[Actor, NewEventSchema], Awaitable[EventSchema]]
    update_event_schema: Callable[[Actor, EventSchemaChange], Awaitable[EventSchema]]
    create_log: Callable[[Actor, NewLog], Awaitable[LogEntry]]
    create_file: CreateFile
    store_file: StoreFile

    create_user: CreateUser
    update_user: UpdateUser
    create_platform_user: Callable[[Actor, NewPlatformUser], Awaitable[PlatformUser]]
    update_platform_user: Callable[[Actor, UUID, PlatformUserChanges], Awaitable[PlatformUser]]
    merge_users: Callable[[Actor, UUID, UUID], Awaitable[Merge]]
    generate_link_code: GenerateLinkCode
    activate_link_code: Callable[[Actor, str, UUID], Awaitable[Activation]]

    add_suppression: AddSuppression
    remove_suppression: Callable[[Actor, UUID], Awaitable[UUID]]

    update_application: Callable[[Actor, ApplicationChanges], Awaitable[ApplicationView]]
    create_connection: Callable[[Actor, NewConnection], Awaitable[CreatedConnection]]
    update_connection: Callable[[Actor, UUID, ConnectionChanges], Awaitable[ConnectionView]]
    delete_connection: Callable[[Actor, UUID], Awaitable[None]]
    check_connection: Callable[[Actor, UUID], Awaitable[ConnectionCheck]]

    create_subscription: Callable[[Actor, NewSubscription], Awaitable[CreatedSubscription]]
    update_subscription: Callable[[Actor, UUID, SubscriptionChanges], Awaitable[SubscriptionView]]
    pause_subscription: Callable[[Actor, UUID], Awaitable[None]]
    resume_subscription: Callable[[Actor, UUID], Awaitable[None]]
    delete_subscription: Callable[[Actor, UUID], Awaitable[None]]
    rotate_subscription_secret: Callable[[Actor, UUID, str | None], Awaitable[str]]
    send_test_event: Callable[[Actor, UUID], Awaitable[SentTest]]
    retry_delivery: Callable[[Actor, UUID], Awaitable[None]]
