"""Builds the events of identities, with their edges and the webhook body that tells of them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from outrider.core.ids import IdClock, time_of
from outrider.core.storable import storable_json
from outrider.events.bodies import EdgeView, fragment
from outrider.events.values import Append, NewEdge, NewEvent
from outrider.identity.values import PlatformUser


def event(
    application_id: UUID,
    event_id: UUID,
    event_type: str,
    payload: Mapping[str, object],
    *,
    edges: Sequence[EdgeView] = (),
    origin: UUID | None = None,
) -> NewEvent:
    """One event; `edges` are those that `rows` makes rows of."""
    text = storable_json(payload).decode()
    shared = fragment(
        application_id=application_id,
        event_id=event_id,
        event_type=event_type,
        payload=text,
        edges=edges,
        created_at=time_of(event_id),
    )
    return NewEvent(application_id, event_id, event_type, text, origin_event_id=origin, fragment=shared)


def rows(ids: IdClock, event_id: UUID, edges: Sequence[EdgeView]) -> list[NewEdge]:
    """The edges of an event as they are stored."""
    return [NewEdge(event_id, ids.new(), edge.edge_type, edge.target_type, edge.target_id) for edge in edges]


def single(
    ids: IdClock,
    application_id: UUID,
    event_id: UUID,
    event_type: str,
    payload: Mapping[str, object],
    *,
    edges: Sequence[EdgeView] = (),
) -> Append:
    """An item that is one event."""
    made = event(application_id, event_id, event_type, payload, edges=edges)
    return Append(
        application_id=application_id, event_id=event_id, events=(made,), edges=rows(ids, event_id, edges)
    )


def edge_to(edge_type: str, person: PlatformUser) -> EdgeView:
    """An edge to a platform user."""
    return EdgeView(edge_type, "platform_user", person.id, person.external_id, person.name)
