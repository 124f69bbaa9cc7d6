"""What members do with subscriptions: of one application, or of the whole organisation.

A subscription of the whole organisation stands in its hidden application. It gets the events of every application, of
those to come too, and the organisation's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import ValidationError
from outrider.tenancy.actors import Actor
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember, actor_in
from outrider.tenancy.members.roles import Permission
from outrider.webhooks import deliveries, managing, queries_managing, subscriptions
from outrider.webhooks.deliveries import AttemptView, DeliveryView, shown_delivery
from outrider.webhooks.managing import SentTest, SubscriptionChanges
from outrider.webhooks.patterns import OUTBOUND
from outrider.webhooks.queries_managing import AdministeredRow, PlacedDelivery
from outrider.webhooks.subscriptions import NewSubscription, missing_subscription

MOST_OF_ORGANISATION: Final = 100
"""Subscriptions of a whole organisation: each has its patterns in every application."""
MOST_DELIVERIES: Final = 50
TESTED: Final = "system.subscription.tested"
_BEYOND: Final = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministeredSubscription:
    """A subscription that was not deleted; without `application_id` it is the whole organisation's."""

    id: UUID
    application_id: UUID | None
    name: str
    target_url: str
    event_patterns: Sequence[str]
    family: str
    status: str
    status_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AdministeredDelivery:
    """A delivery to a subscription; `application_id` is None for an event of the organisation's own."""

    application_id: UUID | None
    delivery: DeliveryView


@dataclass(frozen=True, slots=True)
class SubscriptionWithSecret:
    """A subscription, and what is told once."""

    subscription: AdministeredSubscription
    secret: str

    def __repr__(self) -> str:
        return f"SubscriptionWithSecret({self.subscription!r})"


async def list_subscriptions(
    context: TenancyContext, member: ActingMember
) -> Sequence[AdministeredSubscription]:
    """List the subscriptions of all applications and of the organisation, the oldest first."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        rows = await queries_managing.select_all_subscriptions(connection, member.organisation_id)
    return [_view(row) for row in rows]


async def subscribe(
    context: TenancyContext, member: ActingMember, application_id: UUID | None, new: NewSubscription
) -> SubscriptionWithSecret:
    """Subscribe an endpoint to an application's events, or to all of the organisation."""
    member.require(Permission.SETTINGS)
    if application_id is not None:
        actor = await actor_in(context, member, application_id)
    else:
        actor = await _whole(context, member, new)
    created = await subscriptions.create_subscription(context, actor, new)
    return SubscriptionWithSecret(await _found(context, member, created.id), created.secret)


async def change_subscription(
    context: TenancyContext, member: ActingMember, subscription_id: UUID, changes: SubscriptionChanges
) -> AdministeredSubscription:
    """Change a subscription; what is None stays."""
    actor, _ = await _reached(context, member, subscription_id)
    await managing.update_subscription(context, actor, subscription_id, changes)
    return await _found(context, member, subscription_id)


async def pause(
    context: TenancyContext, member: ActingMember, subscription_id: UUID
) -> AdministeredSubscription:
    """Match nothing more until it is resumed."""
    actor, _ = await _reached(context, member, subscription_id)
    await subscriptions.pause_subscription(context, actor, subscription_id)
    return await _found(context, member, subscription_id)


async def resume(
    context: TenancyContext, member: ActingMember, subscription_id: UUID
) -> AdministeredSubscription:
    """Match events again, from now on."""
    actor, _ = await _reached(context, member, subscription_id)
    await subscriptions.resume_subscription(context, actor, subscription_id)
    return await _found(context, member, subscription_id)


async def unsubscribe(
    context: TenancyContext, member: ActingMember, subscription_id: UUID
) -> AdministeredSubscription:
    """Delete a subscription; gives it as it was."""
    actor, view = await _reached(context, member, subscription_id)
    await managing.delete_subscription(context, actor, subscription_id)
    return replace(view, status="deleted")


async def rotate_secret(
    context: TenancyContext, member: ActingMember, subscription_id: UUID, secret: str | None
) -> SubscriptionWithSecret:
    """Sign with a new secret, for a while with the present one too where a signature can be of both."""
    actor, _ = await _reached(context, member, subscription_id)
    new = await subscriptions.rotate_subscription_secret(context, actor, subscription_id, secret)
    return SubscriptionWithSecret(await _found(context, member, subscription_id), new)


async def send_test(context: TenancyContext, member: ActingMember, subscription_id: UUID) -> SentTest:
    """Send a test event to this subscription alone."""
    actor, view = await _reached(context, member, subscription_id)
    sent = await managing.send_test_event(context, actor, subscription_id)
    if view.application_id is not None:
        # of the whole organisation's, the test event itself stands in the organisation's log
        payload = {"subscription_id": subscription_id, "event_id": sent.event_id}
        async with settings_transaction(context, member.organisation_id) as connection:
            await append_audit(context, connection, member.organisation_id, TESTED, payload, by=member)
    return sent


async def list_deliveries(
    context: TenancyContext,
    member: ActingMember,
    subscription_id: UUID,
    *,
    first: int,
    before: UUID | None,
) -> Sequence[AdministeredDelivery]:
    """List the newest deliveries to a subscription, or those before one of them; none to one that is missing."""
    member.require(Permission.READ)
    if not 1 <= first <= MOST_DELIVERIES:
        raise ValidationError(f"first must be a number from 1 to {MOST_DELIVERIES}.", path="first")
    with faults_as_unavailable():
        rows = await queries_managing.select_deliveries_of(
            context.database.reads,
            member.organisation_id,
            subscription_id,
            before=before or _BEYOND,
            limit=first,
        )
    return [_shown(member, one) for one in rows]


async def retry(context: TenancyContext, member: ActingMember, delivery_id: UUID) -> AdministeredDelivery:
    """Put a delivery that has failed or was dropped back into the queue, to whichever endpoint it goes."""
    member.require(Permission.SETTINGS)
    placed = await _placed(context, member, delivery_id)
    await managing.retry_delivery(context, member.in_application(placed.application_id), delivery_id)
    return _shown(member, await _placed(context, member, delivery_id))


async def list_attempts(
    context: TenancyContext, member: ActingMember, delivery: AdministeredDelivery
) -> Sequence[AttemptView]:
    """List the attempts of a delivery, the first one first."""
    actor = member.in_application(delivery.application_id or member.hidden_application_id)
    return await deliveries.list_attempts(context, actor, delivery.delivery.id)


async def _placed(context: TenancyContext, member: ActingMember, delivery_id: UUID) -> PlacedDelivery:
    with faults_as_unavailable():
        placed = await queries_managing.select_placed(
            context.database.reads, member.organisation_id, delivery_id
        )
    if placed is None:
        raise deliveries.missing_delivery(delivery_id)
    return placed


def _shown(member: ActingMember, placed: PlacedDelivery) -> AdministeredDelivery:
    is_own = placed.application_id == member.hidden_application_id
    return AdministeredDelivery(None if is_own else placed.application_id, shown_delivery(placed.delivery))


async def _whole(context: TenancyContext, member: ActingMember, new: NewSubscription) -> Actor:
    if new.family != OUTBOUND:
        raise ValidationError(
            "Only a subscription of the family OUTBOUND can be the whole organisation's: others need an applicationId.",
            path="applicationId",
        )
    actor = member.in_application(member.hidden_application_id)
    async with settings_transaction(context, member.organisation_id) as connection:
        count = await queries_managing.count_subscriptions(
            connection, member.organisation_id, actor.application_id
        )
    if count >= MOST_OF_ORGANISATION:
        raise ValidationError(f"An organisation has at most {MOST_OF_ORGANISATION} subscriptions of its own.")
    return actor


async def _reached(
    context: TenancyContext, member: ActingMember, subscription_id: UUID
) -> tuple[Actor, AdministeredSubscription]:
    """The member as the actor that it is where a subscription stands."""
    member.require(Permission.SETTINGS)
    view = await _found(context, member, subscription_id)
    return member.in_application(view.application_id or member.hidden_application_id), view


async def _found(
    context: TenancyContext, member: ActingMember, subscription_id: UUID
) -> AdministeredSubscription:
    async with settings_transaction(context, member.organisation_id) as connection:
        row = await queries_managing.select_administered(connection, member.organisation_id, subscription_id)
    if row is None:
        raise missing_subscription(subscription_id)
    return _view(row)


def _view(row: AdministeredRow) -> AdministeredSubscription:
    return AdministeredSubscription(
        id=row.id,
        application_id=row.application_id,
        name=row.name,
        target_url=row.target_url,
        event_patterns=row.patterns,
        family=row.family,
        status=row.status,
        status_reason=row.status_reason,
        failing_since=row.failing_since,
        created_at=row.created_at,
    )
