"""Log entries: what customers' programs tell of their own work, beside the events and about them.

An entry is no event: nothing follows from it, it matches no subscription, and it is kept for as long as attempts
are. Entries are many, so they are written as events are, in natural batches.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core.database.batching import Batcher
from outrider.core.errors import NotFound, Unavailable, ValidationError
from outrider.core.ids import IdClock, time_of
from outrider.core.storable import storable_json, storable_text
from outrider.events.logs.cross_tenant import LogEntry, LogLevel
from outrider.tenancy.actors import Actor, Scope

LONGEST_MESSAGE: Final = 10_000
LARGEST_PAYLOAD: Final = 256 * 1024
DEFAULT_TYPE: Final = "execution"

_TYPE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_LEVELS: Final = {level.value: level for level in LogLevel}
_ROW_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class LoggingContext:
    """What writing log entries needs of the process."""

    batcher: Batcher[LogEntry, bool]
    ids: IdClock
    has_disk_space: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLog:
    """A log entry to write; `payload` is any JSON value, None for none."""

    message: str
    level: str = LogLevel.INFO.value
    log_type: str = DEFAULT_TYPE
    payload: object = None
    event_id: UUID | None = None


async def create_log(context: LoggingContext, actor: Actor, new: NewLog) -> LogEntry:
    """Write a log entry; an event that it names must exist."""
    actor.require(Scope.LOGS_WRITE)
    entry = _entry(context, actor, new)
    if not context.has_disk_space():
        raise Unavailable("The disk is nearly full; nothing new is accepted.")
    size = _ROW_BYTES + len(entry.message) + len(entry.payload or "")
    if not await context.batcher.put(entry, size):
        raise NotFound("Event not found.", resource_type="Event", resource_id=str(entry.event_id))
    return entry


def _entry(context: LoggingContext, actor: Actor, new: NewLog) -> LogEntry:
    if not 0 < len(new.message) <= LONGEST_MESSAGE:
        raise ValidationError(f"message must have 1 to {LONGEST_MESSAGE} characters.", path="message")
    level = _LEVELS.get(new.level)
    if level is None:
        raise ValidationError(f"logLevel must be one of {', '.join(_LEVELS)}.", path="logLevel")
    if not _TYPE.fullmatch(new.log_type):
        raise ValidationError(
            "logType must have 1 to 100 letters, digits, dots, colons, hyphens and underscores.",
            path="logType",
        )
    payload = None
    if new.payload is not None:
        payload = storable_json(new.payload, limit=LARGEST_PAYLOAD).decode()
    log_id = context.ids.new()
    return LogEntry(
        application_id=actor.application_id,
        id=log_id,
        event_id=new.event_id,
        level=level,
        log_type=new.log_type,
        message=storable_text(new.message, name="message"),
        payload=payload,
        created_at=time_of(log_id),
    )
