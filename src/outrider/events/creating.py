"""Custom events: the customer's own facts, with edges to anything of the application."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import AppError, IdempotencyConflict, NotFound, ValidationError
from outrider.core.hashing import canonical_hash
from outrider.core.ids import IdClock, time_of
from outrider.core.storable import storable_json, storable_text
from outrider.events import queries
from outrider.events.appending import Appender
from outrider.events.bodies import EdgeView, fragment
from outrider.events.event_names import LONGEST_NAME, check_event_name
from outrider.events.schema_directory import EventSchemaDirectory
from outrider.events.values import Answer, Append, NewEdge, NewEvent, NodeType, OnceKey, Target, Verdict
from outrider.tenancy.actors import Actor, Scope

MOST_EVENTS = 500
"""Of one batch."""
_EDGE_NAME = re.compile(r"[A-Za-z0-9_.\-]+")
MOST_EDGES = 100
"""Of one event."""
_SCOPE = "createEvent"
_RESOURCES = {
    NodeType.EVENT: "Event",
    NodeType.USER: "User",
    NodeType.PLATFORM_USER: "PlatformUser",
    NodeType.FILE: "File",
}


@dataclass(frozen=True, slots=True)
class EdgeRequest:
    """An edge that a caller wants from the new event."""

    edge_type: str
    target_type: NodeType
    target_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCustomEvent:
    """A custom event to create."""

    event_type: str
    payload: object
    edges: Sequence[EdgeRequest] = ()
    origin_event_id: UUID | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class CreatingContext:
    """What creating events needs of the process."""

    appender: Appender
    ids: IdClock
    pool: Pool
    schemas: EventSchemaDirectory


_People = Mapping[UUID, tuple[str, str | None]]


async def create_event(context: CreatingContext, actor: Actor, new: NewCustomEvent) -> UUID:
    """Append a custom event; returns its id (the first one's for a repeated idempotency key)."""
    actor.require(Scope.EVENTS_WRITE)
    payload = await _checked(context, actor, new)
    people = await _people(context, actor, [new])
    item = _item(context, actor, new, payload, people)
    created = _outcome(new, item, await context.appender.append(item))
    if isinstance(created, AppError):
        raise created
    return created


async def create_events(
    context: CreatingContext, actor: Actor, items: Sequence[NewCustomEvent | AppError]
) -> list[UUID | AppError]:
    """Append 1 to 500 custom events, each for itself; what cannot be written is answered at its place.

    An item that is an error already (it could not be read) comes back as it is.
    """
    actor.require(Scope.EVENTS_WRITE)
    if not 1 <= len(items) <= MOST_EVENTS:
        raise ValidationError(f"A batch has 1 to {MOST_EVENTS} events.", path="events")
    checked = [await _checked_or_error(context, actor, new) for new in items]
    asked = [one for one in checked if isinstance(one, _Checked)]
    people = await _people(context, actor, [one.new for one in asked])
    prepared = [_item_or_error(context, actor, one, people) for one in checked]
    written = iter(
        await context.appender.append_all([one.item for one in prepared if isinstance(one, _Prepared)])
    )
    return [
        _outcome(one.new, one.item, next(written)) if isinstance(one, _Prepared) else one for one in prepared
    ]


@dataclass(frozen=True, slots=True)
class _Checked:
    new: NewCustomEvent
    payload: str


@dataclass(frozen=True, slots=True)
class _Prepared:
    new: NewCustomEvent
    item: Append


async def _checked_or_error(
    context: CreatingContext, actor: Actor, new: NewCustomEvent | AppError
) -> _Checked | AppError:
    if isinstance(new, AppError):
        return new
    try:
        return _Checked(new, await _checked(context, actor, new))
    except AppError as refusal:
        return refusal


def _item_or_error(
    context: CreatingContext, actor: Actor, one: _Checked | AppError, people: _People
) -> _Prepared | AppError:
    if isinstance(one, AppError):
        return one
    try:
        return _Prepared(one.new, _item(context, actor, one.new, one.payload, people))
    except AppError as refusal:
        return refusal


async def _checked(context: CreatingContext, actor: Actor, new: NewCustomEvent) -> str:
    """The payload as JSON text, of an event that may be appended as far as can be told before."""
    check_event_name(new.event_type)
    _check_edges(new.edges)
    payload = storable_json(new.payload)
    await context.schemas.check(actor.application_id, new.event_type, new.payload, payload)
    return payload.decode()


def _check_edges(edges: Sequence[EdgeRequest]) -> None:
    if len(edges) > MOST_EDGES:
        raise ValidationError(f"At most {MOST_EDGES} edges are allowed.", path="edges")
    for number, edge in enumerate(edges):
        if not _EDGE_NAME.fullmatch(edge.edge_type) or len(edge.edge_type) > LONGEST_NAME:
            raise ValidationError(
                "An edge type consists of letters, digits, dot, hyphen and underscore.",
                path=f"edges[{number}].edgeType",
            )


async def _people(context: CreatingContext, actor: Actor, events: Sequence[NewCustomEvent]) -> _People:
    """External id and name of the platform users whom edges point to, for the webhooks' bodies."""
    wanted = {
        edge.target_id for new in events for edge in new.edges if edge.target_type == NodeType.PLATFORM_USER
    }
    if not wanted:
        return {}
    with faults_as_unavailable():
        return await queries.select_people(context.pool, actor.application_id, list(wanted))


def _item(
    context: CreatingContext, actor: Actor, new: NewCustomEvent, payload: str, people: _People
) -> Append:
    event_id = context.ids.new()
    shared = fragment(
        application_id=actor.application_id,
        event_id=event_id,
        event_type=new.event_type,
        payload=payload,
        edges=[_edge_view(edge, people) for edge in new.edges],
        created_at=time_of(event_id),
    )
    targets = [Target(edge.target_type.value, edge.target_id) for edge in new.edges]
    if new.origin_event_id is not None:
        targets.append(Target("event", new.origin_event_id))
    event = NewEvent(
        actor.application_id,
        event_id,
        new.event_type,
        payload,
        origin_event_id=new.origin_event_id,
        fragment=shared,
    )
    return Append(
        application_id=actor.application_id,
        event_id=event_id,
        events=(event,),
        edges=[
            NewEdge(event_id, context.ids.new(), edge.edge_type, edge.target_type.value, edge.target_id)
            for edge in new.edges
        ],
        once_key=_once_key(new),
        targets=targets,
    )


def _edge_view(edge: EdgeRequest, people: _People) -> EdgeView:
    external_id, name = people.get(edge.target_id, (None, None))
    return EdgeView(edge.edge_type, edge.target_type.value, edge.target_id, external_id, name)


def _outcome(new: NewCustomEvent, item: Append, answer: Answer | AppError) -> UUID | AppError:
    if isinstance(answer, AppError):
        return answer
    match answer.verdict:
        case Verdict.APPENDED:
            return item.event_id
        case Verdict.DUPLICATE if answer.stored_id is not None:
            return answer.stored_id
        case Verdict.KEY_CONFLICT:
            return IdempotencyConflict(idempotency_key=new.idempotency_key)
        case _:
            return _missing(new, answer.stored_id)


def _once_key(new: NewCustomEvent) -> OnceKey | None:
    if new.idempotency_key is None:
        return None
    if not 0 < len(new.idempotency_key) <= LONGEST_NAME:
        raise ValidationError(
            f"An idempotency key has 1 to {LONGEST_NAME} characters.", path="idempotencyKey"
        )
    storable_text(new.idempotency_key, name="idempotencyKey")
    arguments = {
        "event_type": new.event_type,
        "payload": new.payload,
        "edges": [[edge.edge_type, edge.target_type.value, str(edge.target_id)] for edge in new.edges],
        "origin": str(new.origin_event_id),
    }
    return OnceKey(_SCOPE, new.idempotency_key, canonical_hash(arguments), 24)


def _missing(new: NewCustomEvent, missing_id: UUID | None) -> NotFound:
    kinds = {edge.target_id: _RESOURCES[edge.target_type] for edge in new.edges}
    kind = kinds.get(missing_id, "Event") if missing_id is not None else "Event"
    return NotFound(f"{kind} not found.", resource_type=kind, resource_id=str(missing_id))
