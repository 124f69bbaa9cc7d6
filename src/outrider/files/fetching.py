"""Fetching what came with messages: the dispatcher's handler that asks the platform, once for each file.

It promises that a file is fetched again after a crash but ends once: its content is on disk before the end of the
attempt is committed, and with that end, and only then, come the row's state and the event that tells of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, assert_never
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.database.pools import Pool
from outrider.core.ids import IdClock, time_of
from outrider.core.storable import shown_json
from outrider.core.turns import Turns
from outrider.dispatch.values import Ended, QueueRow, Work
from outrider.events.bodies import EdgeView, fragment
from outrider.events.values import Append, AppendedDelivery, DeliveryOutcome, FileEnd, NewEdge, NewEvent
from outrider.files import queries
from outrider.files.incoming import INBOUND, name_and_type, reference_size
from outrider.files.queries import PendingFile
from outrider.files.storage import ContentStorage
from outrider.files.storing import put_content
from outrider.platforms.base import (
    FETCH_SECONDS,
    LARGEST_FILE,
    Deferred,
    FailureCode,
    FetchedFile,
    Rejected,
)
from outrider.platforms.registry import Registry
from outrider.tenancy.connection_directory import ConnectionDirectory, ConnectionEntry

FAILED: Final = "system.file.failed"
# Then hourly, for a day in all, like messages.
RETRY_SECONDS: Final = (5, 30, 120, 600, 1_800)
_HOUR: Final = 3_600
_LIFETIME: Final = timedelta(hours=24)
# Contents are in memory while they come, as slowly as the platform likes: not many at once.
_AT_ONCE: Final = 8
_AT_ONCE_EACH: Final = 4
_TURN_SECONDS: Final = 15.0
_PUT_BACK_SECONDS: Final = 5.0
_DETAIL_CHARACTERS: Final = 2_000
_UNREADABLE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class MediaHandler:
    """What fetching media needs; `has_disk_space` as for new facts."""

    connections: ConnectionDirectory
    registry: Registry
    ids: IdClock
    pool: Pool
    storage: ContentStorage
    turns: Turns = field(default_factory=lambda: Turns(_AT_ONCE, _AT_ONCE_EACH))

    def handed(self, item: Append | None, delivery: AppendedDelivery) -> object:
        """Nothing: an attempt reads its row."""
        del item, delivery

    async def load(self, rows: Sequence[QueueRow]) -> Sequence[object]:
        """Nothing: an attempt reads its row."""
        return [None] * len(rows)

    async def attempt(self, work: Work) -> Ended:
        """Fetch one file and turn what came of it into what to record."""
        row = work.row
        pending = await queries.select_pending(self.pool, row.application_id, row.id)
        if not await self.turns.take(row.application_id, within=_TURN_SECONDS):
            return self._put_back(work)
        started_at, began = self.ids.now(), monotonic()
        try:
            fetched = await self._fetched(row, pending)
            attempt = _Attempt(work, pending, started_at, round((monotonic() - began) * 1000))
            if isinstance(fetched, FetchedFile):
                return await self._stored(attempt, fetched)
        finally:
            self.turns.give_back(row.application_id)
        return self._not_fetched(attempt, fetched)

    def _put_back(self, work: Work) -> Ended:
        """Others are fetched first; no attempt of the schedule is used up."""
        due_at = self.ids.now() + timedelta(seconds=_PUT_BACK_SECONDS)
        attempt = _Attempt(work, None, self.ids.now(), 0)
        outcome = _outcome(attempt, result="put_back")._replace(
            number=work.row.attempts, due_at=due_at, started_at=None, duration_ms=None
        )
        return Ended(self._append(attempt, outcome), retry_at=due_at)

    async def _fetched(self, row: QueueRow, pending: PendingFile | None) -> FetchedFile | Rejected | Deferred:
        if pending is None:
            return Rejected(FailureCode.UNKNOWN, "The file is no longer there.")
        if (reference_size(pending.reference) or 0) > LARGEST_FILE:
            return _too_large()
        if not self.storage.has_room():
            return Deferred(_UNREADABLE_SECONDS, "The disk is nearly full.")
        entry = await self.connections.get(row.application_id, row.target_id)
        if entry is None or not entry.is_active:
            return Rejected(FailureCode.ACCOUNT_ERROR, "The connection was deleted or disabled.")
        if not entry.is_readable:
            return Deferred(_UNREADABLE_SECONDS, "The connection's credentials cannot be opened.")
        return await self._asked(entry, pending)

    async def _asked(self, entry: ConnectionEntry, pending: PendingFile) -> FetchedFile | Rejected | Deferred:
        adapter = self.registry.get(entry.provider)
        if adapter is None:
            return Rejected(FailureCode.ACCOUNT_ERROR, f"The provider {entry.provider} is not installed.")
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await adapter.fetch_file(pending.reference, entry.context)
        except TimeoutError:
            return Deferred(None, "The platform did not answer in time.")
        except Exception as error:  # noqa: BLE001 -- a bug of an adapter: the schedule ends the fetching, too
            log.exception("file.broken", error, file_id=pending.id, provider=entry.provider)
            return Deferred(None, f"The provider's adapter failed ({type(error).__name__}).")

    async def _stored(self, attempt: "_Attempt", fetched: FetchedFile) -> Ended:
        pending = attempt.pending
        assert pending is not None, "what was fetched was pending"
        if not fetched.content:
            return self._failed(attempt, Rejected(FailureCode.UNKNOWN, "The file is empty."))
        if len(fetched.content) > LARGEST_FILE:
            return self._failed(attempt, _too_large())
        content = await put_content(self.storage, fetched.content)
        filename, mime_type = _better(pending, fetched)
        told = {
            "file_id": str(pending.id),
            "filename": filename,
            "mime_type": mime_type,
            "size": content.size,
        }
        _log(attempt, "ok", None)
        return Ended(
            self._append(
                attempt,
                _outcome(attempt, result="succeeded", final_state="succeeded"),
                end=FileEnd(pending.id, filename, mime_type, content.size, content.sha256),
                told=(INBOUND, told),
            )
        )

    def _not_fetched(self, attempt: "_Attempt", problem: Rejected | Deferred) -> Ended:
        match problem:
            case Rejected():
                return self._failed(attempt, problem)
            case Deferred(retry_after, detail):
                wait = _wait_seconds(attempt.work.row.attempts) if retry_after is None else retry_after
                due_at = self.ids.now() + timedelta(seconds=wait)
                if due_at > time_of(attempt.work.row.event_id) + _LIFETIME:
                    return self._failed(attempt, Rejected(FailureCode.EXPIRED, detail))
                _log(attempt, "deferred", detail)
                outcome = _outcome(attempt, result="deferred", detail=detail)
                outcome = outcome._replace(next_state="ready", due_at=due_at)
                return Ended(self._append(attempt, outcome), retry_at=due_at)
            case _:
                assert_never(problem)

    def _failed(self, attempt: "_Attempt", problem: Rejected) -> Ended:
        row, pending = attempt.work.row, attempt.pending
        outcome = _outcome(
            attempt, result="rejected", final_state="failed", reason=problem.code.value, detail=problem.detail
        )
        _log(attempt, "rejected", problem.detail)
        if pending is None:
            return Ended(self._append(attempt, outcome))
        told: dict[str, object] = {
            "file_id": str(row.id),
            "filename": pending.filename,
            "mime_type": pending.mime_type,
            "error": {"code": problem.code.value, "message": problem.detail[:_DETAIL_CHARACTERS]},
        }
        end = FileEnd(row.id, pending.filename, pending.mime_type, None, None)
        return Ended(self._append(attempt, outcome, end=end, told=(FAILED, told)))

    def _append(
        self,
        attempt: "_Attempt",
        outcome: DeliveryOutcome,
        *,
        end: FileEnd | None = None,
        told: tuple[str, Mapping[str, object]] | None = None,
    ) -> Append:
        row = attempt.work.row
        event = None if told is None else self._event(row, *told)
        return Append(
            application_id=row.application_id,
            event_id=row.id,
            events=() if event is None else (event,),
            edges=() if event is None else (NewEdge(event.id, self.ids.new(), "attachment", "file", row.id),),
            outcome=outcome,
            file_ends=() if end is None else (end,),
            is_new_fact=False,
        )

    def _event(self, row: QueueRow, event_type: str, told: Mapping[str, object]) -> NewEvent:
        event_id: UUID = self.ids.new()
        payload = orjson.dumps(shown_json(dict(told))).decode()
        shared = fragment(
            application_id=row.application_id,
            event_id=event_id,
            event_type=event_type,
            payload=payload,
            edges=(EdgeView("attachment", "file", row.id),),
            created_at=time_of(event_id),
        )
        return NewEvent(
            row.application_id, event_id, event_type, payload, origin_event_id=row.event_id, fragment=shared
        )


@dataclass(frozen=True, slots=True)
class _Attempt:
    work: Work
    pending: PendingFile | None
    started_at: datetime
    duration_ms: int


def _too_large() -> Rejected:
    return Rejected(FailureCode.CONTENT_REJECTED, f"The file has more than {LARGEST_FILE} bytes.")


def _better(pending: PendingFile, fetched: FetchedFile) -> tuple[str, str]:
    """Name and type as they are known best: what is told with the content says more."""
    if fetched.filename is None and fetched.mime_type is None:
        return pending.filename, pending.mime_type
    return name_and_type(fetched.filename or pending.filename, fetched.mime_type or pending.mime_type)


def _wait_seconds(attempts: int) -> int:
    return RETRY_SECONDS[attempts] if attempts < len(RETRY_SECONDS) else _HOUR


def _outcome(
    attempt: _Attempt,
    *,
    result: str,
    final_state: str | None = None,
    reason: str | None = None,
    detail: str | None = None,
) -> DeliveryOutcome:
    row = attempt.work.row
    shown = shown_json(detail[:_DETAIL_CHARACTERS]) if detail is not None else None
    return DeliveryOutcome(
        shard=row.shard,
        epoch=attempt.work.epoch,
        position=row.position,
        delivery_id=row.id,
        number=row.attempts + 1,
        result=result,
        final_state=final_state,
        reason=reason,
        next_state=None,
        due_at=None,
        started_at=attempt.started_at,
        duration_ms=attempt.duration_ms,
        status_code=None,
        detail=shown if isinstance(shown, str) else None,
        release_fragment=None,
    )


def _log(attempt: _Attempt, outcome: str, detail: str | None) -> None:
    row = attempt.work.row
    log.wide(
        "file.fetched",
        outcome=outcome,
        application_id=row.application_id,
        event_id=row.event_id,
        connection_id=row.target_id,
        file_id=row.id,
        attempt=row.attempts + 1,
        duration_ms=attempt.duration_ms,
        detail=detail,
    )
