"""Items as operations hand them to the appender, and appenders to hand them to."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from outrider.core.database.pools import STEADY_PLANS, connect
from outrider.core.ids import IdClock
from outrider.core.metrics import Metrics
from outrider.events.appending import AppendEffects, Appender, AppendLimits
from outrider.events.values import (
    Append,
    Flushed,
    MessageState,
    NewEvent,
    NewMessage,
    OnceKey,
    Receipt,
    Target,
)
from outrider.webhooks.patterns import candidate_patterns

IDS = IdClock()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Around:
    """What an appender under test sees of its process."""

    flushed: list[Flushed] = field(default_factory=list)
    has_disk_space: bool = True


@asynccontextmanager
async def appending(
    dsn: str, limits: AppendLimits | None = None, around: Around | None = None, *, timeout: str = "15s"
) -> AsyncGenerator[Appender]:
    """An appender of its own, as another process has it."""
    around = around or Around()

    async def connected() -> "asyncpg.Connection[asyncpg.Record]":
        return await connect(dsn, **STEADY_PLANS, statement_timeout=timeout, lock_timeout="10s")

    appender = Appender(
        AppendEffects(
            connect=connected,
            candidate_patterns=candidate_patterns,
            on_flushed=around.flushed.append,
            notify_text=lambda: None,
            has_disk_space=lambda: around.has_disk_space,
            metrics=Metrics(),
        ),
        limits,
    )
    appender.start()
    try:
        yield appender
    finally:
        await appender.close()


def new_event(
    application: UUID,
    *,
    key: str | None = None,
    body: bytes = b"body",
    payload: str = '{"n": 1}',
    event_type: str = "ferry.sailed",
    targets: Sequence[Target] = (),
    hours: int = 24,
) -> Append:
    """A custom event."""
    event_id = IDS.new()
    return Append(
        application_id=application,
        event_id=event_id,
        events=(NewEvent(application, event_id, event_type, payload, fragment=f'"event_id":"{event_id}"'),),
        once_key=None if key is None else OnceKey("createEvent", key, body, hours),
        targets=targets,
    )


def new_message(application: UUID, connection: UUID) -> Append:
    """A message that is never due."""
    event_id = IDS.new()
    return Append(
        application_id=application,
        event_id=event_id,
        events=(NewEvent(application, event_id, "message.outbound", "{}", is_held=True),),
        message=NewMessage(event_id, connection, uuid4(), 0, None, NOON + timedelta(days=36_500), None),
    )


def sent(message: Append, external_id: str, at: datetime = NOON) -> Append:
    """Our own record of a send."""
    return told(
        message.application_id,
        _connection(message),
        external_id,
        MessageState.SENT,
        at,
        message_id=message.event_id,
    )


def receipt(
    message: Append, external_id: str, state: MessageState, at: datetime, dedupe: str | None = None
) -> Append:
    """What the platform tells of a message; it knows only its own id."""
    return told(
        message.application_id, _connection(message), external_id, state, at, message_id=None, dedupe=dedupe
    )


def told(
    application: UUID,
    connection: UUID,
    external_id: str,
    state: MessageState,
    at: datetime,
    *,
    message_id: UUID | None,
    dedupe: str | None = None,
) -> Append:
    """A child event with its fold."""
    event_id = IDS.new()
    payload = (
        f'{{"status": "{state.word}", "external_message_id": "{external_id}",'
        f' "{state.word}_at": "{at:%Y-%m-%dT%H:%M:%S}.000Z"}}'
    )
    return Append(
        application_id=application,
        event_id=event_id,
        events=(
            NewEvent(
                application,
                event_id,
                f"message.{state.word}",
                payload,
                origin_event_id=message_id,
                fragment=f'"event_id":"{event_id}"',
            ),
        ),
        once_key=OnceKey(f"inbound:{connection}", dedupe, None, 720) if dedupe is not None else None,
        receipts=(Receipt(event_id, connection, external_id, message_id, state, at, None),),
        is_new_fact=False,
    )


def _connection(message: Append) -> UUID:
    assert message.message is not None
    return message.message.connection_id
