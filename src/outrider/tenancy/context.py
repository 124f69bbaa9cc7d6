"""What operations on settings need from the process, and the one kind of transaction they run in.

A settings transaction sees and writes one organisation only; it ends with its audit event, which stands in the
organisation's own log, and tells every process what changed.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection, Database
from outrider.core.ids import IdClock
from outrider.core.sealing import Sealer
from outrider.platforms.registry import Registry
from outrider.tenancy import queries
from outrider.tenancy.actors import Author

CHANGES = "outrider_settings"
"""The channel on which every process hears what changed: `<kind> <id>`."""


class Changed(StrEnum):
    """The kinds of settings that processes keep in memory."""

    API_KEY = "api_key"
    APPLICATION = "application"
    CONNECTION = "connection"
    SUBSCRIPTION = "subscription"
    MEMBER = "member"
    MESSAGE_KEY = "message_key"
    READ_KEY = "read_key"
    BACKENDS = "backends"
    """Which accounts send for the application whose id it is told with."""
    EVENT_SCHEMAS = "event_schemas"
    """Of the application whose id it is told with."""
    TEMPLATES = "templates"
    """And locals, of the application or organisation whose id it is told with."""
    DRAFTS = "drafts"
    """Something is due to be sent in the organisation whose id it is told with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenancyContext:
    """The effects that operations on settings may have."""

    database: Database
    sealer: Sealer = field(repr=False)
    registry: Registry
    ids: IdClock
    public_url: str
    default_tier: str = "unlimited"
    allow_private_targets: bool = False


@asynccontextmanager
async def settings_transaction(
    context: TenancyContext, organisation_id: UUID
) -> AsyncGenerator[Connection, None]:
    """Open a transaction on one organisation's settings; a fault of the database is `Unavailable`."""
    with faults_as_unavailable():
        async with context.database.tenant(organisation_id) as connection:
            yield connection


async def tell_change(connection: Connection, kind: Changed, changed_id: UUID) -> None:
    """Tell every process, when this transaction commits, to look again."""
    await queries.notify_change(connection, CHANGES, f"{kind} {changed_id}")


async def append_audit(
    context: TenancyContext,
    connection: Connection,
    organisation_id: UUID,
    event_type: str,
    payload: Mapping[str, object],
    *,
    by: Author | None,
) -> None:
    """Append who did what to the organisation's log; the last statement before the commit.

    `by` is None for the operator at the command line.
    """
    author = {"type": "operator"} if by is None else by.told_as
    text = orjson.dumps({**payload, "by": author}, default=str).decode()
    await queries.append_audit(connection, organisation_id, event_type, text, context.ids.new())
