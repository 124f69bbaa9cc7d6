"""The researcher: makes dossiers of what is known here, from imported data and our own log. It asks nobody else.

The same records and events give the same dossier. It looks at a bounded number of messages, the newest.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound, ValidationError
from outrider.outreach.dossiers import queries
from outrider.outreach.dossiers.keeping import checked_level, keep_dossier, missing_contact
from outrider.outreach.dossiers.queries import Requested
from outrider.outreach.dossiers.summing import told_facts, told_summary
from outrider.outreach.dossiers.values import Dossier, Findings, Level, NewDossier
from outrider.tenancy.actors import Author
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission

MOST_SAID: Final = 200
MOST_COLLEAGUES: Final = 5
MOST_NAMED: Final = 1_000
"""Contacts that one request may name."""
REQUESTED: Final = "system.research.requested"
_PAGE: Final = 500
_BEFORE_ALL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Itself:
    """The researcher as an author, where a dossier has grown old and nobody asked."""

    @property
    def told_as(self) -> Mapping[str, object]:
        """The `by` of an event."""
        return {"type": "system"}


@dataclass(frozen=True, slots=True)
class Asked:
    """How many contacts a request is about, and how many of the organisation's wait now."""

    contacts: int
    waiting: int


async def research_contact(
    context: TenancyContext, member: ActingMember, contact_id: UUID, level: int
) -> Dossier:
    """Research one contact now; the dossier replaces the one before."""
    member.require(Permission.OUTREACH)
    return await research(context, member.organisation_id, contact_id, level, by=member)


async def request_research(
    context: TenancyContext, member: ActingMember, wanted: Requested, level: int
) -> Asked:
    """Have the contacts that fit a request researched in the background."""
    member.require(Permission.OUTREACH)
    checked_level(level)
    organisation_id = member.organisation_id
    if wanted.contact_ids is not None and not 1 <= len(wanted.contact_ids) <= MOST_NAMED:
        raise ValidationError(f"contactIds must name 1 to {MOST_NAMED:,} contacts.", path="contactIds")
    async with settings_transaction(context, organisation_id) as connection:
        if wanted.contact_ids is not None:
            missing = await queries.select_missing_contacts(connection, organisation_id, wanted.contact_ids)
            if missing:
                raise missing_contact(missing[0])
        if wanted.list_id is not None and not await queries.is_list(
            connection, organisation_id, wanted.list_id
        ):
            raise missing_list(wanted.list_id)
        count = await queries.request_research(connection, organisation_id, wanted, level, member.id)
        waiting = await queries.count_waiting(connection, organisation_id)
        payload = {"contacts": count, "level": level, "list_id": wanted.list_id, "stale": wanted.is_stale}
        await append_audit(context, connection, organisation_id, REQUESTED, payload, by=member)
    return Asked(count, waiting)


async def count_waiting(context: TenancyContext, member: ActingMember) -> int:
    """Tell how many contacts of the organisation are yet to be researched."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        return await queries.count_waiting(connection, member.organisation_id)


async def research(
    context: TenancyContext, organisation_id: UUID, contact_id: UUID, level: int, *, by: Author | None
) -> Dossier:
    """Make a contact's dossier and keep it; raises `NotFound` where there is no such contact."""
    checked_level(level)
    researched_at = context.ids.now()
    findings = await _find(context, organisation_id, contact_id, level)
    new = NewDossier(
        contact_id=contact_id,
        level=level,
        summary=told_summary(findings, level),
        facts=told_facts(findings, level),
        researched_at=researched_at,
        is_researched=True,
    )
    return await keep_dossier(context, organisation_id, new, by=by)


async def chosen_contacts(
    context: TenancyContext, organisation_id: UUID, wanted: Requested
) -> AsyncGenerator[Sequence[UUID], None]:
    """Give the contacts of a request, page by page; those that it names as it names them."""
    if wanted.contact_ids is not None:
        yield wanted.contact_ids
        return
    after = _BEFORE_ALL
    while True:
        async with settings_transaction(context, organisation_id) as connection:
            page = await queries.choose_contacts(
                connection, organisation_id, wanted, after=after, limit=_PAGE
            )
        if not page:
            return
        yield page
        after = page[-1]


def missing_list(list_id: UUID) -> NotFound:
    """What a list that is missing or foreign answers."""
    return NotFound("Contact list not found.", resource_type="ContactList", resource_id=str(list_id))


async def _find(context: TenancyContext, organisation_id: UUID, contact_id: UUID, level: int) -> Findings:
    async with settings_transaction(context, organisation_id) as connection:
        record = await queries.select_record(connection, organisation_id, contact_id)
        if record is None:
            raise missing_contact(contact_id)
        colleagues = None
        if level >= Level.COMPANY:
            colleagues = await queries.select_colleagues(
                connection, organisation_id, record, limit=MOST_COLLEAGUES
            )
    said = None
    if level >= Level.CONVERSATION:
        with faults_as_unavailable():
            said = await queries.select_said(context.database.reads, organisation_id, record, limit=MOST_SAID)
    return Findings(record, colleagues, said)
