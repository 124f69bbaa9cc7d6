"""What contacts, companies and lists are to those who work with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

T = TypeVar("T")


class QualificationStatus(StrEnum):
    """What is thought of a contact."""

    UNQUALIFIED = "unqualified"
    """Nobody has looked yet."""
    QUALIFIED = "qualified"
    DISQUALIFIED = "disqualified"
    NURTURE = "nurture"
    """Not now, but later."""
    CUSTOMER = "customer"


class SourceType(StrEnum):
    """Where the contacts of a list come from."""

    MANUAL = "manual"
    CSV = "csv"
    JSONL = "jsonl"
    API = "api"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where somebody is reached: a class of channels, and the address as all of them are compared."""

    channel_class: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """Whom contacts work for."""

    id: UUID
    name: str | None
    domain: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CompanyRef:
    """A company as its contacts show it."""

    id: UUID
    name: str | None
    domain: str | None


@dataclass(frozen=True, slots=True)
class ListRef:
    """A list as its contacts show it."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody to whom an organisation writes. `addresses` are all of them, the one of mail included."""

    id: UUID
    name: str
    email: str
    addresses: Sequence[Address]
    company: CompanyRef | None
    list: ListRef | None
    qualification_status: QualificationStatus
    fit_score: int | None
    urgency_score: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactList:
    """Contacts who are written to for one reason, and what is sent through."""

    id: UUID
    name: str
    source_type: SourceType
    description: str | None
    connection_point: str | None
    goal: str | None
    member_id: UUID | None
    application_id: UUID | None
    account_id: UUID | None
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list, the newest first."""

    items: Sequence[T]
    has_next: bool
    has_previous: bool
