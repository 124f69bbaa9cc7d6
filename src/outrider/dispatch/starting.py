"""Marks work as started before its call, for connections that must never send twice; marks are batched."""

import asyncio

from outrider.core.database.pools import Pool
from outrider.dispatch import cross_tenant
from outrider.dispatch.values import Work


class StartMarker:
    """Collects what wants to start while the previous statement is on its way, and marks it in one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[tuple[Work, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def mark(self, work: Work) -> bool:
        """Whether the call may be made: the mark is committed and the shard still ours."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="start-marker")
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                marked = await cross_tenant.mark_started(
                    self._pool, [(work.row, work.epoch) for work, _ in batch]
                )
            except Exception as error:  # noqa: BLE001 -- whoever waits hears of it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for work, future in batch:
                if not future.done():
                    future.set_result(work.row.id in marked)
        self._task = None
