"""The appender: natural batching of facts, the only way in which they are written.

Callers hand it immutable values and wait. While one flush is on its way it collects what others want; then
it writes all of that in one call and one commit, and only then answers each caller. An idle process adds no
delay, a busy one commits dozens of requests together.

It promises: an answer means that the item is committed; a data error fails the one item that has it; a
connection lost during COMMIT is replayed with the same ids; nobody waits longer than its deadline.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import asyncpg

from outrider.core import log
from outrider.core.database.pools import Connection
from outrider.core.errors import AppError, InternalError, Unavailable
from outrider.core.metrics import Metrics
from outrider.events import cross_tenant
from outrider.events.append_faults import LOST, is_worth_repeating
from outrider.events.values import Answer, Append, Flushed, NewIdentity, Verdict

_RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
_KNOWN_LIMIT = 200_000


class PoisonedItem(InternalError):
    """Something went wrong on our side; nothing was written.

    The database refused the data of one item, which was tried alone. What it said is in the log only.
    """


@dataclass(frozen=True, slots=True)
class AppendLimits:
    """Bounds of the queue (refused with `Unavailable`), of a flush, and of patience.

    `answer_seconds` is a caller's, `call_seconds` the appender's with one call (longer than the server's own
    limit of a statement), `closing_seconds` how long a stop waits for a database that is away.
    """

    flush_items: int = 500
    flush_bytes: int = 4_000_000
    queue_items: int = 20_000
    queue_bytes: int = 64_000_000
    answer_seconds: float = 5.0
    call_seconds: float = 16.0
    closing_seconds: float = 5.0


@dataclass(slots=True)
class _Waiting:
    item: Append
    size: int
    deadline: float | None
    future: "asyncio.Future[Answer]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppendEffects:
    """What the appender needs from outside.

    `candidate_patterns` names the subscription patterns that an event type can match; `on_flushed` hears of
    each commit before the callers do; `notify_text` is what other processes are told (None: nobody listens).
    """

    connect: "Callable[[], Awaitable[asyncpg.Connection[asyncpg.Record]]]"
    candidate_patterns: Callable[[str], Sequence[str]]
    on_flushed: Callable[[Flushed], None]
    notify_text: Callable[[], str | None]
    has_disk_space: Callable[[], bool]
    metrics: Metrics


class Appender:
    """One per process; see the module."""

    def __init__(self, effects: AppendEffects, limits: AppendLimits | None = None) -> None:
        self._effects = effects
        self._limits = limits or AppendLimits()
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._known_types: set[tuple[UUID, str]] = set()
        self._known_identities: dict[UUID, tuple[str | None, str | None]] = {}
        self._under_way: list[_Waiting] = []

    def start(self) -> None:
        """Begin to flush; needs a running loop."""
        self._task = asyncio.create_task(self._run(), name="appender")

    async def close(self) -> None:
        """Write what is queued, then stop; later appends are refused, and so is what could not be written."""
        self._is_closing = True
        self._wake.set()
        if self._task is not None:
            _, unfinished = await asyncio.wait({self._task}, timeout=self._limits.closing_seconds)
            for task in unfinished:
                task.cancel()
                log.error("append.given_up", outcome="failed", items=len(self._under_way) + len(self._queue))
        for waiting in (*self._under_way, *self._queue):
            _resolve_error(waiting.future, Unavailable("The server is stopping."))
        self._drop_connection()

    @property
    def queued(self) -> int:
        """Items that wait for their flush."""
        return len(self._queue)

    def is_known_identity(self, identity: NewIdentity) -> bool:
        """Whether this process has seen the platform user committed, with what is told of it now."""
        known = self._known_identities.get(identity.platform_user_id)
        return (
            known is not None
            and identity.name in {None, known[0]}
            and identity.profile_picture_url in {None, known[1]}
        )

    async def append(self, item: Append, *, patience: float | None = -1.0) -> Answer:
        """Write one item; returns after its commit.

        `patience` in seconds (None: as long as it takes; the default is the limit for callers over HTTP).
        Raises `Unavailable` when the queue is full, the disk nearly so, or patience ran out (the item may
        still be stored: repeating with the same key is safe), and `PoisonedItem` for data that the database
        refuses.
        """
        if patience is not None and patience < 0:
            patience = self._limits.answer_seconds
        future = self._enqueue(item, patience)
        if patience is None:
            return await future
        handle = asyncio.get_running_loop().call_later(patience, self._give_up, [future])
        try:
            return await future
        finally:
            handle.cancel()

    async def append_all(self, items: Sequence[Append]) -> list[Answer | AppError | PoisonedItem]:
        """Write several items, each for itself; returns what `append` would have answered or raised for each."""
        patience = self._limits.answer_seconds
        asked = [self._enqueue_or_refuse(item, patience) for item in items]
        futures = [future for future in asked if isinstance(future, asyncio.Future)]
        if futures:
            handle = asyncio.get_running_loop().call_later(patience, self._give_up, futures)
            try:
                await asyncio.wait(futures)
            finally:
                handle.cancel()
                for future in futures:
                    # a caller that went away before the flush gets nothing written
                    future.cancel()
        return [_outcome_of(future) if isinstance(future, asyncio.Future) else future for future in asked]

    def _enqueue_or_refuse(self, item: Append, patience: float) -> "asyncio.Future[Answer] | AppError":
        try:
            return self._enqueue(item, patience)
        except AppError as refusal:
            return refusal

    def _enqueue(self, item: Append, patience: float | None) -> "asyncio.Future[Answer]":
        size = _size_of(item)
        self._admit(item, size)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        deadline = None if patience is None else monotonic() + patience
        self._queue.append(_Waiting(item, size, deadline, future))
        self._queued_bytes += size
        self._wake.set()
        return future

    def _admit(self, item: Append, size: int) -> None:
        if self._is_closing:
            raise self._refusal("stopping", "The server is stopping.")
        if item.is_new_fact and not self._effects.has_disk_space():
            raise self._refusal("disk", "The disk is nearly full; nothing new is accepted.")
        # the ends of attempts are bounded by their slots, and losing one would mean to attempt it again
        if item.outcome is None and (
            len(self._queue) >= self._limits.queue_items
            or self._queued_bytes + size > self._limits.queue_bytes
        ):
            raise self._refusal("overload", "The server is overloaded; try again.")

    def _refusal(self, reason: str, message: str) -> Unavailable:
        self._effects.metrics.append_refused_total.add(reason)
        return Unavailable(message)

    def _give_up(self, futures: Sequence["asyncio.Future[Answer]"]) -> None:
        message = "The database did not answer in time; repeat with the same idempotency key."
        for future in futures:
            if not future.done():
                future.set_exception(self._refusal("timeout", message))

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._is_closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            self._under_way = self._take()
            try:
                await self._flush(self._under_way, is_replay=False)
            except Exception as error:  # noqa: BLE001 -- whatever this is, the next flush must come
                log.exception("append.broken", error)
                for waiting in self._under_way:
                    _resolve_error(waiting.future, PoisonedItem())
            self._under_way = []

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        total = 0
        queue = self._queue
        while queue and len(batch) < self._limits.flush_items:
            if batch and total + queue[0].size > self._limits.flush_bytes:
                break
            waiting = queue.popleft()
            self._queued_bytes -= waiting.size
            # a caller that gave up before its flush began gets nothing written
            if waiting.future.done():
                continue
            total += waiting.size
            batch.append(waiting)
        return batch

    async def _flush(self, batch: list[_Waiting], *, is_replay: bool) -> None:
        tries = 0
        while batch:
            connection = await self._connected(batch, tries)
            if not is_replay:
                # nothing was sent yet: who gave up meanwhile gets nothing written
                batch = [waiting for waiting in batch if not waiting.future.done()]
            if connection is None or not batch:
                tries += 1
                continue
            try:
                written = await self._write(connection, batch, is_replay=is_replay)
            except Exception as error:  # noqa: BLE001 -- what it means is judged below
                if not is_worth_repeating(error, tries, len(batch), is_replay=is_replay):
                    await self._halve(batch, error, is_replay=is_replay)
                    return
                is_replay = True
                self._drop_connection()
                await self._pause("append.interrupted", error, tries, batch)
                tries += 1
            else:
                self._tell(batch, *written)
                return

    async def _pause(self, what: str, error: Exception, tries: int, batch: list[_Waiting]) -> None:
        log.warning(what, outcome="replaying", reason=f"{type(error).__name__}: {error}", items=len(batch))
        await asyncio.sleep(_RECONNECT_SECONDS[min(tries, len(_RECONNECT_SECONDS) - 1)])

    async def _halve(self, batch: list[_Waiting], error: Exception, *, is_replay: bool) -> None:
        if len(batch) == 1:
            log.error(
                "append.poisoned", outcome="refused", reason=str(error), event_id=batch[0].item.event_id
            )
            self._effects.metrics.append_refused_total.add("poisoned")
            _resolve_error(batch[0].future, PoisonedItem())
            return
        middle = len(batch) // 2
        await self._flush(batch[:middle], is_replay=is_replay)
        await self._flush(batch[middle:], is_replay=is_replay)

    async def _write(
        self, connection: Connection, batch: list[_Waiting], *, is_replay: bool
    ) -> tuple[Flushed, list[int], list[UUID | None]]:
        started = monotonic()
        items = [waiting.item for waiting in batch]
        types = {(event.application_id, event.event_type) for item in items for event in item.events}
        flushed, verdicts, stored_ids = await cross_tenant.append_batch(
            connection,
            items,
            is_replay=is_replay,
            notify=self._effects.notify_text(),
            is_known_identity=self.is_known_identity,
            new_types=sorted(types - self._known_types),
            patterns=self._patterns(items, {name for _, name in types}),
            timeout=self._limits.call_seconds,
        )
        self._remember(flushed.items)
        self._count(flushed, len(items), monotonic() - started)
        return flushed, verdicts, stored_ids

    def _tell(
        self, batch: list[_Waiting], flushed: Flushed, verdicts: list[int], stored_ids: list[UUID | None]
    ) -> None:
        try:
            self._effects.on_flushed(flushed)
        except Exception as error:  # noqa: BLE001 -- it is committed, and the callers must hear of it
            log.exception("append.unheard", error)
        for waiting, verdict, stored_id in zip(batch, verdicts, stored_ids, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(Answer(Verdict(verdict), stored_id))

    def _count(self, flushed: Flushed, size: int, seconds: float) -> None:
        metrics = self._effects.metrics
        metrics.append_batch_size.observe(size)
        metrics.append_seconds.observe(seconds)
        metrics.sqlcalls_total.add("append")
        events = sum(len(item.events) for item in flushed.items)
        if events:
            metrics.events_appended_total.add(by=events)

    def _patterns(self, items: Sequence[Append], names: set[str]) -> list[tuple[str, str]]:
        if any(item.receipts for item in items):
            # receipts that waited are freed by the same call
            names = names | RECEIPT_TYPES
        return [
            (name, pattern) for name in sorted(names) for pattern in self._effects.candidate_patterns(name)
        ]

    def _remember(self, written: Sequence[Append]) -> None:
        if len(self._known_types) > _KNOWN_LIMIT:
            self._known_types.clear()
        if len(self._known_identities) > _KNOWN_LIMIT:
            self._known_identities.clear()
        for item in written:
            self._known_types.update((event.application_id, event.event_type) for event in item.events)
            for identity in item.identities:
                name, picture = self._known_identities.get(identity.platform_user_id, (None, None))
                self._known_identities[identity.platform_user_id] = (
                    identity.name or name,
                    identity.profile_picture_url or picture,
                )

    async def _connected(self, batch: list[_Waiting], tries: int) -> Connection | None:
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await self._effects.connect()
            except (*LOST, asyncpg.PostgresError) as error:
                await self._pause("append.no_database", error, tries, batch)
                return None
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(*LOST):
                self._connection.terminate()
            self._connection = None


RECEIPT_TYPES = frozenset({"message.sent", "message.delivered", "message.read", "message.failed"})


def _size_of(item: Append) -> int:
    size = 256 + 128 * (len(item.edges) + len(item.targets)) + 512 * len(item.identities)
    for event in item.events:
        size += len(event.payload) + len(event.fragment or "") + len(event.raw or b"") + 256
    for file in item.files:
        size += len(file.reference or "") + 256
    if item.outcome is not None:
        size += len(item.outcome.release_fragment or "") + len(item.outcome.detail or "")
    return size


def _outcome_of(future: "asyncio.Future[Answer]") -> Answer | AppError | PoisonedItem:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, AppError | PoisonedItem):
        return error
    raise error


def _resolve_error(future: "asyncio.Future[Answer]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
