"""What a dossier is, and what the researcher finds in the records and in the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

MOST_FACTS: Final = 100
LONGEST_FACT: Final = 1_000
LONGEST_SOURCE: Final = 500
LONGEST_SUMMARY: Final = 4_000
DEFAULT_DAYS: Final = 30
MOST_DAYS: Final = 3_650


class Level(IntEnum):
    """How much a dossier has looked at; each level holds the ones before it."""

    CONTACT = 1
    """What the contact's record says."""
    COMPANY = 2
    """Their company, and who else is known there."""
    CONVERSATION = 3
    """What was said and done, from the log."""
    WHOLE = 4
    """How all of it stands."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known, and where from; `event_id` where it is an event of the log."""

    text: str
    source: str
    event_id: UUID | None = None

    @property
    def told_as(self) -> Mapping[str, object]:
        """As it is stored."""
        event_id = None if self.event_id is None else str(self.event_id)
        return {"text": self.text, "source": self.source, "eventId": event_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDossier:
    """A dossier to keep in place of the one before."""

    contact_id: UUID
    level: int
    summary: str
    facts: Sequence[Fact]
    researched_at: datetime
    is_researched: bool
    """Whether the researcher wrote it, and may do so again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What is known of a contact, as of a moment, and until when that is good."""

    contact_id: UUID
    level: int
    summary: str
    facts: Sequence[Fact]
    researched_at: datetime
    expires_at: datetime
    is_researched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A contact as it is known here; `addresses` are (class of channel, address)."""

    id: UUID
    name: str
    email: str
    addresses: Sequence[tuple[str, str]]
    qualification_status: str
    fit_score: int | None
    urgency_score: int | None
    created_at: datetime
    company_id: UUID | None
    company_name: str | None
    company_domain: str | None
    list_name: str | None
    list_source: str | None
    list_goal: str | None


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody else of the same company."""

    name: str
    email: str
    qualification_status: str


@dataclass(frozen=True, slots=True)
class Colleagues:
    """The first of them, and how many there are."""

    named: Sequence[Colleague]
    count: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: an event that follows from it."""

    event_id: UUID
    event_type: str
    at: datetime
    detail: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """A message between us and the contact."""

    event_id: UUID
    is_ours: bool
    channel: str
    at: datetime
    words: str | None
    is_reply: bool
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the researcher looked at; None where the level does not ask for it. `said` is newest first."""

    record: Record
    colleagues: Colleagues | None
    said: Sequence[Said] | None
