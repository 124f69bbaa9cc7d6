"""What is read, as the contract shows it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson

from outrider.core.ids import time_of
from outrider.events.bodies import shown_time
from outrider.outreach.reading.values import (
    ContactView,
    DossierView,
    DraftDetail,
    DraftView,
    EventView,
    ListView,
    Page,
)
from outrider.surfaces.outbound_rest.cursors import write_cursor
from outrider.tenancy.read_keys import Myself

T = TypeVar("T")
Shown = Mapping[str, Any]

NOBODY: Final = UUID(int=0)
"""The contract has no null for who made a list: the operator, who is no member, is shown so."""


def shown_page(
    organisation_id: UUID, page: Page[T], show: Callable[[UUID, T], Shown], id_of: Callable[[T], UUID]
) -> Shown:
    """A page of a list."""
    last = page.entries[-1] if page.entries and page.has_more else None
    return {
        "data": [show(organisation_id, entry) for entry in page.entries],
        "nextCursor": None if last is None else write_cursor(id_of(last)),
    }


def shown_contact(organisation_id: UUID, contact: ContactView) -> Shown:
    """A contact."""
    company, belongs = contact.company, contact.list
    return {
        "id": contact.id,
        "organizationId": organisation_id,
        "name": contact.name,
        "email": contact.email,
        "company": None
        if company is None
        else {"id": company.id, "name": company.name, "domain": company.domain},
        "qualificationStatus": contact.qualification_status,
        "fitScore": contact.fit_score,
        "urgencyScore": contact.urgency_score,
        "list": None if belongs is None else {"id": belongs.id, "name": belongs.name},
        "createdAt": shown_time(contact.created_at),
        "updatedAt": shown_time(contact.updated_at),
    }


def shown_list(organisation_id: UUID, one: ListView) -> Shown:
    """A contact list."""
    return {
        "id": one.id,
        "organizationId": organisation_id,
        "name": one.name,
        "sourceType": one.source_type,
        "description": one.description,
        "connectionPoint": one.connection_point,
        "goal": one.goal,
        "userId": one.member_id or NOBODY,
        "archivedAt": _moment(one.archived_at),
        "createdAt": shown_time(one.created_at),
        "updatedAt": shown_time(one.updated_at),
    }


def shown_draft(organisation_id: UUID, draft: DraftView) -> Shown:
    """A draft in a list."""
    return {
        "id": draft.id,
        "organizationId": organisation_id,
        "contactId": draft.contact_id,
        "contactName": draft.contact_name,
        "subject": draft.subject,
        "status": draft.status,
        "listId": draft.list_id,
        "scheduledAt": _moment(draft.scheduled_at),
        "sentAt": _moment(draft.sent_at),
        "createdAt": shown_time(draft.created_at),
        "updatedAt": shown_time(draft.updated_at),
    }


def shown_detail(organisation_id: UUID, detail: DraftDetail) -> Shown:
    """A draft by itself."""
    engagement: Sequence[Shown] = [
        {"type": one.type, "at": shown_time(one.at), "eventId": one.event_id, "detail": one.detail}
        for one in detail.engagement
    ]
    return {
        **shown_draft(organisation_id, detail.draft),
        "body": {"text": detail.text, "html": detail.html},
        "engagement": engagement,
    }


def shown_dossier(_organisation_id: UUID, dossier: DossierView) -> Shown:
    """A research dossier."""
    return {
        "contactId": dossier.contact_id,
        "level": dossier.level,
        "summary": dossier.summary,
        "facts": [
            {"text": fact.get("text"), "source": fact.get("source"), "eventId": fact.get("eventId")}
            for fact in dossier.facts
        ],
        "researchedAt": shown_time(dossier.researched_at),
        "expiresAt": shown_time(dossier.expires_at),
    }


def shown_event(organisation_id: UUID, event: EventView) -> Shown:
    """An event."""
    return {
        "id": event.id,
        "organizationId": organisation_id,
        "applicationId": event.application_id,
        "eventType": event.event_type,
        "payload": orjson.Fragment(event.payload),
        "contactId": event.contact_id,
        "createdAt": shown_time(time_of(event.id)),
    }


def shown_myself(myself: Myself) -> Shown:
    """A key and its organisation."""
    key = myself.key
    return {
        "apiKey": {
            "id": key.id,
            "name": key.name,
            "scopes": key.scopes,
            "createdAt": shown_time(key.created_at),
            "lastUsedAt": _moment(key.last_used_at),
            "expiresAt": _moment(key.expires_at),
        },
        "organization": {"id": myself.organisation_id, "name": myself.organisation_name},
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else shown_time(moment)
