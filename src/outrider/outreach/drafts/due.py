"""Sending drafts whose time has come: each by one process at a time, whoever comes first.

A process that ends in between is followed by one that goes on where it was: the claim runs out.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.errors import Unavailable
from outrider.outreach.drafts import cross_tenant, queries
from outrider.outreach.drafts.context import DraftsContext
from outrider.outreach.drafts.cross_tenant import ClaimedDraft
from outrider.outreach.drafts.sending import (
    ReadyDraft,
    Unsendable,
    begin_drafts,
    find_route,
    send_draft,
)

_BATCH: Final = 50
_LONGEST_WAIT: Final = 900.0
_PUT_OFF_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class DueTimes:
    """How often to look what is due without being told, and how long sending may take before another goes on."""

    tick_seconds: float = 2.0
    claim_seconds: float = 60.0


@dataclass(slots=True)
class DueDrafts:
    """What one process sends; several processes share what is due."""

    context: DraftsContext
    times: DueTimes = field(default_factory=DueTimes)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name="due-drafts")

    async def close(self) -> None:
        """Stop; what is under way is gone on with by whoever is next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=5)

    def forget(self, _changed_id: UUID) -> None:
        """Look now: something may be due."""
        self._wake.set()

    def clear(self) -> None:
        """Look now: nobody knows what was missed."""
        self._wake.set()

    async def send_due(self) -> int:
        """Send what is due, as much as is done at once; gives how many drafts were claimed."""
        claimed = await cross_tenant.claim_drafts(
            self.context.sending.pool, self.context.sending.ids.new(), _BATCH, self.times.claim_seconds
        )
        by_organisation = groupby(
            sorted(claimed, key=lambda one: one.organisation_id), key=lambda one: one.organisation_id
        )
        for organisation_id, drafts in by_organisation:
            await self._send(organisation_id, list(drafts))
        return len(claimed)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            count = 0
            try:
                count = await self.send_due()
            except DATABASE_FAULTS as fault:
                log.warning("drafts.not_read", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
            except Exception as error:  # noqa: BLE001 -- the next round must come
                log.exception("drafts.broken", error)
            if count < _BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self.times.tick_seconds)

    async def _send(self, organisation_id: UUID, claimed: Sequence[ClaimedDraft]) -> None:
        usable = [one for one in claimed if not one.is_waiting or await self._has_mailbox(one)]
        if not usable:
            return
        try:
            ready = await begin_drafts(self.context, organisation_id, usable)
        except (Unavailable, *DATABASE_FAULTS) as fault:
            for one in usable:
                await self._put_off(one, fault)
            return
        await asyncio.gather(*(self._send_one(one) for one in ready))

    async def _has_mailbox(self, claimed: ClaimedDraft) -> bool:
        """Look before it is begun: while its mailbox cannot be used, a draft can be taken back."""
        try:
            await find_route(self.context, claimed)
        except Unsendable:
            return True  # it is begun, and fails
        except (Unavailable, *DATABASE_FAULTS) as fault:
            await self._put_off(claimed, fault)
            return False
        return True

    async def _send_one(self, ready: ReadyDraft) -> None:
        try:
            message_id = await send_draft(self.context, ready)
        except (Unavailable, *DATABASE_FAULTS) as fault:
            await self._put_off(ready.claimed, fault)
        except Exception as error:  # noqa: BLE001 -- other drafts are sent all the same
            log.exception("draft.broken", error, draft_id=ready.draft.id)
            await self._put_off(ready.claimed, error)
        else:
            log.wide(
                "draft.sent" if message_id is not None else "draft.failed",
                level="info" if message_id is not None else "warning",
                outcome="ok" if message_id is not None else "failed",
                organisation_id=ready.draft.organisation_id,
                draft_id=ready.draft.id,
                event_id=message_id,
            )

    async def _put_off(self, claimed: ClaimedDraft, why: Exception) -> None:
        """Try again, later each time; where this cannot be written either, the claim runs out by itself."""
        seconds = min(_PUT_OFF_SECONDS * 2 ** min(claimed.failures, 10), _LONGEST_WAIT)
        log.warning(
            "draft.put_off", outcome="failed", draft_id=claimed.id, reason=f"{type(why).__name__}: {why}"
        )
        with contextlib.suppress(Unavailable, *DATABASE_FAULTS):
            await queries.end_claim(
                self.context.sending.pool,
                claimed.organisation_id,
                claimed.id,
                claimed.claim,
                seconds=seconds,
                failures=1,
            )
