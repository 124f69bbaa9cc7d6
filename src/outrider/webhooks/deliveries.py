"""Deliveries to subscriptions as callers look at them: how they stand, and what each attempt came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import time_of
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.context import TenancyContext
from outrider.webhooks.queries_managing import (
    STATES,
    AttemptRow,
    DeliveryRow,
    select_attempts,
    select_deliveries,
)

MOST_LISTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are wanted: those that fit everything that is given."""

    subscription_id: UUID | None = None
    event_id: UUID | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A delivery: held, pending or retrying, then succeeded, failed or dropped for a `reason`."""

    id: UUID
    subscription_id: UUID
    event_id: UUID
    state: str
    reason: str | None
    attempts: int
    created_at: datetime
    due_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One try of a delivery; `retry_at` is what was planned next."""

    number: int
    result: str
    started_at: datetime
    duration_ms: int
    status_code: int | None
    detail: str | None
    retry_at: datetime | None


async def list_deliveries(
    context: TenancyContext,
    actor: Actor,
    wanted: DeliveryFilter,
    *,
    limit: int = 20,
    before: UUID | None = None,
) -> Sequence[DeliveryView]:
    """List the newest deliveries, or those older than one of them."""
    actor.require(Scope.EVENTS_READ)
    if wanted.state is not None and wanted.state not in STATES:
        raise ValidationError(f"state must be one of: {', '.join(STATES)}.", path="state")
    with faults_as_unavailable():
        rows = await select_deliveries(
            _pool(context),
            actor.application_id,
            subscription_id=wanted.subscription_id,
            event_id=wanted.event_id,
            state=wanted.state,
            before=before,
            limit=min(max(limit, 1), MOST_LISTED),
        )
    return [shown_delivery(row) for row in rows]


async def get_delivery(context: TenancyContext, actor: Actor, delivery_id: UUID) -> DeliveryView:
    """Show a delivery."""
    actor.require(Scope.EVENTS_READ)
    with faults_as_unavailable():
        rows = await select_deliveries(
            _pool(context),
            actor.application_id,
            subscription_id=None,
            event_id=None,
            state=None,
            delivery_id=delivery_id,
        )
    if not rows:
        raise missing_delivery(delivery_id)
    return shown_delivery(rows[0])


async def list_attempts(context: TenancyContext, actor: Actor, delivery_id: UUID) -> Sequence[AttemptView]:
    """List the attempts of a delivery, the first one first; they are kept for as long as raw bodies are."""
    await get_delivery(context, actor, delivery_id)
    with faults_as_unavailable():
        rows = await select_attempts(_pool(context), actor.application_id, delivery_id)
    return [_attempt(row) for row in rows]


def missing_delivery(delivery_id: UUID) -> NotFound:
    """What a delivery that is missing or foreign answers."""
    return NotFound(
        "Webhook delivery not found.", resource_type="WebhookDelivery", resource_id=str(delivery_id)
    )


def _pool(context: TenancyContext) -> Pool:
    return context.database.reads


def shown_delivery(row: DeliveryRow) -> DeliveryView:
    """Give a delivery as callers see it."""
    return DeliveryView(
        id=row.id,
        subscription_id=row.subscription_id,
        event_id=row.event_id,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        created_at=time_of(row.id),
        due_at=row.due_at,
        finished_at=row.finished_at,
    )


def _attempt(row: AttemptRow) -> AttemptView:
    return AttemptView(
        number=row.number,
        result=row.result,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        status_code=row.status_code,
        detail=row.detail,
        retry_at=row.retry_at,
    )
