"""Callers that wait for the first attempt of their message.

Outcomes of this process answer at once, with the flush that commits them; one poll for all waiters finds
what another process attempted.
"""

import asyncio
import contextlib
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Pool
from outrider.events.values import Flushed
from outrider.messaging import cross_tenant
from outrider.messaging.values import AttemptSummary, SendResult

_POLL_SECONDS = 0.2


class Waiters:
    """The waiting callers of one process, by message."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: dict[UUID, tuple[UUID, list[asyncio.Future[SendResult]]]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the backstop poll."""
        self._task = asyncio.create_task(self._run(), name="send-waiters")

    async def close(self) -> None:
        """Stop polling; who waits runs into its time limit."""
        if self._task is not None:
            self._task.cancel()

    def register(self, application_id: UUID, event_id: UUID) -> "asyncio.Future[SendResult]":
        """Wait for a message that is about to be appended, or was; `forget` it in the end.

        Several may wait for one message: who repeats a request waits with the first.
        """
        future: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(event_id, (application_id, []))[1].append(future)
        return future

    def forget(self, event_id: UUID, future: "asyncio.Future[SendResult]") -> None:
        """This caller does not wait any more."""
        waiting = self._waiting.get(event_id)
        if waiting is None:
            return
        with contextlib.suppress(ValueError):
            waiting[1].remove(future)
        if not waiting[1]:
            del self._waiting[event_id]

    def on_flushed(self, flushed: Flushed) -> None:
        """Answer whoever waits for an outcome of this commit."""
        if not self._waiting:
            return
        for item in flushed.items:
            summary = item.cargo
            if isinstance(summary, AttemptSummary):
                self._resolve(
                    SendResult(
                        item.event_id, summary.state.word, summary.external_id, summary.code, summary.detail
                    )
                )

    def _resolve(self, result: SendResult) -> None:
        _, futures = self._waiting.get(result.event_id, (None, ()))
        for future in futures:
            if not future.done():
                future.set_result(result)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            keys = [(application_id, event_id) for event_id, (application_id, _) in self._waiting.items()]
            if not keys:
                continue
            try:
                for result in await cross_tenant.select_attempted(self._pool, keys):
                    self._resolve(result)
            except STATEMENT_FAULTS as error:
                log.warning("send.poll_failed", outcome="failed", reason=f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 -- the next poll must come
                log.exception("send.poll_broken", error)
