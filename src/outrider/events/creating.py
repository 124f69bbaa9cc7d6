"""Custom events: the customer's own facts, with edges to anything of the application."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import IdempotencyConflict, NotFound, ValidationError
from outrider.core.hashing import canonical_hash
from outrider.core.ids import IdClock, time_of
from outrider.core.storable import storable_json, storable_text
from outrider.events import queries
from outrider.events.appending import Appender
from outrider.events.bodies import EdgeView, fragment
from outrider.events.values import Append, NewEdge, NewEvent, NodeType, OnceKey, Target, Verdict
from outrider.tenancy.actors import Actor, Scope

RESERVED_PREFIXES = ("message.", "user.", "system.", "link_code.")
BUILT_IN_TYPES = frozenset({"file.inbound"})
_NAME = re.compile(r"[a-z0-9_.]+")
_EDGE_NAME = re.compile(r"[A-Za-z0-9_.\-]+")
_NAME_CHARACTERS = 255
_EDGES = 100
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


async def create_event(context: CreatingContext, actor: Actor, new: NewCustomEvent) -> UUID:
    """Append a custom event; returns its id (the first one's for a repeated idempotency key)."""
    actor.require(Scope.EVENTS_WRITE)
    _check(new)
    payload = storable_json(new.payload).decode()
    views = await _edge_views(context, actor, new.edges)
    event_id = context.ids.new()
    shared = fragment(
        application_id=actor.application_id,
        event_id=event_id,
        event_type=new.event_type,
        payload=payload,
        edges=views,
        created_at=time_of(event_id),
    )
    targets = [Target(edge.target_type.value, edge.target_id) for edge in new.edges]
    if new.origin_event_id is not None:
        targets.append(Target("event", new.origin_event_id))
    item = Append(
        application_id=actor.application_id,
        event_id=event_id,
        events=(
            NewEvent(
                actor.application_id,
                event_id,
                new.event_type,
                payload,
                origin_event_id=new.origin_event_id,
                fragment=shared,
            ),
        ),
        edges=[
            NewEdge(event_id, context.ids.new(), edge.edge_type, edge.target_type.value, edge.target_id)
            for edge in new.edges
        ],
        once_key=_once_key(new),
        targets=targets,
    )
    answer = await context.appender.append(item)
    match answer.verdict:
        case Verdict.APPENDED:
            return event_id
        case Verdict.DUPLICATE if answer.stored_id is not None:
            return answer.stored_id
        case Verdict.KEY_CONFLICT:
            raise IdempotencyConflict(idempotency_key=new.idempotency_key)
        case _:
            raise _missing(new, answer.stored_id)


def check_event_name(name: str) -> None:
    """Raise `ValidationError` unless a customer may name an event type so."""
    if not _NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS:
        raise ValidationError(
            f"An event type has 1 to {_NAME_CHARACTERS} characters of a-z, 0-9, dot and underscore.",
            path="eventType",
        )
    for prefix in RESERVED_PREFIXES:
        if name.startswith(prefix):
            raise ValidationError(f"Event types that begin with {prefix} are reserved.", path="eventType")
    if name in BUILT_IN_TYPES:
        raise ValidationError(f"{name} is a built-in event type.", path="eventType")


def _check(new: NewCustomEvent) -> None:
    check_event_name(new.event_type)
    if len(new.edges) > _EDGES:
        raise ValidationError(f"At most {_EDGES} edges are allowed.", path="edges")
    for number, edge in enumerate(new.edges):
        if not _EDGE_NAME.fullmatch(edge.edge_type) or len(edge.edge_type) > _NAME_CHARACTERS:
            raise ValidationError(
                "An edge type consists of letters, digits, dot, hyphen and underscore.",
                path=f"edges[{number}].edgeType",
            )


async def _edge_views(context: CreatingContext, actor: Actor, edges: Sequence[EdgeRequest]) -> list[EdgeView]:
    people = [edge.target_id for edge in edges if edge.target_type == NodeType.PLATFORM_USER]
    known: dict[UUID, tuple[str, str | None]] = {}
    if people:
        with faults_as_unavailable():
            known = await queries.select_people(context.pool, actor.application_id, people)
    return [
        EdgeView(
            edge.edge_type, edge.target_type.value, edge.target_id, *known.get(edge.target_id, (None, None))
        )
        for edge in edges
    ]


def _once_key(new: NewCustomEvent) -> OnceKey | None:
    if new.idempotency_key is None:
        return None
    if not 0 < len(new.idempotency_key) <= _NAME_CHARACTERS:
        raise ValidationError(
            f"An idempotency key has 1 to {_NAME_CHARACTERS} characters.", path="idempotencyKey"
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
