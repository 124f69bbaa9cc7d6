"""Marking a conversation as read: a fact like any other, from which every count of unread messages follows."""

from uuid import UUID

import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound
from outrider.core.ids import IdClock, time_of
from outrider.events import queries
from outrider.events.bodies import EdgeView, fragment
from outrider.events.creating import CreatingContext
from outrider.events.values import Append, NewEdge, NewEvent, NodeType, Target, Verdict
from outrider.messaging.queries_marking import select_inbound, select_last_mark
from outrider.tenancy.actors import Actor, Scope

CONVERSATION_READ = "system.conversation.read"
CONVERSATION = "conversation"
READ_UP_TO = "read_up_to"


async def mark_conversation_read(
    context: CreatingContext, actor: Actor, platform_user_id: UUID, up_to_event_id: UUID | None = None
) -> UUID:
    """Say that all up to an inbound message, the newest unless one is named, was read; returns its id.

    The conversation is the platform user's; the last mark holds, so that an earlier message makes later ones
    unread again. To repeat a mark appends nothing.
    """
    actor.require(Scope.EVENTS_WRITE)
    application_id, pool = actor.application_id, context.pool
    with faults_as_unavailable():
        read_id = await select_inbound(pool, application_id, platform_user_id, up_to_event_id)
        if read_id is None:
            raise _missing(platform_user_id, up_to_event_id)
        if await select_last_mark(pool, application_id, platform_user_id) == read_id:
            return read_id
        people = await queries.select_people(pool, application_id, [platform_user_id])
    person = people.get(platform_user_id, (None, None))
    mark, edges = new_mark(context.ids, application_id, platform_user_id, read_id, person)
    targets = [Target(edge.target_type, edge.target_id) for edge in edges]
    answer = await context.appender.append(
        Append(application_id=application_id, event_id=mark.id, events=(mark,), edges=edges, targets=targets)
    )
    if answer.verdict is Verdict.TARGET_MISSING:
        raise _missing(platform_user_id, up_to_event_id)
    return read_id


def new_mark(
    ids: IdClock,
    application_id: UUID,
    platform_user_id: UUID,
    read_id: UUID,
    person: tuple[str | None, str | None],
) -> tuple[NewEvent, list[NewEdge]]:
    """The event which says that all up to a message of a platform user was read, and its edges.

    `person` is the platform user's external id and name.
    """
    event_id = ids.new()
    edges = [
        EdgeView(CONVERSATION, NodeType.PLATFORM_USER, platform_user_id, *person),
        EdgeView(READ_UP_TO, NodeType.EVENT, read_id),
    ]
    payload = orjson.dumps(
        {"platform_user_id": str(platform_user_id), "read_up_to_event_id": str(read_id)}
    ).decode()
    shared = fragment(
        application_id=application_id,
        event_id=event_id,
        event_type=CONVERSATION_READ,
        payload=payload,
        edges=edges,
        created_at=time_of(event_id),
    )
    event = NewEvent(application_id, event_id, CONVERSATION_READ, payload, fragment=shared)
    return event, [
        NewEdge(event_id, ids.new(), edge.edge_type, edge.target_type, edge.target_id) for edge in edges
    ]


def _missing(platform_user_id: UUID, up_to_event_id: UUID | None) -> NotFound:
    if up_to_event_id is None:
        return NotFound(
            "There is no conversation with this platform user.",
            resource_type="Conversation",
            resource_id=str(platform_user_id),
        )
    return NotFound(
        "No inbound message of this conversation.", resource_type="Event", resource_id=str(up_to_event_id)
    )
