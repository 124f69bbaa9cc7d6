"""When read keys were last used: noted in memory, and written once a minute for all keys by one statement.

What a process noted and did not write when it was killed is lost: at most a minute of a time that says no more than
roughly when.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import STATEMENT_FAULTS
from outrider.core.database.pools import Pool
from outrider.tenancy.cross_tenant import record_uses
from outrider.tenancy.read_keys import Reader

SECONDS: Final = 60.0


class KeyUses:
    """The uses that one process has seen; `now` is the database's time."""

    def __init__(self, pool: Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._seen: dict[tuple[UUID, UUID], datetime] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, reader: Reader) -> None:
        """Note that a key was used."""
        self._seen[reader.organisation_id, reader.key_id] = self._now()

    def start(self) -> None:
        """Begin to write what is noted."""
        self._task = asyncio.create_task(self._run(), name="key-uses")

    async def close(self) -> None:
        """Write what was noted last, then stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.write()

    async def write(self) -> None:
        """Write what was noted; what cannot be written now is written next time."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        # in one order, so that two processes cannot deadlock
        uses = sorted((organisation_id, key_id, moment) for (organisation_id, key_id), moment in seen.items())
        try:
            await record_uses(self._pool, uses)
        except STATEMENT_FAULTS as fault:
            log.warning("key_uses.failed", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
            self._seen = {**seen, **self._seen}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            await self.write()
