"""Dossiers kept: read, written by members, deleted, and how long they are good. Each change has its audit event.

The event holds the dossier that was written, so that what a later one replaces can still be read in the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound, ValidationError
from outrider.core.storable import storable_text
from outrider.events.bodies import shown_time
from outrider.outreach.dossiers import queries
from outrider.outreach.dossiers.values import (
    DEFAULT_DAYS,
    LONGEST_FACT,
    LONGEST_SOURCE,
    LONGEST_SUMMARY,
    MOST_DAYS,
    MOST_FACTS,
    Dossier,
    Fact,
    Level,
    NewDossier,
)
from outrider.tenancy.actors import Author
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission

WRITTEN = "system.dossier.written"
DELETED = "system.dossier.deleted"
LIFETIME_CHANGED = "system.dossier.lifetime_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDossier:
    """What a member writes; without `researched_at` it is of now."""

    contact_id: UUID
    level: int
    summary: str
    facts: Sequence[Fact]
    researched_at: datetime | None = None


async def get_dossier(context: TenancyContext, member: ActingMember, contact_id: UUID) -> Dossier | None:
    """Show a contact's dossier, old or not; None if there is none."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        return await queries.select_dossier(connection, member.organisation_id, contact_id)


async def get_lifetime(context: TenancyContext, member: ActingMember) -> int:
    """Tell for how many days dossiers of the organisation are good."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        return await queries.select_days(connection, member.organisation_id) or DEFAULT_DAYS


async def write_dossier(context: TenancyContext, member: ActingMember, given: WrittenDossier) -> Dossier:
    """Write a contact's dossier, in place of the one that there is."""
    member.require(Permission.OUTREACH)
    checked_level(given.level)
    _check_text(given.summary, "summary", LONGEST_SUMMARY)
    if len(given.facts) > MOST_FACTS:
        raise ValidationError(f"A dossier has at most {MOST_FACTS} facts.", path="facts")
    for number, fact in enumerate(given.facts):
        _check_text(fact.text, f"facts[{number}].text", LONGEST_FACT)
        _check_text(fact.source, f"facts[{number}].source", LONGEST_SOURCE)
    now = context.ids.now()
    if given.researched_at is not None and given.researched_at > now:
        raise ValidationError("researchedAt must not be in the future.", path="researchedAt")
    before = await get_dossier(context, member, given.contact_id)
    await _check_events(context, member, given.facts, before)
    new = NewDossier(
        contact_id=given.contact_id,
        level=given.level,
        summary=given.summary,
        facts=given.facts,
        researched_at=given.researched_at or now,
        is_researched=False,
    )
    return await keep_dossier(context, member.organisation_id, new, by=member)


async def delete_dossier(context: TenancyContext, member: ActingMember, contact_id: UUID) -> bool:
    """Delete a contact's dossier; False if there was none."""
    member.require(Permission.OUTREACH)
    async with settings_transaction(context, member.organisation_id) as connection:
        if not await queries.is_contact(connection, member.organisation_id, contact_id):
            raise missing_contact(contact_id)
        if not await queries.delete_dossier(connection, member.organisation_id, contact_id):
            return False
        payload = {"contact_id": contact_id}
        await append_audit(context, connection, member.organisation_id, DELETED, payload, by=member)
    return True


async def set_lifetime(context: TenancyContext, member: ActingMember, days: int) -> int:
    """Say for how many days dossiers are good, those that there are too."""
    member.require(Permission.OUTREACH)
    if not 1 <= days <= MOST_DAYS:
        raise ValidationError(f"days must be a number from 1 to {MOST_DAYS:,}.", path="days")
    async with settings_transaction(context, member.organisation_id) as connection:
        await queries.put_days(connection, member.organisation_id, days)
        payload = {"days": days}
        await append_audit(context, connection, member.organisation_id, LIFETIME_CHANGED, payload, by=member)
    return days


async def keep_dossier(
    context: TenancyContext, organisation_id: UUID, new: NewDossier, *, by: Author | None
) -> Dossier:
    """Keep a dossier, whoever made it; raises `NotFound` where the contact is gone."""
    try:
        async with settings_transaction(context, organisation_id) as connection:
            days = await queries.select_days(connection, organisation_id, is_shared=True) or DEFAULT_DAYS
            kept = await queries.put_dossier(connection, organisation_id, new, days)
            await append_audit(context, connection, organisation_id, WRITTEN, _told(kept), by=by)
    except asyncpg.ForeignKeyViolationError:
        raise missing_contact(new.contact_id) from None
    return kept


def checked_level(level: int) -> int:
    """Give a level as it is, or refuse it."""
    if level not in list(Level):
        raise ValidationError("level must be a number from 1 to 4.", path="level")
    return level


def missing_contact(contact_id: UUID) -> NotFound:
    """What a contact that is missing or foreign answers."""
    return NotFound("Contact not found.", resource_type="Contact", resource_id=str(contact_id))


async def _check_events(
    context: TenancyContext, member: ActingMember, facts: Sequence[Fact], before: Dossier | None
) -> None:
    """Facts point at events of the organisation, or at those that they did before: retention may have dropped them."""
    known = {fact.event_id for fact in before.facts} if before is not None else set[UUID | None]()
    wanted = sorted({fact.event_id for fact in facts if fact.event_id is not None} - known)
    if not wanted:
        return
    with faults_as_unavailable():
        missing = await queries.select_missing_events(context.database.reads, member.organisation_id, wanted)
    if missing:
        raise NotFound("Event not found.", resource_type="Event", resource_id=str(missing[0]))


def _check_text(text: str, path: str, longest: int) -> None:
    storable_text(text, name=path)
    if not text.strip() or len(text) > longest:
        raise ValidationError(f"{path} must have 1 to {longest:,} characters.", path=path)


def _told(kept: Dossier) -> dict[str, object]:
    return {
        "contact_id": kept.contact_id,
        "level": kept.level,
        "summary": kept.summary,
        "facts": [fact.told_as for fact in kept.facts],
        "researched_at": shown_time(kept.researched_at),
        "expires_at": shown_time(kept.expires_at),
        "is_researched": kept.is_researched,
    }
