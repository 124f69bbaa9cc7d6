"""Subscriptions that exist: shown, changed, deleted, tried out with a test event; deliveries tried again.

A change of the patterns holds from a position on, like a new subscription: what was committed before it matched
what was wanted before. Deliveries that wait go to the target as it is when they go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from outrider.core.database.pools import Connection
from outrider.core.errors import ValidationError
from outrider.core.ids import time_of
from outrider.events.bodies import fragment
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.naming import checked_name
from outrider.webhooks import queries, queries_managing
from outrider.webhooks.deliveries import missing_delivery
from outrider.webhooks.errors import NotRetryable
from outrider.webhooks.patterns import TEST, candidate_patterns, stored_patterns
from outrider.webhooks.queries_managing import SubscriptionViewRow
from outrider.webhooks.subscriptions import (
    checked_patterns,
    checked_target,
    missing_subscription,
    tell_subscription,
)

MOST_LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription that was not deleted; its secret is told by nobody any more."""

    id: UUID
    name: str
    target_url: str
    patterns: tuple[str, ...]
    status: str
    status_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChanges:
    """What to change; None leaves it."""

    name: str | None = None
    target_url: str | None = None
    patterns: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class SentTest:
    """A test event and its delivery, which is on its way."""

    event_id: UUID
    delivery_id: UUID


async def get_subscription(context: TenancyContext, actor: Actor, subscription_id: UUID) -> SubscriptionView:
    """Show a subscription."""
    actor.require(Scope.EVENTS_READ)
    async with settings_transaction(context, actor.organisation_id) as connection:
        row = await queries_managing.select_subscription(
            connection, actor.organisation_id, actor.application_id, subscription_id
        )
    if row is None:
        raise missing_subscription(subscription_id)
    return _view(row)


async def list_subscriptions(
    context: TenancyContext, actor: Actor, *, limit: int = 20, before: UUID | None = None
) -> Sequence[SubscriptionView]:
    """List the newest subscriptions, or those made before one of them."""
    actor.require(Scope.EVENTS_READ)
    async with settings_transaction(context, actor.organisation_id) as connection:
        rows = await queries_managing.select_subscriptions(
            connection,
            actor.organisation_id,
            actor.application_id,
            limit=min(max(limit, 1), MOST_LISTED),
            before=before,
        )
    return [_view(row) for row in rows]


async def update_subscription(
    context: TenancyContext, actor: Actor, subscription_id: UUID, changes: SubscriptionChanges
) -> SubscriptionView:
    """Change a subscription, whatever its status is."""
    actor.require(Scope.ALL)
    name = None if changes.name is None else checked_name(changes.name)
    target_url = None if changes.target_url is None else checked_target(context, changes.target_url)
    organisation_id = actor.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries_managing.select_subscription(
            connection, organisation_id, actor.application_id, subscription_id, is_locked=True
        )
        if row is None:
            raise missing_subscription(subscription_id)
        patterns = None if changes.patterns is None else checked_patterns(changes.patterns, row.family)
        if name is not None:
            await queries_managing.rename_subscription(connection, organisation_id, subscription_id, name)
        if target_url is not None:
            await queries_managing.redirect_subscription(
                connection, organisation_id, subscription_id, target_url
            )
        if patterns is not None and patterns != tuple(row.patterns):
            await _replace_patterns(connection, actor, row, patterns)
        after = await queries_managing.select_subscription(
            connection, organisation_id, actor.application_id, subscription_id
        )
        assert after is not None, "it is locked"
        await tell_subscription(
            context,
            connection,
            actor,
            subscription_id,
            what="updated",
            name=after.name,
            target_url=after.target_url,
            event_patterns=after.patterns,
        )
    return _view(after)


async def _replace_patterns(
    connection: Connection, actor: Actor, row: SubscriptionViewRow, patterns: Sequence[str]
) -> None:
    organisation_id = actor.organisation_id
    is_active = row.status == "active"
    # events that are yet to be spread were committed before: they match what was wanted then
    spreading = await queries_managing.lock_fan_outs(connection, organisation_id, actor.application_id)
    position = await queries.lock_appends(connection)
    if is_active:
        spreading |= await queries_managing.lock_fan_outs(connection, organisation_id, actor.application_id)
        wanted = [
            event_id
            for event_id, event_type in spreading.items()
            if not set(stored_patterns(row.family, row.patterns)).isdisjoint(candidate_patterns(event_type))
        ]
        await queries_managing.queue_fanned_out(connection, organisation_id, row.id, wanted)
    await queries_managing.change_patterns(
        connection, organisation_id, row.id, patterns=patterns, from_position=position
    )
    if is_active:
        await queries.replace_patterns(connection, organisation_id, row.id)


async def delete_subscription(context: TenancyContext, actor: Actor, subscription_id: UUID) -> None:
    """Delete a subscription: deliveries that wait are dropped when their turn comes, its history stays."""
    actor.require(Scope.ALL)
    organisation_id = actor.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries_managing.select_subscription(
            connection, organisation_id, actor.application_id, subscription_id, is_locked=True
        )
        if row is None:
            raise missing_subscription(subscription_id)
        await queries_managing.delete_subscription(connection, organisation_id, subscription_id)
        await queries.delete_patterns(connection, organisation_id, subscription_id)
        await tell_subscription(context, connection, actor, subscription_id, what="deleted")


async def send_test_event(context: TenancyContext, actor: Actor, subscription_id: UUID) -> SentTest:
    """Send a test event to this subscription alone, whatever it wants: signed, retried and recorded as any."""
    actor.require(Scope.ALL)
    organisation_id = actor.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries_managing.select_subscription(
            connection, organisation_id, actor.application_id, subscription_id
        )
        if row is None:
            raise missing_subscription(subscription_id)
        if row.status != "active":
            raise ValidationError(f"A subscription that is {row.status} gets no events.", path="id")
        event_id, delivery_id = context.ids.new(), context.ids.new()
        told: dict[str, object] = {
            "subscription_id": str(subscription_id),
            "name": row.name,
            "message": "This is a test.",
        }
        if actor.is_member:
            # in the organisation's own log it is read as what somebody did
            told["by"] = dict(actor.told_as)
        payload = orjson.dumps(told).decode()
        await queries_managing.append_webhook_test(
            connection,
            organisation_id,
            subscription_id,
            event_id=event_id,
            delivery_id=delivery_id,
            event_type=TEST,
            payload=payload,
            fragment=fragment(
                application_id=actor.application_id,
                event_id=event_id,
                event_type=TEST,
                payload=payload,
                edges=(),
                created_at=time_of(event_id),
            ),
        )
    return SentTest(event_id, delivery_id)


async def retry_delivery(context: TenancyContext, actor: Actor, delivery_id: UUID) -> None:
    """Put a delivery that has failed or was dropped back into the queue, with its id and the count of its attempts.

    It is due at once; after another failure it goes on where its schedule was.
    """
    actor.require(Scope.ALL)
    async with settings_transaction(context, actor.organisation_id) as connection:
        stands = await queries_managing.reopen_delivery(
            connection, actor.organisation_id, actor.application_id, delivery_id
        )
        match stands:
            case "reopened":
                pass
            case "missing":
                raise missing_delivery(delivery_id)
            case "gone":
                raise NotRetryable("The delivery's body is kept no longer.", state=stands)
            case _:
                raise NotRetryable(state=stands)
        payload = {"delivery_id": delivery_id, "application_id": actor.application_id}
        await append_audit(
            context, connection, actor.organisation_id, "system.delivery.retried", payload, by=actor
        )


def _view(row: SubscriptionViewRow) -> SubscriptionView:
    return SubscriptionView(
        id=row.id,
        name=row.name,
        target_url=row.target_url,
        patterns=tuple(row.patterns),
        status=row.status,
        status_reason=row.status_reason,
        failing_since=row.failing_since,
        created_at=row.created_at,
    )
