"""The states of a draft that people move it through: reviewed, approved, scheduled, taken back, discarded.

Each move is one conditional update, all drafts of a call or none. What follows the approval is the sender's
(sending.py) and the message's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from outrider.core.errors import ValidationError
from outrider.outreach.drafts import queries
from outrider.outreach.drafts.errors import DraftConflict, missing_draft
from outrider.outreach.drafts.history import append_history
from outrider.outreach.drafts.values import Draft, DraftStatus
from outrider.tenancy.context import Changed, TenancyContext, settings_transaction, tell_change
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission

MOST_AT_ONCE: Final = 500
_UNAPPROVED: Final = (DraftStatus.DRAFT, DraftStatus.NEEDS_REVIEW)
_WAITING: Final = (DraftStatus.APPROVED, DraftStatus.SCHEDULED)


@dataclass(frozen=True, slots=True)
class _Move:
    """A change of state: whence, whither, and what its event is called."""

    word: str
    sources: Sequence[DraftStatus]
    target: DraftStatus
    event_type: str


_SUBMIT: Final = _Move("submitted", (DraftStatus.DRAFT,), DraftStatus.NEEDS_REVIEW, "system.draft.submitted")
_APPROVE: Final = _Move(
    "approved", (*_UNAPPROVED, DraftStatus.SCHEDULED), DraftStatus.APPROVED, "system.draft.approved"
)
_SCHEDULE: Final = _Move(
    "scheduled", (*_UNAPPROVED, *_WAITING), DraftStatus.SCHEDULED, "system.draft.scheduled"
)
_CANCEL: Final = _Move(
    "taken back", (DraftStatus.NEEDS_REVIEW, *_WAITING), DraftStatus.DRAFT, "system.draft.cancelled"
)
_DISCARD: Final = _Move(
    "discarded",
    (*_UNAPPROVED, *_WAITING, DraftStatus.FAILED),
    DraftStatus.DISCARDED,
    "system.draft.discarded",
)

Moved = Sequence[Draft]


async def submit_drafts(
    context: TenancyContext, organisation_id: UUID, draft_ids: Sequence[UUID], *, by: ActingMember | None
) -> Moved:
    """Ask for a review."""
    return await _move(context, organisation_id, draft_ids, _SUBMIT, by=by)


async def approve_drafts(
    context: TenancyContext, organisation_id: UUID, draft_ids: Sequence[UUID], *, by: ActingMember | None
) -> Moved:
    """Let drafts be sent, at once; until that begins they can be taken back."""
    return await _move(context, organisation_id, draft_ids, _APPROVE, by=by)


async def schedule_drafts(
    context: TenancyContext,
    organisation_id: UUID,
    draft_ids: Sequence[UUID],
    scheduled_at: datetime,
    *,
    by: ActingMember | None,
) -> Moved:
    """Approve drafts and let them be sent at a time."""
    if scheduled_at <= context.ids.now():
        raise ValidationError("scheduledAt must lie in the future.", path="scheduledAt")
    return await _move(context, organisation_id, draft_ids, _SCHEDULE, by=by, scheduled_at=scheduled_at)


async def cancel_drafts(
    context: TenancyContext, organisation_id: UUID, draft_ids: Sequence[UUID], *, by: ActingMember | None
) -> Moved:
    """Take drafts back that are not being sent yet: they are drafts again."""
    return await _move(context, organisation_id, draft_ids, _CANCEL, by=by)


async def discard_drafts(
    context: TenancyContext, organisation_id: UUID, draft_ids: Sequence[UUID], *, by: ActingMember | None
) -> Moved:
    """Put drafts away of which nothing was sent."""
    return await _move(context, organisation_id, draft_ids, _DISCARD, by=by)


async def _move(
    context: TenancyContext,
    organisation_id: UUID,
    draft_ids: Sequence[UUID],
    move: _Move,
    *,
    by: ActingMember | None,
    scheduled_at: datetime | None = None,
) -> Moved:
    """Move all of the drafts, or none."""
    if by is not None:
        by.require(Permission.OUTREACH)
    wanted = sorted(set(draft_ids))
    if not 0 < len(wanted) <= MOST_AT_ONCE:
        raise ValidationError(f"Name 1 to {MOST_AT_ONCE} drafts.", path="ids")
    async with settings_transaction(context, organisation_id) as connection:
        await queries.lock_drafts(connection, organisation_id, wanted)
        moved = await queries.move_drafts(
            connection,
            organisation_id,
            wanted,
            sources=move.sources,
            target=move.target,
            scheduled_at=scheduled_at,
        )
        drafts = await queries.select_drafts(connection, organisation_id, wanted)
        _check(wanted, drafts, moved, move)
        if move.target in _WAITING:
            await tell_change(connection, Changed.DRAFTS, organisation_id)
        more = {} if scheduled_at is None else {"scheduled_at": scheduled_at.isoformat()}
        await append_history(context, connection, move.event_type, drafts, by=by, more=more)
    return drafts


def _check(wanted: Sequence[UUID], drafts: Sequence[Draft], moved: set[UUID], move: _Move) -> None:
    found = {one.id for one in drafts}
    for draft_id in wanted:
        if draft_id not in found:
            raise missing_draft(draft_id)
    for draft in drafts:
        if draft.id not in moved:
            raise DraftConflict(
                f"The draft is {draft.status.value} and cannot be {move.word}.",
                state=draft.status.value,
                draft_id=str(draft.id),
            )
