"""One live feed: the next events behind its place, again and again, for as long as its client and its key want.

Nothing is kept here but the place: what comes next is read from the log in the order of commit, a batch at a time, and
only when the client has taken the batch before. So a feed skips nothing, repeats nothing, and goes on from any of its
cursors, in any process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final, cast

import asyncpg
import orjson

from outrider.core import log
from outrider.core.asgi import Receive, Send
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import AppError, InternalError, QueryTooExpensive, ValidationError
from outrider.events.heads import LogHeads
from outrider.events.queries import select_places
from outrider.surfaces import graphql_errors as errors
from outrider.surfaces.developer_graphql import streams
from outrider.surfaces.developer_graphql.arguments import value_of
from outrider.surfaces.developer_graphql.cursors import EVENTS, FEED
from outrider.surfaces.developer_graphql.feeds import OpenFeeds
from outrider.surfaces.developer_graphql.queries.feeds import (
    LARGEST,
    LOOKED_AT,
    MOST,
    MOST_EVENTS,
    POSITION,
    FeedPlan,
)
from outrider.surfaces.developer_graphql.queries.reads import LARGEST_ANSWER, filled
from outrider.surfaces.developer_graphql.queries.statements import BadArgument, Call
from outrider.surfaces.developer_graphql.reading import TOO_LARGE, Reading, require_scopes
from outrider.tenancy.actors import Actor

# A key that was revoked may read on for this and for as long as it is remembered, five seconds together.
RECOGNISE_SECONDS: Final = 1.5
HEARTBEAT_SECONDS: Final = 15.0
# Between two reads that found the end of the log: under load a read finds the events of many commits.
_PAUSE_SECONDS: Final = 0.01
# What all feeds of a process together may hold is this times their number; an event alone may be larger.
_LARGEST_BATCH: Final = 512 * 1024
_FEWER: Final = 8


@dataclass(frozen=True, slots=True)
class FeedContext:
    """What feeds need of the process."""

    reading: Reading
    heads: LogHeads
    open: OpenFeeds


@dataclass(frozen=True, slots=True)
class Client:
    """The other side of a feed; `recognise` tells who it is, or raises once its key is worth nothing any more."""

    receive: Receive
    send: Send
    recognise: Callable[[], Awaitable[Actor]]


@dataclass(slots=True)
class Ended:
    """What became of a feed: `outcome` and `code` as the log has them, and how many events it gave."""

    outcome: str = "ok"
    code: str | None = None
    reason: str = "gone"
    events: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    events: list[str]
    position: int
    is_last: bool


async def place_of(context: FeedContext, plan: FeedPlan, call: Call, last_event_id: str | None) -> int:
    """Give the position behind which a feed begins; raises `BadArgument` for a cursor that leads nowhere.

    What the client says that it had last goes before the argument, which stays the same when it comes back.
    """
    given = value_of(plan.after, call.variables) if plan.after is not None else None
    name = "Last-Event-ID" if last_event_id else "after"
    try:
        return await _place_of(context, call, cast("str | None", last_event_id or given), name)
    except AppError as problem:
        raise BadArgument(plan.key, problem) from None


async def _place_of(context: FeedContext, call: Call, cursor: str | None, name: str) -> int:
    position = None if cursor is None else FEED.read_position(cursor)
    event_id = EVENTS.read_id(cursor, name) if cursor is not None and position is None else None
    with faults_as_unavailable():
        places = await select_places(context.reading.database.reads, call.actor.application_id, event_id)
    if cursor is None:
        return places.newest
    found = position if event_id is None else places.position
    if found is None or found > places.last:
        raise ValidationError(f"{name} is not a cursor of this feed.", path=name)
    return found


class Feed:
    """A feed that was opened; `run` it once."""

    def __init__(self, context: FeedContext, plan: FeedPlan, call: Call, position: int) -> None:
        self._context = context
        self._plan = plan
        self._call = call
        self._position = position
        self._told = -1
        self._most = MOST_EVENTS
        self._is_gone = False
        self._spoke_at = monotonic()
        self._read_at = 0.0
        self._ended = Ended()
        # what a filter is wrong about is known before anything is answered
        plan.statement.arguments(self._call_at(call.actor))

    async def run(self, client: Client, wake: asyncio.Event) -> Ended:
        """Feed the client until it goes, its key ends, the process stops or a read is refused."""
        watching = asyncio.create_task(self._watch(client, wake))
        try:
            with self._context.heads.following(self._call.actor.application_id, wake):
                await self._follow(client, wake)
            last = streams.COMPLETE
        except BadArgument as bad:
            last = self._refused(bad.problem)
        except AppError as problem:
            last = self._refused(problem)
        except Exception as surprise:  # noqa: BLE001 - callers hear nothing of our faults but that there was one
            log.exception("feed.broken", surprise)
            last = self._refused(InternalError("Something went wrong on our side."))
        finally:
            watching.cancel()
        await streams.end(client.send, last)
        return self._ended

    async def _watch(self, client: Client, wake: asyncio.Event) -> None:
        while (await client.receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        wake.set()

    async def _follow(self, client: Client, wake: asyncio.Event) -> None:
        await self._tell_place(client)
        is_due = True
        while True:
            wake.clear()  # before anything is looked at: what comes from now on wakes it again
            if self._is_gone:
                return
            if self._context.open.is_ending:
                self._ended.reason = "stopping"
                return
            actor = await client.recognise()
            if is_due:
                await asyncio.sleep(self._read_at + _PAUSE_SECONDS - monotonic())
                batch = await self._read(actor)
                self._read_at = monotonic() if batch.is_last else 0.0
                await self._give(client, batch)
                is_due = not batch.is_last
            if not is_due:
                if monotonic() - self._spoke_at >= HEARTBEAT_SECONDS:
                    await self._tell_place(client)
                is_due = await _is_set(wake, RECOGNISE_SECONDS)

    async def _read(self, actor: Actor) -> _Batch:
        require_scopes(self._plan.scopes, self._call_at(actor))
        while True:
            row = await self._ask(self._plan.statement.arguments(self._call_at(actor)))
            if row is not None:
                self._most = min(MOST_EVENTS, self._most * 2)
                return self._batch(row)
            if self._most == 1:
                raise QueryTooExpensive(TOO_LARGE)
            self._most = max(1, self._most // _FEWER)

    def _call_at(self, actor: Actor) -> Call:
        largest = LARGEST_ANSWER if self._most == 1 else _LARGEST_BATCH
        asked: Mapping[str, object] = {POSITION: self._position, MOST: self._most, LARGEST: largest}
        return replace(self._call, actor=actor, created=asked)

    async def _ask(self, arguments: list[object]) -> asyncpg.Record | None:
        async with self._context.open.reads:
            try:
                with faults_as_unavailable():
                    return await self._fetch(arguments)
            except asyncpg.ProgramLimitExceededError:
                return None

    async def _fetch(self, arguments: list[object]) -> asyncpg.Record | None:
        try:
            return await self._context.reading.database.reads.fetchrow(self._plan.sql, *arguments)
        except asyncpg.QueryCanceledError as cancelled:
            raise QueryTooExpensive from cancelled

    def _batch(self, row: asyncpg.Record) -> _Batch:
        events, passed = cast("list[str]", row["events"]), cast("list[int | None] | None", row["passed"])
        if passed is None:
            last = FEED.read_position(events[-1][: FEED.length])
            return _Batch(events, self._position if last is None else last, is_last=False)
        looked_at, last = passed
        return _Batch(events, last or self._position, is_last=(looked_at or 0) < LOOKED_AT)

    async def _give(self, client: Client, batch: _Batch) -> None:
        self._position = batch.position
        if batch.events:
            application_id = self._call.actor.application_id
            file_url = self._context.reading.file_url
            texts = [filled(text, application_id, file_url) for text in batch.events]
            self._ended.events += len(texts)
            self._spoke_at = monotonic()
            self._told = cast("int", FEED.read_position(texts[-1][: FEED.length]))
            await streams.write(client.send, b"".join([self._event(text) for text in texts]))
        elif monotonic() - self._spoke_at >= HEARTBEAT_SECONDS:
            await self._tell_place(client)

    def _event(self, text: str) -> bytes:
        data = f'{{"data":{{"{self._plan.key}":{text[FEED.length :]}}}}}'
        return streams.next_event(data.encode(), text[: FEED.length])

    async def _tell_place(self, client: Client) -> None:
        """Say where the feed stands, so that who comes back before the next event has missed none."""
        cursor = FEED.write(self._position) if self._position != self._told else None
        self._told, self._spoke_at = self._position, monotonic()
        await streams.write(client.send, streams.silence(cursor))

    def _refused(self, problem: AppError) -> bytes:
        self._ended.outcome, self._ended.code, self._ended.reason = "refused", problem.code, problem.message
        entry = errors.entry_of(problem, path=[self._plan.key])
        return streams.next_event(orjson.dumps({"data": None, "errors": [entry]})) + streams.COMPLETE


async def _is_set(wake: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not for long; tell whether it came."""
    try:
        # not wait_for: it may swallow a cancellation
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return False
    return True
