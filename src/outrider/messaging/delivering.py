"""Delivering messages: the dispatcher's handler that calls the provider and says what to record."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import assert_never, cast

from outrider.core import log
from outrider.core.database.pools import Pool
from outrider.core.ids import IdClock
from outrider.dispatch.values import Ended, QueueRow, Work
from outrider.events.values import Append, AppendedDelivery
from outrider.messaging import cross_tenant, recording
from outrider.messaging.recording import Attempt
from outrider.messaging.values import OutboundCargo
from outrider.platforms.base import (
    Adapter,
    Capability,
    Deferred,
    FailureCode,
    InDoubt,
    Outbound,
    Outcome,
    Rejected,
    Sent,
)
from outrider.platforms.registry import Registry
from outrider.tenancy.connection_directory import ConnectionDirectory, ConnectionEntry

SANDBOX = "sandbox"
# Far enough for "until somebody decides", and still a time that every client can read.
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MessageHandler:
    """What delivering messages needs; `mark_started` is for connections that must not send twice."""

    connections: ConnectionDirectory
    registry: Registry
    ids: IdClock
    pool: Pool
    mark_started: Callable[[Work], Awaitable[bool]]

    def handed(self, item: Append | None, delivery: AppendedDelivery) -> object:
        """The cargo that sending left with the item."""
        cargo = item.cargo if item is not None else None
        return cargo if isinstance(cargo, OutboundCargo) else None

    async def load(self, rows: Sequence[QueueRow]) -> Sequence[object]:
        """The messages of the rows, in one statement."""
        return await cross_tenant.load_outbound(
            self.pool, [(row.application_id, row.event_id) for row in rows]
        )

    async def attempt(self, work: Work) -> Ended:
        """Call the provider once and turn its outcome into what to record."""
        started_at, began = datetime.now(UTC), monotonic()
        cargo = work.cargo
        if not isinstance(cargo, OutboundCargo):
            (cargo,) = await cross_tenant.load_outbound(
                self.pool, [(work.row.application_id, work.row.event_id)]
            )
        entry = await self.connections.get(work.row.application_id, work.row.target_id)
        outcome = await self._outcome(work, cargo, entry)
        attempt = Attempt(work, cargo, started_at, round((monotonic() - began) * 1000))
        _log(attempt, entry, outcome)
        return self._ended(attempt, entry, outcome)

    async def _outcome(
        self, work: Work, cargo: OutboundCargo | None, entry: ConnectionEntry | None
    ) -> Outcome:
        if cargo is None:
            return Rejected(FailureCode.UNKNOWN, "The message is no longer in the log.")
        if entry is None or not entry.is_active:
            return Rejected(FailureCode.ACCOUNT_ERROR, "The connection was deleted or disabled.")
        expires_at = work.row.expires_at
        if expires_at is not None and expires_at <= datetime.now(UTC):
            return Rejected(FailureCode.EXPIRED, "The message expired before it could be sent.")
        adapter = self._adapter(cargo, entry)
        if adapter is None:
            return Rejected(FailureCode.ACCOUNT_ERROR, f"The provider {entry.provider} is not installed.")
        outbound = _outbound(work, cargo)
        if work.row.state == "started":
            # its last owner vanished during the call
            return await adapter.find_outcome(outbound, entry.context) or InDoubt(
                "The process ended during the call."
            )
        if entry.in_doubt_policy == "hold" and not await self.mark_started(work):
            return Deferred(None, "The shard was handed to another process.")
        return await _sent(adapter, outbound, entry)

    def _adapter(self, cargo: OutboundCargo, entry: ConnectionEntry) -> Adapter | None:
        return self.registry.get(SANDBOX if cargo.payload.get("sandbox") is True else entry.provider)

    def _ended(self, attempt: Attempt, entry: ConnectionEntry | None, outcome: Outcome) -> Ended:
        match outcome:
            case Sent(external_id):
                return Ended(recording.sent(self.ids, attempt, external_id))
            case Rejected(code, detail):
                return Ended(recording.failed(self.ids, attempt, code, detail))
            case Deferred(retry_after, detail, pauses_connection):
                pause = retry_after if pauses_connection else None
                return self._postponed(attempt, entry, retry_after, detail, result="deferred", pause=pause)
            case InDoubt(detail):
                if entry is not None and entry.in_doubt_policy == "hold":
                    return Ended(recording.held(attempt, detail, _FOREVER))
                return self._postponed(attempt, entry, None, detail, result="in_doubt", pause=None)
            case _:
                assert_never(outcome)

    def _postponed(
        self,
        attempt: Attempt,
        entry: ConnectionEntry | None,
        retry_after: float | None,
        detail: str,
        *,
        result: str,
        pause: float | None,
    ) -> Ended:
        wait = (
            retry_after if retry_after is not None else recording.retry_seconds(attempt.work.row.attempts + 1)
        )
        due_at = datetime.now(UTC) + timedelta(seconds=wait)
        adapter = self.registry.get(entry.provider) if entry is not None else None
        hours = adapter.manifest.lifetime_hours if adapter is not None else 24
        if due_at >= recording.lifetime_end(attempt, hours):
            return Ended(recording.failed(self.ids, attempt, FailureCode.EXPIRED, detail, result=result))
        append = recording.postponed(attempt, due_at, detail, result=result)
        return Ended(append, retry_at=due_at, pause_seconds=pause, is_target_at_fault=False)


async def _sent(adapter: Adapter, outbound: Outbound, entry: ConnectionEntry) -> Outcome:
    try:
        async with asyncio.timeout(adapter.manifest.attempt_seconds):
            outcome = await adapter.send(outbound, entry.context)
    except TimeoutError:
        outcome = InDoubt("The provider did not answer in time.")
    if isinstance(outcome, InDoubt) and Capability.FIND_OUTCOME in adapter.manifest.capabilities:
        return await adapter.find_outcome(outbound, entry.context) or outcome
    return outcome


def _outbound(work: Work, cargo: OutboundCargo) -> Outbound:
    return Outbound(
        event_id=work.row.event_id,
        delivery_id=work.row.id,
        attempt=work.row.attempts + 1,
        recipient=cargo.recipient,
        content=_object(cargo.payload.get("message")),
        metadata=_object(cargo.payload.get("metadata")),
    )


def _log(attempt: Attempt, entry: ConnectionEntry | None, outcome: Outcome) -> None:
    row = attempt.work.row
    log.wide(
        "message.attempted",
        outcome="ok" if isinstance(outcome, Sent) else type(outcome).__name__.lower(),
        application_id=row.application_id,
        event_id=row.event_id,
        connection_id=row.target_id,
        provider=entry.provider if entry is not None else None,
        attempt=row.attempts + 1,
        duration_ms=attempt.duration_ms,
        detail=None if isinstance(outcome, Sent) else outcome.detail,
    )


def _object(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
