"""Subscriptions: endpoints that want events. Created, paused, resumed, disabled, their secrets rotated.

What an active subscription wants is decided by position: it gets exactly the events that were committed after
its creation or its last resumption, none twice and none left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ValidationError
from outrider.core.targets import BadTarget, parse_target
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.applications import owner_of_application
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.naming import checked_name
from outrider.webhooks import queries
from outrider.webhooks.patterns import FAMILIES, OUTERACT, OUTKIT, outkit_patterns, validate_pattern
from outrider.webhooks.signing import checked_secret, new_secret

MOST_PATTERNS: Final = 100
ROTATION_HOURS: Final = 24
"""How long deliveries are signed with the previous secret too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """A subscription to create; without `secret` it gets a random one."""

    name: str
    target_url: str
    patterns: Sequence[str]
    secret: str | None = field(default=None, repr=False)
    family: str = OUTERACT


@dataclass(frozen=True, slots=True)
class CreatedSubscription:
    """A new subscription; its secret is told here and at a rotation, never else."""

    id: UUID
    secret: str = field(repr=False)
    patterns: tuple[str, ...]
    created_at: datetime


def secret_purpose(subscription_id: UUID) -> str:
    """What a subscription's secret is sealed for."""
    return f"subscription {subscription_id}"


async def create_subscription(
    context: TenancyContext, actor: Actor, new: NewSubscription
) -> CreatedSubscription:
    """Subscribe an endpoint to the events that are committed from now on."""
    actor.require(Scope.ALL)
    name = checked_name(new.name)
    target_url = checked_target(context, new.target_url)
    patterns = checked_patterns(new.patterns, new.family)
    secret = new_secret() if new.secret is None else checked_secret(new.secret)
    subscription_id = context.ids.new()
    insert = queries.SubscriptionInsert(
        application_id=actor.application_id,
        id=subscription_id,
        name=name,
        target_url=target_url,
        patterns=patterns,
        sealed_secret=_seal(context, actor.organisation_id, subscription_id, secret),
        family=new.family,
    )
    async with settings_transaction(context, actor.organisation_id) as connection:
        position = await queries.lock_appends(connection)
        created_at = await queries.insert_subscription(connection, actor.organisation_id, insert, position)
        await tell_subscription(
            context,
            connection,
            actor,
            subscription_id,
            what="created",
            name=name,
            target_url=target_url,
            event_patterns=patterns,
            family=new.family,
        )
    return CreatedSubscription(subscription_id, secret, patterns, created_at)


async def pause_subscription(context: TenancyContext, actor: Actor, subscription_id: UUID) -> None:
    """Match nothing more until it is resumed; pausing what is paused changes nothing."""
    actor.require(Scope.ALL)
    async with settings_transaction(context, actor.organisation_id) as connection:
        status = await _locked_status(connection, actor, subscription_id)
        if status == "paused":
            return
        if status != "active":
            raise ValidationError(f"A subscription that is {status} cannot be paused.", path="id")
        await queries.end_subscription(
            connection,
            actor.organisation_id,
            actor.application_id,
            subscription_id,
            status="paused",
            reason=None,
        )
        await tell_subscription(context, connection, actor, subscription_id, what="paused")


async def resume_subscription(context: TenancyContext, actor: Actor, subscription_id: UUID) -> None:
    """Match events again from now on; what happened meanwhile stays away."""
    actor.require(Scope.ALL)
    async with settings_transaction(context, actor.organisation_id) as connection:
        if await _locked_status(connection, actor, subscription_id) == "active":
            return
        position = await queries.lock_appends(connection)
        await queries.resume_subscription(
            connection,
            actor.organisation_id,
            actor.application_id,
            subscription_id,
            from_position=position,
        )
        await tell_subscription(context, connection, actor, subscription_id, what="resumed")


async def rotate_subscription_secret(
    context: TenancyContext, actor: Actor, subscription_id: UUID, secret: str | None = None
) -> str:
    """Sign with a new secret; for `ROTATION_HOURS` with the present one too."""
    actor.require(Scope.ALL)
    secret = new_secret() if secret is None else checked_secret(secret)
    async with settings_transaction(context, actor.organisation_id) as connection:
        is_rotated = await queries.rotate_secret(
            connection,
            actor.organisation_id,
            actor.application_id,
            subscription_id,
            sealed_secret=_seal(context, actor.organisation_id, subscription_id, secret),
            overlap_hours=ROTATION_HOURS,
        )
        if not is_rotated:
            raise missing_subscription(subscription_id)
        await tell_subscription(context, connection, actor, subscription_id, what="secret_rotated")
    return secret


async def disable_subscription(
    context: TenancyContext, application_id: UUID, subscription_id: UUID, reason: str
) -> bool:
    """Stop an endpoint that is gone or only fails; False if it was not active any more.

    Its event belongs into the application's own log and is the caller's to append.
    """
    organisation_id = await owner_of_application(context, application_id)
    if organisation_id is None:
        return False
    async with settings_transaction(context, organisation_id) as connection:
        is_disabled = await queries.end_subscription(
            connection, organisation_id, application_id, subscription_id, status="disabled", reason=reason
        )
        if is_disabled:
            await tell_change(connection, Changed.SUBSCRIPTION, subscription_id)
    return is_disabled


def checked_target(context: TenancyContext, url: str) -> str:
    """Give an endpoint's URL as it is, or refuse it."""
    target = parse_target(url, allow_private=context.allow_private_targets)
    if isinstance(target, BadTarget):
        raise ValidationError(f"targetUrl cannot be used: {target.detail}.", path="targetUrl")
    return url


def checked_patterns(patterns: Sequence[str], family: str = OUTERACT) -> tuple[str, ...]:
    """Give patterns, each once, or refuse them."""
    if family not in FAMILIES:
        raise ValidationError(f"family must be one of: {', '.join(FAMILIES)}.", path="family")
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        raise ValidationError(f"eventPatterns must have 1 to {MOST_PATTERNS} patterns.", path="eventPatterns")
    if family == OUTKIT:
        return outkit_patterns(patterns)
    return tuple(dict.fromkeys(validate_pattern(pattern) for pattern in patterns))


def _seal(context: TenancyContext, organisation_id: UUID, subscription_id: UUID, secret: str) -> bytes:
    return context.sealer.seal(
        secret.encode(), tenant=organisation_id, purpose=secret_purpose(subscription_id)
    )


async def _locked_status(connection: Connection, actor: Actor, subscription_id: UUID) -> str:
    status = await queries.lock_subscription(
        connection, actor.organisation_id, actor.application_id, subscription_id
    )
    if status is None:
        raise missing_subscription(subscription_id)
    return status


async def tell_subscription(
    context: TenancyContext,
    connection: Connection,
    actor: Actor,
    subscription_id: UUID,
    *,
    what: str,
    **payload: object,
) -> None:
    """Let processes and the audit log hear of a change; the last of its transaction."""
    await tell_change(connection, Changed.SUBSCRIPTION, subscription_id)
    payload = {"subscription_id": subscription_id, "application_id": actor.application_id, **payload}
    event_type = f"system.subscription.{what}"
    await append_audit(context, connection, actor.organisation_id, event_type, payload, by=actor)


def missing_subscription(subscription_id: UUID) -> NotFound:
    """What a subscription that is missing, deleted or foreign answers."""
    return NotFound(
        "Webhook subscription not found.",
        resource_type="WebhookSubscription",
        resource_id=str(subscription_id),
    )
