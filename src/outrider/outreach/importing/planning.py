"""What a batch of rows comes to: whom it creates, whom it changes, and what is left out. Writes nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from outrider.outreach.importing.rows import ImportRow, RowFlaw
from outrider.outreach.values import Address


class OnDuplicate(StrEnum):
    """What to do with a row whose address is a contact's already."""

    SKIP = "skip"
    UPDATE = "update"


@dataclass(slots=True)
class Plan:
    """The outcome of a batch. Whoever is created and named again is changed afterwards."""

    created: dict[UUID, ImportRow] = field(default_factory=dict[UUID, ImportRow])
    updated: dict[UUID, ImportRow] = field(default_factory=dict[UUID, ImportRow])
    addresses: dict[Address, UUID] = field(default_factory=dict[Address, UUID])
    """Those that are new, and whose they are."""
    updates: int = 0
    skipped: int = 0
    flaws: list[RowFlaw] = field(default_factory=list[RowFlaw])


def make_plan(
    rows: Iterable[ImportRow],
    owners: Mapping[Address, UUID],
    on_duplicate: OnDuplicate,
    new_id: Callable[[], UUID],
) -> Plan:
    """Decide about each row in turn, given whose its addresses are already."""
    plan = Plan()
    for row in rows:
        known = {
            owner
            for one in row.addresses
            if (owner := owners.get(one) or plan.addresses.get(one)) is not None
        }
        if len(known) > 1:
            plan.flaws.append(RowFlaw(row.number, None, "its addresses are of different contacts"))
        elif known and on_duplicate is OnDuplicate.SKIP:
            plan.skipped += 1
        elif known:
            owner = known.pop()
            plan.updates += 1
            plan.updated[owner] = _merged(plan.updated.get(owner), row)
            _give(plan, owners, row, owner)
        else:
            owner = new_id()
            plan.created[owner] = row
            _give(plan, owners, row, owner)
    return plan


def _give(plan: Plan, owners: Mapping[Address, UUID], row: ImportRow, owner: UUID) -> None:
    for one in row.addresses:
        if one not in owners:
            plan.addresses[one] = owner


def _merged(before: ImportRow | None, row: ImportRow) -> ImportRow:
    """What two rows say of one contact: the later one, and what only the earlier says."""
    if before is None:
        return row
    return replace(
        row,
        name=row.name if row.name is not None else before.name,
        company=row.company if row.company is not None else before.company,
        status=row.status if row.status is not None else before.status,
        fit_score=row.fit_score if row.fit_score is not None else before.fit_score,
        urgency_score=row.urgency_score if row.urgency_score is not None else before.urgency_score,
    )
