"""Asking platforms that call nobody: one process at a time for each connection, again and again.

What comes takes the same way as what a webhook tells (receiving.py), and only after its commit is the new cursor kept.
A process that ends in between is followed by one that reads the same again, which changes nothing: dedupe keys are
equal.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import orjson

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.errors import Unavailable
from outrider.core.storable import shown_json
from outrider.events.appending import PoisonedItem
from outrider.platforms.base import Deferred, InboundMessage, InboundReaction, InboundReceipt, Unrecognised
from outrider.platforms.polling import POLL_SECONDS, Polled, PolledItem, Polling
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.webhooks import cross_tenant
from outrider.webhooks.cross_tenant import ClaimedPoll
from outrider.webhooks.inbound_items import Received, ReceivingContext
from outrider.webhooks.receiving import take_in

_AT_ONCE: Final = 8
_CLAIM_SECONDS: Final = POLL_SECONDS + 60.0
_LONGEST_WAIT: Final = 900.0
_PUT_OFF_SECONDS: Final = 10.0
_UNPOLLED_SECONDS: Final = 300.0
_NO_HEADERS: Final = "{}"
_DETAIL_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class PollTimes:
    """How often to look which polls are due, and for connections that are new among them."""

    tick_seconds: float = 1.0
    discover_seconds: float = 5.0


@dataclass(slots=True)
class Poller:
    """The polls of one process; several processes share what is due."""

    context: ReceivingContext
    times: PollTimes = field(default_factory=PollTimes)
    _task: asyncio.Task[None] | None = None
    _polls: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def start(self) -> None:
        """Begin to ask, if there is an adapter to ask with."""
        if self._providers():
            self._task = asyncio.create_task(self._run(), name="poller")

    async def close(self) -> None:
        """Stop; what is under way is read again by whoever is next."""
        tasks = [*self._polls, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    async def _run(self) -> None:
        discover_at = 0.0
        while True:
            try:
                if monotonic() >= discover_at:
                    await cross_tenant.insert_polls(self.context.pool, self._providers())
                    discover_at = monotonic() + self.times.discover_seconds
                await self._begin_due()
            except DATABASE_FAULTS as fault:
                log.warning("polls.not_read", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
            except Exception as error:  # noqa: BLE001 -- the next round must come
                log.exception("poller.broken", error)
            await asyncio.sleep(self.times.tick_seconds)

    async def _begin_due(self) -> None:
        room = _AT_ONCE - len(self._polls)
        if room <= 0:
            return
        for claimed in await cross_tenant.claim_polls(
            self.context.pool, self.context.ids.new(), room, _CLAIM_SECONDS
        ):
            task = asyncio.create_task(self._poll(claimed), name="poll")
            self._polls.add(task)
            task.add_done_callback(self._polls.discard)

    async def _poll(self, claimed: ClaimedPoll) -> None:
        try:
            await poll_connection(self.context, claimed)
        except asyncio.CancelledError:
            # whoever is next need not wait until the claim runs out
            with contextlib.suppress(Unavailable, *DATABASE_FAULTS):
                await _end(self.context, claimed, 0.0, None)
            raise
        except (Unavailable, *DATABASE_FAULTS) as fault:
            # where this cannot be written either, the claim runs out by itself
            with contextlib.suppress(Unavailable, *DATABASE_FAULTS):
                await _end(self.context, claimed, _PUT_OFF_SECONDS, "what came could not be stored now")
            log.warning(
                "connection.not_polled",
                outcome="failed",
                connection_id=claimed.connection_id,
                reason=f"{type(fault).__name__}: {fault}",
            )
        except Exception as error:  # noqa: BLE001 -- a bug of an adapter: other connections are polled all the same
            log.exception("poll.broken", error, connection_id=claimed.connection_id)

    def _providers(self) -> list[tuple[str, str]]:
        adapters = self.context.registry.adapters
        return [(name, one.polled_with) for name, one in adapters.items() if isinstance(one, Polling)]


async def poll_connection(context: ReceivingContext, claimed: ClaimedPoll) -> None:
    """Ask for one connection, take in what has come, and say when to ask again."""
    entry = await context.connections.get(claimed.application_id, claimed.connection_id)
    adapter = context.registry.get(entry.provider) if entry is not None else None
    if entry is None or not entry.is_active or not entry.is_readable or not isinstance(adapter, Polling):
        await _end(context, claimed, _UNPOLLED_SECONDS, "the connection cannot be used now")
        return
    seconds = adapter.poll_seconds(entry.context)
    if seconds is None:
        await _end(context, claimed, _UNPOLLED_SECONDS, None)
        return
    began = monotonic()
    polled = await _asked(adapter, claimed, entry)
    if isinstance(polled, Polled):
        await _taken_in(context, entry, polled.items)
        await _end(context, claimed, 0.0 if polled.has_more else seconds, None, cursor=polled)
    else:
        wait = min(seconds * 2 ** min(claimed.failures, 10), max(_LONGEST_WAIT, seconds))
        await _end(context, claimed, polled.retry_after or wait, polled.detail)
    log.wide(
        "connection.polled",
        level="info" if isinstance(polled, Polled) else "warning",
        outcome="ok" if isinstance(polled, Polled) else "failed",
        application_id=entry.application_id,
        connection_id=entry.connection_id,
        provider=entry.provider,
        items=len(polled.items) if isinstance(polled, Polled) else 0,
        duration_ms=round((monotonic() - began) * 1000),
        reason=None if isinstance(polled, Polled) else polled.detail,
    )


async def _asked(adapter: Polling, claimed: ClaimedPoll, entry: ConnectionEntry) -> Polled | Deferred:
    cursor = None if claimed.cursor is None else orjson.loads(claimed.cursor)
    try:
        async with asyncio.timeout(POLL_SECONDS):
            return await adapter.poll(cursor, entry.context)
    except TimeoutError:
        return Deferred(None, "the platform did not answer in time")
    except Exception as error:  # noqa: BLE001 -- a bug of an adapter: it is asked again, but not at once
        log.exception("poll.broken", error, connection_id=entry.connection_id, provider=entry.provider)
        return Deferred(None, f"the provider's adapter failed ({type(error).__name__})")


async def _taken_in(context: ReceivingContext, entry: ConnectionEntry, items: Sequence[PolledItem]) -> None:
    if not items:
        return
    try:
        await take_in(context, entry, [(_received(entry, one.raw), one.item) for one in items])
    except PoisonedItem:
        for one in items:
            await _one_taken_in(context, entry, one)


async def _one_taken_in(context: ReceivingContext, entry: ConnectionEntry, one: PolledItem) -> None:
    """Take in one thing; what the database refuses must not keep back what comes behind it."""
    try:
        await take_in(context, entry, [(_received(entry, one.raw), one.item)])
    except PoisonedItem:
        unstored = Unrecognised(_key_of(one), "what came could not be stored")
        await take_in(context, entry, [(_received(entry, None), unstored)])


def _key_of(polled: PolledItem) -> str | None:
    item = polled.item
    known = isinstance(item, InboundMessage | InboundReaction | InboundReceipt)
    return f"unstored {item.dedupe_key}" if known else item.dedupe_key


def _received(entry: ConnectionEntry, raw: bytes | None) -> Received:
    return Received(entry, raw, None if raw is None else _NO_HEADERS)


async def _end(
    context: ReceivingContext,
    claimed: ClaimedPoll,
    seconds: float,
    failure: str | None,
    *,
    cursor: Polled | None = None,
) -> None:
    await cross_tenant.end_poll(
        context.pool,
        claimed,
        seconds=seconds,
        cursor=None if cursor is None else orjson.dumps(cursor.cursor).decode(),
        failure=None if failure is None else _storable(failure[:_DETAIL_CHARACTERS]),
    )


def _storable(text: str) -> str:
    shown = shown_json(text)
    return shown if isinstance(shown, str) else ""
