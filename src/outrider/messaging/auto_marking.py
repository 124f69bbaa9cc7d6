"""Marking messages as read without being told, where an application is set up so (`auto_mark_read`).

The mark is the one that `markConversationRead` makes, in the commit of what it follows from: the message itself,
or the first delivery of it that was answered with success. Platforms are told nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.database.pools import Pool
from outrider.core.errors import Unavailable
from outrider.core.ids import IdClock
from outrider.events.values import NewEdge, NewEvent
from outrider.messaging.marking import new_mark
from outrider.messaging.queries_marking import select_last_mark, select_sender
from outrider.tenancy.application_directory import ApplicationDirectory

Mark = tuple[Sequence[NewEvent], Sequence[NewEdge]]
NO_MARK: Mark = ((), ())


@dataclass(frozen=True, slots=True)
class AutoMarking:
    """What marking needs of the process."""

    applications: ApplicationDirectory
    ids: IdClock
    pool: Pool


async def mark_received(
    context: AutoMarking,
    application_id: UUID,
    platform_user_id: UUID,
    event_id: UUID,
    person: tuple[str, str | None],
) -> Mark:
    """What to append with an inbound message, that it was read as soon as it came."""
    if (await context.applications.get(application_id)).auto_mark_read != "on_received":
        return NO_MARK
    event, edges = new_mark(context.ids, application_id, platform_user_id, event_id, person)
    return (event,), edges


async def mark_processed(context: AutoMarking, application_id: UUID, event_id: UUID) -> Mark:
    """What to append with a successful delivery of an inbound message; nothing if it counts as read already."""
    try:
        if (await context.applications.get(application_id)).auto_mark_read != "on_processing_complete":
            return NO_MARK
        sender = await select_sender(context.pool, application_id, event_id)
        if sender is None:
            return NO_MARK
        last = await select_last_mark(context.pool, application_id, sender[0])
    except (Unavailable, *DATABASE_FAULTS) as fault:
        # the delivery has succeeded, and must be recorded as what it was
        log.warning("message.unmarked_read", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
        return NO_MARK
    if last is not None and last >= event_id:
        return NO_MARK
    event, edges = new_mark(context.ids, application_id, sender[0], event_id, sender[1:])
    return (event,), edges
