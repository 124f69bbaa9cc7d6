"""The audit log: what was done in an organisation, by whom, newest first, from the organisation's own events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import QueryTooExpensive, ValidationError
from outrider.core.ids import first_id_after, first_id_at, time_of
from outrider.platforms.base import JsonObject
from outrider.tenancy import queries_administering
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission

MOST_LISTED: Final = 200
MOST_TYPES: Final = 50
_LOWEST: Final = UUID(int=0)
_BEYOND: Final = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilters:
    """Which events; None asks for nothing."""

    event_types: Sequence[str] | None = None
    at_or_after: datetime | None = None
    after: datetime | None = None
    before: datetime | None = None
    at_or_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that was done; `author_id` is None for the operator at the command line."""

    id: UUID
    event_type: str
    created_at: datetime
    author_type: str
    author_id: UUID | None
    payload: JsonObject


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the log."""

    events: Sequence[AuditEvent]
    has_next: bool
    has_previous: bool


async def list_audit(
    context: TenancyContext,
    member: ActingMember,
    *,
    first: int,
    after: UUID | None,
    filters: AuditFilters,
) -> AuditPage:
    """List the newest events, or those before one of them."""
    member.require(Permission.READ)
    if not 1 <= first <= MOST_LISTED:
        raise ValidationError(f"first must be a number from 1 to {MOST_LISTED}.", path="first")
    if filters.event_types is not None and len(filters.event_types) > MOST_TYPES:
        raise ValidationError(f"At most {MOST_TYPES} event types can be asked for.", path="filters.eventType")
    lowest, below = _bounds(filters)
    with faults_as_unavailable():
        try:
            rows = await queries_administering.select_audit(
                context.database.reads,
                member.hidden_application_id,
                lowest=lowest,
                below=below if after is None else min(below, after),
                limit=first + 1,
                event_types=filters.event_types,
            )
        except asyncpg.QueryCanceledError:
            raise QueryTooExpensive from None
    return AuditPage([_event(row) for row in rows[:first]], len(rows) > first, after is not None)


def _bounds(filters: AuditFilters) -> tuple[UUID, UUID]:
    """The ids between which the moments lie."""
    lowest, below = _LOWEST, _BEYOND
    if filters.at_or_after is not None:
        lowest = max(lowest, first_id_at(filters.at_or_after))
    if filters.after is not None:
        lowest = max(lowest, first_id_after(filters.after))
    if filters.before is not None:
        below = min(below, first_id_at(filters.before))
    if filters.at_or_before is not None:
        below = min(below, first_id_after(filters.at_or_before))
    return lowest, below


def _event(row: queries_administering.AuditRow) -> AuditEvent:
    payload = cast("dict[str, object]", orjson.loads(row.payload))
    by = cast("dict[str, str]", payload.pop("by", None) or {})
    author_id = by.get("id")
    return AuditEvent(
        id=row.id,
        event_type=row.event_type,
        created_at=time_of(row.id),
        author_type=by.get("type", "system"),
        author_id=UUID(author_id) if author_id else None,
        payload=payload,
    )
