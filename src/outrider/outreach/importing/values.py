"""What an import is to those who start and watch it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from outrider.outreach.importing.planning import OnDuplicate
from outrider.outreach.importing.records import FileFormat

KEPT_DAYS: Final = 30
"""How long after its end the rows that an import left out are told."""


class ImportStatus(StrEnum):
    """How an import stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    """It could not begin, or its file is gone."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: everything before `position` is done."""

    position: int = 0
    row_number: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def rows(self) -> int:
        """How many rows were dealt with."""
        return self.created + self.updated + self.skipped + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done; without an id nothing is kept of it."""

    organisation_id: UUID
    id: UUID | None
    list_id: UUID | None
    format: FileFormat
    mapping: Mapping[str, str]
    on_duplicate: OnDuplicate
    is_dry_run: bool
    claim: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An import as it stands."""

    id: UUID
    member_id: UUID | None
    list_id: UUID | None
    format: FileFormat
    mapping: Mapping[str, str]
    on_duplicate: OnDuplicate
    is_dry_run: bool
    size: int
    status: ImportStatus
    progress: Progress
    failure: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    @property
    def errors_until(self) -> datetime | None:
        """Until when the rows that it left out are told; None while it goes on."""
        return None if self.finished_at is None else self.finished_at + timedelta(days=KEPT_DAYS)
