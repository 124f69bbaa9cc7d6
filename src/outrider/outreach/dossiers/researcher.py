"""The researcher at work in a process: contacts that were asked for, and dossiers that have grown old.

Several processes share what is due. What one had claimed when it was killed is due again after a minute.
"""

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.errors import NotFound, Unavailable
from outrider.outreach.dossiers import cross_tenant
from outrider.outreach.dossiers.cross_tenant import ClaimedResearch
from outrider.outreach.dossiers.researching import Itself, research
from outrider.tenancy.actors import Author
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.acting import Signature

_AT_ONCE: Final = 32
_CLAIM_SECONDS: Final = 60.0
_PUT_OFF_SECONDS: Final = 30.0
_LONGEST_WAIT: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class ResearchTimes:
    """How often to look what is asked for, and what has grown old, and how much of that to take up at a time."""

    tick_seconds: float = 1.0
    old_seconds: float = 60.0
    most_old: int = 500


@dataclass(slots=True)
class Researcher:
    """The research of one process, one contact after the other: it never hurries."""

    context: TenancyContext
    times: ResearchTimes = field(default_factory=ResearchTimes)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="researcher")

    async def close(self) -> None:
        """Stop; what is under way is done again by whoever is next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    async def _run(self) -> None:
        old_at = 0.0
        while True:
            is_idle = True
            try:
                if monotonic() >= old_at:
                    await cross_tenant.request_old(self.context.database.system, self.times.most_old)
                    old_at = monotonic() + self.times.old_seconds
                is_idle = not await self._work()
            except (Unavailable, *DATABASE_FAULTS) as fault:
                log.warning("research.not_read", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
            except Exception as error:  # noqa: BLE001 -- the next round must come
                log.exception("researcher.broken", error)
            await asyncio.sleep(self.times.tick_seconds if is_idle else 0)

    async def _work(self) -> bool:
        """Do some of what is due; whether there was any."""
        pool, claim = self.context.database.system, self.context.ids.new()
        claimed = await cross_tenant.claim_research(pool, claim, _AT_ONCE, _CLAIM_SECONDS)
        done = [one for one in claimed if await self._one(one, claim)]
        if done:
            await cross_tenant.end_research(pool, claim, done)
        return bool(claimed)

    async def _one(self, claimed: ClaimedResearch, claim: UUID) -> bool:
        by: Author = Itself() if claimed.member_id is None else Signature(claimed.member_id)
        try:
            await research(self.context, claimed.organisation_id, claimed.contact_id, claimed.level, by=by)
        except NotFound:
            # deleted in the meantime, and its request with it
            return True
        except Exception as error:  # noqa: BLE001 -- whatever it is, others are researched all the same
            if isinstance(error, (Unavailable, *DATABASE_FAULTS)):
                log.warning("research.put_off", outcome="failed", reason=f"{type(error).__name__}: {error}")
            else:
                log.exception("research.broken", error, contact_id=claimed.contact_id)
            wait = min(_PUT_OFF_SECONDS * 2 ** min(claimed.failures, 10), _LONGEST_WAIT)
            await cross_tenant.put_off_research(self.context.database.system, claim, claimed, wait)
            return False
        return True
