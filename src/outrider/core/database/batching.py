"""Natural batching of one kind of statement: while one is on its way, what comes next is collected for the one after.

An idle process adds no delay, a busy one commits many rows together. An answer means that the commit is done.
The statement is repeated when the database was away, so it must be one that changes nothing the second time.
(The log of events has its own, `outrider.events.appending`, with more to promise.)
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import asyncpg

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.errors import InternalError, Unavailable

T = TypeVar("T")
R = TypeVar("R")

_AGAIN_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)
_LOST = (*DATABASE_FAULTS, asyncpg.TransactionRollbackError, asyncpg.ReadOnlySQLTransactionError)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of a batch, of the queue before it, and of a caller's patience."""

    batch_items: int = 500
    batch_bytes: int = 4_000_000
    queue_items: int = 20_000
    queue_bytes: int = 64_000_000
    answer_seconds: float = 5.0


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    size: int
    future: "asyncio.Future[R]" = field(repr=False)


class Batcher(Generic[T, R]):
    """Writes items together; `write` answers each of them, in order, after the commit."""

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        limits: BatchLimits | None = None,
    ) -> None:
        self._name = name
        self._write = write
        self._limits = limits or BatchLimits()
        self._queue: deque[_Waiting[T, R]] = deque()
        self._queued_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False

    async def put(self, item: T, size: int) -> R:
        """Write one item of so many bytes; returns after its commit.

        Raises `Unavailable` when too much waits, or when the database did not answer in time (then the item may
        still be written), and `InternalError` for an item that the database refuses.
        """
        if self._is_closing:
            raise Unavailable("The server is stopping.")
        limits = self._limits
        if len(self._queue) >= limits.queue_items or self._queued_bytes + size > limits.queue_bytes:
            raise Unavailable("The server is overloaded; try again.")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, size, future))
        self._queued_bytes += size
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="batches")
        handle = asyncio.get_running_loop().call_later(limits.answer_seconds, _give_up, future)
        try:
            return await future
        finally:
            handle.cancel()

    async def close(self) -> None:
        """Write what waits, then stop; callers' patience bounds how long that takes."""
        self._is_closing = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._flush(self._take())
        finally:
            # whatever ended this, the next caller begins anew
            self._task = None

    def _take(self) -> list[_Waiting[T, R]]:
        batch: list[_Waiting[T, R]] = []
        total = 0
        while self._queue and len(batch) < self._limits.batch_items:
            if batch and total + self._queue[0].size > self._limits.batch_bytes:
                break
            waiting = self._queue.popleft()
            self._queued_bytes -= waiting.size
            total += waiting.size
            batch.append(waiting)
        return batch

    async def _flush(self, batch: list[_Waiting[T, R]]) -> None:
        tries = 0
        # who gave up is left out; when all have, the batch is over
        while batch := [waiting for waiting in batch if not waiting.future.done()]:
            try:
                answers = await self._write([waiting.item for waiting in batch])
            except _LOST as error:
                log.warning(f"{self._name}.interrupted", outcome="repeating", reason=_reason(error))
                await asyncio.sleep(_AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)])
                tries += 1
            except Exception as error:  # noqa: BLE001 -- some item is at fault, and the others must be written
                await self._halve(batch, error)
                return
            else:
                for waiting, answer in zip(batch, answers, strict=True):
                    if not waiting.future.done():
                        waiting.future.set_result(answer)
                return

    async def _halve(self, batch: list[_Waiting[T, R]], error: Exception) -> None:
        if len(batch) == 1:
            log.error(f"{self._name}.refused", outcome="refused", reason=_reason(error))
            if not batch[0].future.done():
                batch[0].future.set_exception(InternalError())
            return
        middle = len(batch) // 2
        await self._flush(batch[:middle])
        await self._flush(batch[middle:])


def _give_up(future: "asyncio.Future[R]") -> None:
    if not future.done():
        future.set_exception(Unavailable("The database did not answer in time."))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
