"""The writing of log entries: one statement for the callers of many tenants, each row naming its own."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from outrider.core.database.pools import Pool

# Across tenants because one commit serves all who wait; an event is looked for with its row's own tenant. What is
# there already was written by a call whose answer was lost.
WRITE_LOGS = """
with told as materialized (
  select t.* from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
    with ordinality t(application_id, id, event_id, level, log_type, message, payload, n)
), known as materialized (
  select t.* from told t where t.event_id is null
    or exists (select from events e where e.application_id = t.application_id and e.id = t.event_id)
), written as (
  insert into logs (application_id, id, event_id, level, log_type, message, payload)
  select k.application_id, k.id, k.event_id, k.level, k.log_type, k.message, k.payload::json
  from known k order by k.application_id, k.id
  on conflict (application_id, id) do nothing
)
select k.n from known k
"""


class LogLevel(StrEnum):
    """How much a log entry matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class LogEntry(Struct, frozen=True, kw_only=True):
    """What a customer's program told; `payload` is JSON text."""

    application_id: UUID
    id: UUID
    event_id: UUID | None
    level: LogLevel
    log_type: str
    message: str
    payload: str | None
    created_at: datetime


async def write_logs(pool: Pool, entries: Sequence[LogEntry]) -> list[bool]:
    """Write entries in one commit; False for one whose event does not exist, which is not written."""
    rows = await pool.fetch(
        WRITE_LOGS,
        [entry.application_id for entry in entries],
        [entry.id for entry in entries],
        [entry.event_id for entry in entries],
        [entry.level.value for entry in entries],
        [entry.log_type for entry in entries],
        [entry.message for entry in entries],
        [entry.payload for entry in entries],
    )
    written = {row["n"] for row in rows}
    return [number in written for number in range(1, len(entries) + 1)]
