"""A draft: a message that somebody writes to a contact, until it is sent and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import UNSET, UnsetType

from outrider.platforms.base import JsonObject


class DraftStatus(StrEnum):
    """How far a draft has come."""

    DRAFT = "draft"
    NEEDS_REVIEW = "needs_review"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    SENT = "sent"
    REPLIED = "replied"
    FAILED = "failed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftContent:
    """What a draft says: a stored template and its locals, or a text, or HTML, or both of these.

    With a template `subject` is a template, too, and None takes the stored one's.
    """

    subject: str | None = None
    body_text: str | None = None
    body_html: str | None = None
    template: str | None = None
    locals: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDraft:
    """A draft that is to be; the application, and the account that sends, are the list's unless they are named."""

    contact_id: UUID
    content: DraftContent
    list_id: UUID | None = None
    application_id: UUID | None = None
    account_id: UUID | None = None
    ignores_suppression: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftChanges:
    """What to change; unset leaves it, None removes it."""

    subject: str | UnsetType | None = UNSET
    body_text: str | UnsetType | None = UNSET
    body_html: str | UnsetType | None = UNSET
    template: str | UnsetType | None = UNSET
    locals: JsonObject | UnsetType | None = UNSET
    account_id: UUID | UnsetType | None = UNSET
    ignores_suppression: bool | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The contact whom a draft is for, with the company and the list that it is rendered with."""

    contact_id: UUID
    name: str
    email: str
    company_name: str | None
    company_domain: str | None
    list_id: UUID | None
    list_name: str | None
    list_goal: str | None
    list_connection_point: str | None
    application_id: UUID | None
    """The list's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A stored draft; `failure` has `code` and `message`."""

    organisation_id: UUID
    id: UUID
    application_id: UUID
    contact_id: UUID
    contact_name: str
    contact_email: str
    list_id: UUID | None
    account_id: UUID | None
    subject: str
    subject_template: str | None
    body_text: str | None
    body_html: str | None
    template: str | None
    template_locals: JsonObject | None
    status: DraftStatus
    ignores_suppression: bool
    scheduled_at: datetime | None
    message_id: UUID | None
    sent_at: datetime | None
    failure: JsonObject | None
    created_at: datetime
    updated_at: datetime

    @property
    def content(self) -> DraftContent:
        """What it says, as it was written."""
        return DraftContent(
            subject=self.subject if self.template is None else self.subject_template,
            body_text=self.body_text if self.template is None else None,
            body_html=self.body_html if self.template is None else None,
            template=self.template,
            locals=self.template_locals,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFilters:
    """Which drafts; None asks for nothing, and all conditions must hold."""

    statuses: Sequence[DraftStatus] | None = None
    contact_id: UUID | None = None
    list_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DraftPage:
    """A page of drafts, the newest first."""

    drafts: Sequence[Draft]
    has_next: bool
    has_previous: bool


@dataclass(frozen=True, slots=True)
class CreatedDrafts:
    """What was made for the contacts of a list, and how many of them have no draft yet."""

    drafts: Sequence[Draft]
    remaining: int


@dataclass(frozen=True, slots=True)
class DraftEvent:
    """Something that was done with a draft; `author_id` is None for the operator and for the server itself."""

    id: UUID
    event_type: str
    created_at: datetime
    author_type: str
    author_id: UUID | None
    payload: JsonObject


def told(draft: Draft) -> Mapping[str, object]:
    """What every event of a draft tells."""
    return {
        "draft_id": draft.id,
        "contact_id": draft.contact_id,
        "application_id": draft.application_id,
        "list_id": draft.list_id,
        "subject": draft.subject,
        "status": draft.status,
    }
