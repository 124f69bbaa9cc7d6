"""What the read API shows of an organisation, and what may be asked of its lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from outrider.outreach.drafts.engagement import Engagement

T = TypeVar("T")

DRAFT_STATUSES: Final = (
    "draft",
    "needs_review",
    "approved",
    "scheduled",
    "sending",
    "sent",
    "replied",
    "failed",
    "discarded",
)


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list: so many, from behind the one with this id on (None: from the newest)."""

    limit: int
    below: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, the newest first."""

    entries: Sequence[T]
    has_more: bool


@dataclass(frozen=True, slots=True)
class ContactFilters:
    """Which contacts; None asks for nothing. `q` is what somebody types to find one."""

    list_id: UUID | None = None
    status: str | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class DraftFilters:
    """Which drafts; None asks for nothing."""

    status: str | None = None
    contact_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CompanyView:
    """Whom a contact works for."""

    id: UUID
    name: str | None
    domain: str | None


@dataclass(frozen=True, slots=True)
class ListName:
    """The list that a contact is on."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactView:
    """A contact."""

    id: UUID
    name: str
    email: str
    company: CompanyView | None
    qualification_status: str
    fit_score: int | None
    urgency_score: int | None
    list: ListName | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListView:
    """A list of contacts; `member_id` is who made it, None for the operator."""

    id: UUID
    name: str
    source_type: str
    description: str | None
    connection_point: str | None
    goal: str | None
    member_id: UUID | None
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftView:
    """A draft without its body."""

    id: UUID
    contact_id: UUID
    contact_name: str
    subject: str
    status: str
    list_id: UUID | None
    scheduled_at: datetime | None
    sent_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DraftDetail:
    """A draft with its body and with what came of it."""

    draft: DraftView
    text: str | None
    html: str | None
    engagement: Sequence[Engagement]


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierView:
    """What is known of a contact; facts are objects with `text`, `source` and `eventId`."""

    contact_id: UUID
    level: int
    summary: str
    facts: Sequence[Mapping[str, Any]]
    researched_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event of any application of the organisation; `payload` is JSON text, as the developer API shows it."""

    id: UUID
    application_id: UUID
    event_type: str
    payload: str
    contact_id: UUID | None
