"""Facts that change who people are: their rows change and their events are appended in one commit.

Transactions of this kind are rare and short, and those of one application come one after another, so that each
sees what the one before it did. Their events are matched, numbered and told like the appender's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar
from uuid import UUID

import asyncpg

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS, faults_as_unavailable
from outrider.core.database.pools import Connection, Pool
from outrider.core.errors import Unavailable
from outrider.core.ids import IdClock
from outrider.events.appending import AppendEffects
from outrider.events.cross_tenant import append_batch
from outrider.events.values import Answer, Append, Flushed, NewIdentity, Verdict
from outrider.identity import queries
from outrider.platforms.registry import Registry
from outrider.tenancy.connection_directory import ConnectionDirectory

_T = TypeVar("_T")
_TRIES = 3
_APPEND_SECONDS = 16.0
# They wait for each other on connections that others of this process need too.
_AT_ONCE = 2
_WRITTEN = Answer(Verdict.APPENDED, None)


@dataclass(frozen=True, slots=True)
class IdentityContext:
    """What operations on identities need of the process; `facts` is what its appender was given."""

    pool: Pool
    facts: AppendEffects
    connections: ConnectionDirectory
    registry: Registry
    ids: IdClock
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


@dataclass(frozen=True, slots=True)
class Change(Generic[_T]):
    """What a transaction did: the result for its caller, and the item to append (None: no event tells of it)."""

    result: _T
    item: Append | None = None


@dataclass(frozen=True, slots=True)
class Committed(Generic[_T]):
    """A change with the append's answer; where that is not APPENDED, all of it was rolled back."""

    result: _T
    answer: Answer


Work: TypeAlias = Callable[[Connection], Awaitable[Change[_T]]]


@dataclass(slots=True)
class _Attempt(Generic[_T]):
    """How far a transaction has come."""

    change: Change[_T] | None = None
    flushed: Flushed | None = None
    answer: Answer = _WRITTEN


class _NotAppended(Exception):
    """Rolls the transaction back."""


async def commit(
    context: IdentityContext, application_id: UUID, event_types: Collection[str], work: Work[_T]
) -> Committed[_T]:
    """Let `work` change rows, append what it says, and commit both; it may be called more than once.

    `event_types` are those that its item may hold. Raises what `work` raises, with nothing written, and
    `Unavailable` where the database or the disk does not allow it.
    """
    if not context.facts.has_disk_space():
        raise Unavailable("The disk is nearly full; nothing new is accepted.")
    async with context.slots:
        for number in range(1, _TRIES + 1):
            try:
                with faults_as_unavailable():
                    return await _try(context, application_id, event_types, work)
            except asyncpg.DeadlockDetectedError as error:
                # the appender takes rows of people in an order of its own
                log.warning("identity.deadlock", outcome="replaying", reason=str(error), number=number)
        raise Unavailable


async def create_people(
    context: IdentityContext, connection: Connection, application_id: UUID, people: Sequence[NewIdentity]
) -> None:
    """Create platform users and their users as an append would, before this transaction's own append."""
    # without events it takes no position, and nothing waits for this transaction
    item = Append(application_id=application_id, event_id=context.ids.new(), identities=people)
    await _append(context, connection, item, is_told=False)


async def _try(
    context: IdentityContext, application_id: UUID, event_types: Collection[str], work: Work[_T]
) -> Committed[_T]:
    attempt: _Attempt[_T] = _Attempt()
    try:
        async with context.pool.acquire() as connection:
            # before the transaction: its row would make every append of the type wait
            await queries.insert_event_types(connection, application_id, sorted(event_types))
            async with connection.transaction():
                await queries.lock_people(connection, application_id)
                attempt.change = await work(connection)
                if attempt.change.item is not None:
                    attempt.flushed, attempt.answer = await _append(
                        context, connection, attempt.change.item, is_told=True
                    )
                if attempt.answer.verdict != Verdict.APPENDED:
                    raise _NotAppended
    except _NotAppended:
        attempt.flushed = None
    except DATABASE_FAULTS:
        # the commit may have been done although its answer was lost
        item = attempt.change and attempt.change.item
        if item is None or not await queries.is_event_stored(context.pool, application_id, item.event_id):
            raise
    assert attempt.change is not None
    if attempt.flushed is not None:
        _tell(context, attempt.flushed)
    return Committed(attempt.change.result, attempt.answer)


async def _append(
    context: IdentityContext, connection: Connection, item: Append, *, is_told: bool
) -> tuple[Flushed, Answer]:
    names = sorted({event.event_type for event in item.events})
    flushed, verdicts, stored_ids = await append_batch(
        connection,
        [item],
        is_replay=False,
        notify=context.facts.notify_text() if is_told else None,
        is_known_identity=_is_new,
        new_types=(),
        patterns=[(name, pattern) for name in names for pattern in context.facts.candidate_patterns(name)],
        timeout=_APPEND_SECONDS,
    )
    return flushed, Answer(Verdict(verdicts[0]), stored_ids[0])


def _is_new(_identity: NewIdentity) -> bool:
    return False


def _tell(context: IdentityContext, flushed: Flushed) -> None:
    context.facts.metrics.events_appended_total.add(by=sum(len(item.events) for item in flushed.items))
    try:
        context.facts.on_flushed(flushed)
    except Exception as error:  # noqa: BLE001 -- it is committed, and the caller must hear of it
        log.exception("append.unheard", error)
