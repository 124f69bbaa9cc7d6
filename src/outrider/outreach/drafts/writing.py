"""Drafts written and edited by people: for one contact, or one for each contact of a list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import orjson
from msgspec import UNSET

from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ValidationError
from outrider.outreach.drafts import queries
from outrider.outreach.drafts.composing import checked_draft_content, compose
from outrider.outreach.drafts.context import DraftsContext
from outrider.outreach.drafts.errors import DraftConflict, missing_draft
from outrider.outreach.drafts.history import CREATED, UPDATED, append_history
from outrider.outreach.drafts.queries import DraftRows, ListRow
from outrider.outreach.drafts.values import (
    CreatedDrafts,
    Draft,
    DraftChanges,
    DraftContent,
    NewDraft,
    Recipient,
)
from outrider.templates.values import Rendering
from outrider.tenancy.applications import missing_application
from outrider.tenancy.context import settings_transaction
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission

MOST_AT_ONCE: Final = 500
"""How many drafts are written for a list by one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where drafts are sent from."""

    application_id: UUID
    list_id: UUID | None
    account_id: UUID | None
    ignores_suppression: bool


async def create_draft(context: DraftsContext, member: ActingMember, new: NewDraft) -> Draft:
    """Write a draft for one contact. A template is rendered once: what it cannot say is refused now."""
    member.require(Permission.OUTREACH)
    content = checked_draft_content(new.content)
    organisation_id = member.organisation_id
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        if new.list_id is not None:
            await _list(connection, organisation_id, new.list_id)
        recipient = await queries.select_recipient(connection, organisation_id, new.contact_id, new.list_id)
        if recipient is None:
            raise _missing("Contact", new.contact_id)
        place = _Place(
            application_id=await _application(connection, organisation_id, new.application_id, recipient),
            list_id=recipient.list_id,
            account_id=await _mailbox(connection, organisation_id, new.account_id),
            ignores_suppression=new.ignores_suppression,
        )
    rows = await _rows(context, member, place, content, [recipient])
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        (draft,) = await _insert(context, connection, member, rows)
    return draft


async def create_drafts(
    context: DraftsContext,
    member: ActingMember,
    list_id: UUID,
    content: DraftContent,
    *,
    ignores_suppression: bool = False,
) -> CreatedDrafts:
    """Write a draft for each contact of a list that has none of this list, at most so many at once.

    Called again it goes on with those that remain.
    """
    member.require(Permission.OUTREACH)
    content = checked_draft_content(content)
    organisation_id = member.organisation_id
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        found = await _list(connection, organisation_id, list_id)
        recipients = await queries.select_unwritten(connection, organisation_id, list_id, MOST_AT_ONCE)
    if found.application_id is None:
        raise ValidationError("The list names no application that its drafts are sent for.", path="listId")
    place = _Place(
        application_id=found.application_id,
        list_id=list_id,
        account_id=None,
        ignores_suppression=ignores_suppression,
    )
    rows = await _rows(context, member, place, content, recipients)
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        await queries.lock_list(connection, organisation_id, list_id)
        # what somebody else wrote meanwhile is not written again
        unwritten = await queries.select_unwritten(connection, organisation_id, list_id, MOST_AT_ONCE)
        rows = _only(rows, {one.contact_id for one in unwritten})
        remaining = await queries.count_unwritten(connection, organisation_id, list_id) - len(rows.ids)
        drafts = await _insert(context, connection, member, rows)
    return CreatedDrafts(drafts, remaining)


async def update_draft(
    context: DraftsContext, member: ActingMember, draft_id: UUID, changes: DraftChanges
) -> Draft:
    """Change what a draft says; one that was approved has to be approved again."""
    member.require(Permission.OUTREACH)
    organisation_id = member.organisation_id
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        before = await queries.select_draft(connection, organisation_id, draft_id)
        if before is None:
            raise missing_draft(draft_id)
        recipient = await queries.select_recipient(
            connection, organisation_id, before.contact_id, before.list_id
        )
        assert recipient is not None
        changed = _changed(before, changes)
        await _mailbox(connection, organisation_id, changed.account_id)
    actor = member.in_application(before.application_id)
    rendering = await compose(context.render, actor, changed.content, recipient)
    changed = replace(changed, subject=_subject(rendering, changed.content))
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        if not await queries.update_draft(connection, organisation_id, changed):
            raise _unchangeable(await queries.select_draft(connection, organisation_id, draft_id))
        draft = await queries.select_draft(connection, organisation_id, draft_id)
        assert draft is not None
        more = {"former_status": before.status}
        await append_history(context.tenancy, connection, UPDATED, [draft], by=member, more=more)
    return draft


async def preview_draft(context: DraftsContext, member: ActingMember, draft: Draft) -> Rendering:
    """What would be sent now; raises `RenderError` where it could not be."""
    member.require(Permission.READ)
    organisation_id = member.organisation_id
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        recipient = await queries.select_recipient(
            connection, organisation_id, draft.contact_id, draft.list_id
        )
    assert recipient is not None
    actor = member.in_application(draft.application_id)
    return await compose(context.render, actor, draft.content, recipient)


async def _rows(
    context: DraftsContext,
    member: ActingMember,
    place: _Place,
    content: DraftContent,
    recipients: Sequence[Recipient],
) -> DraftRows:
    actor = member.in_application(place.application_id)
    subjects = [_subject(await compose(context.render, actor, content, one), content) for one in recipients]
    return DraftRows(
        application_id=place.application_id,
        list_id=place.list_id,
        account_id=place.account_id,
        subject_template=None if content.template is None else content.subject,
        body_text=content.body_text,
        body_html=content.body_html,
        template=content.template,
        template_locals=None if content.locals is None else orjson.dumps(content.locals).decode(),
        ignores_suppression=place.ignores_suppression,
        ids=[context.tenancy.ids.new() for _ in recipients],
        contact_ids=[one.contact_id for one in recipients],
        subjects=subjects,
    )


async def _insert(
    context: DraftsContext, connection: Connection, member: ActingMember, rows: DraftRows
) -> Sequence[Draft]:
    """Write drafts, none as well."""
    await queries.insert_drafts(connection, member.organisation_id, rows)
    drafts = await queries.select_drafts(connection, member.organisation_id, rows.ids)
    await append_history(context.tenancy, connection, CREATED, drafts, by=member)
    return drafts


def _only(rows: DraftRows, contact_ids: set[UUID]) -> DraftRows:
    kept = [at for at, one in enumerate(rows.contact_ids) if one in contact_ids]
    return replace(
        rows,
        ids=[rows.ids[at] for at in kept],
        contact_ids=[rows.contact_ids[at] for at in kept],
        subjects=[rows.subjects[at] for at in kept],
    )


def _subject(rendering: Rendering, content: DraftContent) -> str:
    """The line that is shown in lists."""
    subject = rendering.subject if rendering.subject is not None else content.subject
    if not (subject or "").strip():
        raise ValidationError("The template has no subject: give one.", path="subject")
    return (subject or "")[:1_000]


def _changed(before: Draft, changes: DraftChanges) -> Draft:
    was = before.content
    content = checked_draft_content(
        DraftContent(
            subject=was.subject if changes.subject is UNSET else changes.subject,
            body_text=was.body_text if changes.body_text is UNSET else changes.body_text,
            body_html=was.body_html if changes.body_html is UNSET else changes.body_html,
            template=was.template if changes.template is UNSET else changes.template,
            locals=was.locals if changes.locals is UNSET else changes.locals,
        )
    )
    return replace(
        before,
        subject=content.subject or "",
        subject_template=None if content.template is None else content.subject,
        body_text=content.body_text,
        body_html=content.body_html,
        template=content.template,
        template_locals=content.locals,
        account_id=before.account_id if changes.account_id is UNSET else changes.account_id,
        ignores_suppression=before.ignores_suppression
        if changes.ignores_suppression is UNSET
        else changes.ignores_suppression,
    )


async def _list(connection: Connection, organisation_id: UUID, list_id: UUID) -> ListRow:
    found = await queries.select_list(connection, organisation_id, list_id)
    if found is None:
        raise _missing("ContactList", list_id)
    if found.is_archived:
        raise ValidationError("The list was archived.", path="listId")
    return found


async def _application(
    connection: Connection, organisation_id: UUID, application_id: UUID | None, recipient: Recipient
) -> UUID:
    chosen = application_id or recipient.application_id
    if chosen is None:
        raise ValidationError(
            "Name the application that sends the draft: its contact is on no list that names one.",
            path="applicationId",
        )
    if not await queries.is_application(connection, organisation_id, chosen):
        raise missing_application(chosen)
    return chosen


async def _mailbox(connection: Connection, organisation_id: UUID, account_id: UUID | None) -> UUID | None:
    if account_id is not None and not await queries.is_mailbox(connection, organisation_id, account_id):
        raise _missing("Account", account_id)
    return account_id


def _unchangeable(draft: Draft | None) -> Exception:
    assert draft is not None
    return DraftConflict(
        f"The draft is {draft.status.value}, or somebody else changed it meanwhile.", state=draft.status.value
    )


def _missing(kind: str, missing_id: UUID) -> NotFound:
    return NotFound(f"{kind} not found.", resource_type=kind, resource_id=str(missing_id))
