"""What members do with the suppression lists of their organisation's applications, each as its role allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound, QueryTooExpensive, ValidationError
from outrider.core.ids import time_of
from outrider.messaging import queries_suppressions as queries
from outrider.messaging.queries_suppressions import Suppression
from outrider.messaging.suppressions import (
    SuppressionContext,
    add_suppression,
    canonical_address,
    remove_suppression,
)
from outrider.platforms.base import Channel
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.acting import ActingMember, actor_in
from outrider.tenancy.members.roles import Permission

MOST_LISTED: Final = 200
_BEYOND: Final = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class AdministeringSuppressions:
    """What it takes: the lists, and whose applications they are."""

    suppressions: SuppressionContext
    tenancy: TenancyContext


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionFilters:
    """Which entries; None asks for nothing."""

    channel: Channel | None = None
    reason: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class SuppressionView:
    """An entry as members see it."""

    id: UUID
    channel: str
    address: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SuppressionPage:
    """A page of a list."""

    entries: Sequence[SuppressionView]
    has_next: bool
    has_previous: bool


async def list_suppressions(
    context: AdministeringSuppressions,
    member: ActingMember,
    application_id: UUID,
    *,
    first: int,
    after: UUID | None,
    filters: SuppressionFilters,
) -> SuppressionPage | None:
    """List the newest entries, or those older than one of them; None if there is no such application."""
    member.require(Permission.READ)
    if not 1 <= first <= MOST_LISTED:
        raise ValidationError(f"first must be a number from 1 to {MOST_LISTED}.", path="first")
    try:
        await actor_in(context.tenancy, member, application_id)
    except NotFound:
        return None
    with faults_as_unavailable():
        try:
            rows = await queries.select_suppressions(
                context.tenancy.database.reads,
                application_id,
                _BEYOND if after is None else after,
                channel=None if filters.channel is None else filters.channel.value,
                reason=filters.reason,
                address=filters.address,
                limit=first + 1,
            )
        except asyncpg.QueryCanceledError:
            raise QueryTooExpensive from None
    return SuppressionPage([_view(row) for row in rows[:first]], len(rows) > first, after is not None)


async def suppress(
    context: AdministeringSuppressions,
    member: ActingMember,
    application_id: UUID,
    *,
    channel: Channel,
    address: str,
    note: str | None = None,
) -> SuppressionView:
    """Send nothing from an application to an address any more; one on the list already stays as it is."""
    member.require(Permission.SUPPRESSIONS)
    actor = await actor_in(context.tenancy, member, application_id)
    lists = context.suppressions
    added = await add_suppression(
        lists, actor, channel, address, note, audited_in=member.hidden_application_id
    )
    # by its address: the same may be told by others just now
    canonical = canonical_address(lists.registry, channel, address)
    with faults_as_unavailable():
        row = await queries.select_suppression(lists.pool, application_id, channel.value, canonical)
    if row is None:
        raise _missing(added)
    return _view(row)


async def unsuppress(
    context: AdministeringSuppressions, member: ActingMember, application_id: UUID, suppression_id: UUID
) -> SuppressionView:
    """Take an address off the list of an application; returns what was taken off."""
    member.require(Permission.SUPPRESSIONS)
    actor = await actor_in(context.tenancy, member, application_id)
    lists = context.suppressions
    with faults_as_unavailable():
        row = await queries.select_suppression_by_id(lists.pool, application_id, suppression_id)
    if row is None:
        raise _missing(suppression_id)
    await remove_suppression(lists, actor, suppression_id, audited_in=member.hidden_application_id)
    return _view(row)


def _missing(suppression_id: UUID) -> NotFound:
    return NotFound("Suppression not found.", resource_type="Suppression", resource_id=str(suppression_id))


def _view(row: Suppression) -> SuppressionView:
    return SuppressionView(row.id, row.channel, row.address, row.reason, time_of(row.id))
