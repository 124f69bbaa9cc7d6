"""Delivering messages: the dispatcher's handler that calls the provider and says what to record."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import assert_never, cast

from msgspec import structs

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.database.pools import Pool
from outrider.core.errors import Unavailable
from outrider.core.ids import IdClock
from outrider.dispatch.values import ANY_LENGTH, LONGEST_KEPT, Ended, QueueRow, Work
from outrider.events.values import Append, AppendedDelivery
from outrider.messaging import cross_tenant, recording
from outrider.messaging.attaching import Attaching
from outrider.messaging.recording import Attempt, Recording, lifetime_end
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
_BROKEN = "broken"
# Together with an adapter's own limit these stay below the dispatcher's limit of an attempt.
_PREPARE_SECONDS = 1.2
_FIND_SECONDS = 2.5
_UNMARKED_SECONDS = 2.0
_UNREADABLE_SECONDS = 60.0
# Who is asked again and again to come back at once takes longer in the end: a message's attempts stay countable.
_LONGEST_EXTRA_SECONDS = 10.0
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
    recording: Recording
    attaching: Attaching

    def handed(self, item: Append | None, delivery: AppendedDelivery) -> object:
        """The cargo that sending left with the item."""
        if item is None or not isinstance(item.cargo, OutboundCargo):
            return None
        if sum(len(event.payload) for event in item.events) > LONGEST_KEPT:
            return None
        return _named(item.cargo, delivery.recipient_name)

    async def load(self, rows: Sequence[QueueRow]) -> Sequence[object]:
        """The messages of the rows, in one statement."""
        return await self._load(rows, LONGEST_KEPT)

    async def _load(self, rows: Sequence[QueueRow], longest: int) -> Sequence[object]:
        keys = [(row.application_id, row.event_id) for row in rows]
        return await cross_tenant.load_outbound(self.pool, keys, longest)

    async def attempt(self, work: Work) -> Ended:
        """Call the provider once and turn its outcome into what to record."""
        started_at, began = self.ids.now(), monotonic()
        cargo = work.cargo if isinstance(work.cargo, OutboundCargo) else None
        entry: ConnectionEntry | None = None
        try:
            cargo, entry = await self._prepared(work)
            outcome = await self._outcome(work, cargo, entry)
        except (Unavailable, *DATABASE_FAULTS):
            # no attempt was made, and none is counted
            raise
        except Exception as error:  # noqa: BLE001 -- a bug before the call: the message ends with its lifetime
            log.exception("message.broken", error, event_id=work.row.event_id)
            attempt = Attempt(work, cargo, started_at, round((monotonic() - began) * 1000))
            detail = f"internal error ({type(error).__name__})"
            return await self._postponed(attempt, entry, None, detail, result=_BROKEN, pause=None)
        attempt = Attempt(work, cargo, started_at, round((monotonic() - began) * 1000))
        _log(attempt, entry, outcome)
        return await self._ended(attempt, entry, outcome)

    async def _prepared(self, work: Work) -> tuple[OutboundCargo | None, ConnectionEntry | None]:
        try:
            async with asyncio.timeout(_PREPARE_SECONDS):
                cargo = work.cargo
                if not isinstance(cargo, OutboundCargo):
                    (cargo,) = await self._load([work.row], ANY_LENGTH)
                entry = await self.connections.get(work.row.application_id, work.row.target_id)
        except TimeoutError:
            raise Unavailable from None
        return cargo if isinstance(cargo, OutboundCargo) else None, entry

    async def _outcome(
        self, work: Work, cargo: OutboundCargo | None, entry: ConnectionEntry | None
    ) -> Outcome:
        if cargo is None:
            return Rejected(FailureCode.UNKNOWN, "The message is no longer in the log.")
        if entry is None or not entry.is_active:
            return Rejected(FailureCode.ACCOUNT_ERROR, "The connection was deleted or disabled.")
        if not entry.is_readable and work.row.state != "started":
            detail = (
                "The connection's credentials cannot be opened: the master key that sealed them is missing."
            )
            return Deferred(_UNREADABLE_SECONDS, detail, pauses_connection=True)
        adapter = self._adapter(cargo, entry)
        if adapter is None:
            return Rejected(FailureCode.ACCOUNT_ERROR, f"The provider {entry.provider} is not installed.")
        entry = _as_seen_by(adapter, entry)
        outbound = _outbound(work, cargo)
        if work.row.state == "started":
            # its last owner vanished during the call
            return await _found(adapter, outbound, entry) or InDoubt("The process ended during the call.")
        expires_at = work.row.expires_at
        if expires_at is not None and expires_at <= self.ids.now():
            return Rejected(FailureCode.EXPIRED, "The message expired before it could be sent.")
        if self.attaching.is_whole(cargo):
            return await self._called(work, adapter, outbound, entry)
        async with self.attaching.attached(work.row, cargo, outbound) as whole:
            return whole if isinstance(whole, Deferred) else await self._called(work, adapter, whole, entry)

    async def _called(
        self, work: Work, adapter: Adapter, outbound: Outbound, entry: ConnectionEntry
    ) -> Outcome:
        if entry.in_doubt_policy == "hold" and not await self._is_marked(work):
            return Deferred(_UNMARKED_SECONDS, "The message could not be marked as started.")
        return await _sent(adapter, outbound, entry)

    async def _is_marked(self, work: Work) -> bool:
        try:
            async with asyncio.timeout(_PREPARE_SECONDS):
                return await self.mark_started(work)
        except DATABASE_FAULTS as fault:
            log.warning("message.unmarked", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
            return False

    def _adapter(self, cargo: OutboundCargo, entry: ConnectionEntry) -> Adapter | None:
        return self.registry.get(SANDBOX if cargo.payload.get("sandbox") is True else entry.provider)

    async def _ended(self, attempt: Attempt, entry: ConnectionEntry | None, outcome: Outcome) -> Ended:
        match outcome:
            case Sent(external_id, part_ids):
                return Ended(recording.sent(self.recording, attempt, external_id, part_ids))
            case Rejected(code, detail):
                return Ended(recording.failed(self.recording, attempt, code, detail))
            case Deferred(retry_after, detail, pauses_connection):
                pause = retry_after if pauses_connection else None
                return await self._postponed(
                    attempt, entry, retry_after, detail, result="deferred", pause=pause
                )
            case InDoubt(detail):
                if entry is not None and entry.in_doubt_policy == "hold":
                    return Ended(recording.held(self.recording, attempt, detail, _FOREVER))
                return await self._postponed(attempt, entry, None, detail, result="in_doubt", pause=None)
            case _:
                assert_never(outcome)

    async def _postponed(
        self,
        attempt: Attempt,
        entry: ConnectionEntry | None,
        retry_after: float | None,
        detail: str,
        *,
        result: str,
        pause: float | None,
    ) -> Ended:
        due_at = self.ids.now() + timedelta(seconds=wait_seconds(retry_after, attempt.work.row.attempts))
        if await self._is_too_late(attempt, entry, due_at):
            return Ended(
                recording.failed(self.recording, attempt, FailureCode.EXPIRED, detail, result=result)
            )
        if result == _BROKEN:
            # what may have been sent already keeps its mark, and the webhooks wait for a real attempt
            attempt = replace(attempt, cargo=None)
        next_state = None if result == _BROKEN else "ready"
        append = recording.postponed(
            self.recording, attempt, due_at, detail, result=result, next_state=next_state
        )
        return Ended(append, retry_at=due_at, pause_seconds=pause, is_target_at_fault=False)

    async def _is_too_late(self, attempt: Attempt, entry: ConnectionEntry | None, due_at: datetime) -> bool:
        adapter = self.registry.get(entry.provider) if entry is not None else None
        hours = adapter.manifest.lifetime_hours if adapter is not None else 24
        row = attempt.work.row
        if attempt.cargo is not None and due_at < lifetime_end(row, attempt.cargo.created_at, hours):
            return False
        # an old one may have been scheduled
        first = await cross_tenant.select_first_attempt(self.pool, row.application_id, row.id)
        return due_at >= lifetime_end(row, first or attempt.started_at, hours)


def _named(cargo: OutboundCargo, name: str | None) -> OutboundCargo:
    """The cargo with its recipient's name, which was not looked up before the append."""
    if name is None:
        return cargo
    edges = tuple(
        structs.replace(edge, name=name) if edge.edge_type == "sent_to" else edge for edge in cargo.edges
    )
    return structs.replace(cargo, edges=edges)


def wait_seconds(retry_after: float | None, attempts: int) -> float:
    """How long to wait: as long as the provider asked, else by the schedule."""
    if retry_after is None:
        return recording.retry_seconds(attempts + 1)
    return max(retry_after, min(float(attempts), _LONGEST_EXTRA_SECONDS))


def _as_seen_by(adapter: Adapter, entry: ConnectionEntry) -> ConnectionEntry:
    """The sandbox learns nothing of the provider that it stands in for, least of all where to reach it."""
    if adapter.manifest.name == entry.provider:
        return entry
    return replace(entry, context=replace(entry.context, config={}))


async def _sent(adapter: Adapter, outbound: Outbound, entry: ConnectionEntry) -> Outcome:
    try:
        async with asyncio.timeout(adapter.manifest.attempt_seconds):
            outcome = await adapter.send(outbound, entry.context)
    except TimeoutError:
        outcome = InDoubt("The provider did not answer in time.")
    except Exception as error:  # noqa: BLE001 -- a bug of an adapter: the request may have left
        log.exception("message.broken", error, event_id=outbound.event_id, provider=entry.provider)
        outcome = InDoubt(f"The provider's adapter failed ({type(error).__name__}).")
    if isinstance(outcome, InDoubt):
        return await _found(adapter, outbound, entry) or outcome
    return outcome


async def _found(adapter: Adapter, outbound: Outbound, entry: ConnectionEntry) -> Sent | Rejected | None:
    """What the provider says became of an attempt, None if it cannot tell."""
    if Capability.FIND_OUTCOME not in adapter.manifest.capabilities or not entry.is_readable:
        return None
    try:
        async with asyncio.timeout(_FIND_SECONDS):
            return await adapter.find_outcome(outbound, entry.context)
    except Exception as error:  # noqa: BLE001 -- then the doubt stays
        log.warning("message.doubt_stays", outcome="failed", reason=f"{type(error).__name__}: {error}")
        return None


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
