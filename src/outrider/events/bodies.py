"""The body of an outbound webhook: the part that all deliveries of one event share, and the whole.

The shared part is frozen once an event's webhooks are released, so that a body is byte for byte the same on
every retry.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import orjson
from msgspec import Raw, Struct


class EdgeView(Struct, frozen=True):
    """An edge as a webhook shows it; external id and name for platform users only."""

    edge_type: str
    target_type: str
    target_id: UUID
    external_id: str | None = None
    name: str | None = None


def shown_time(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z, as the contracts show times."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def fragment(
    *,
    application_id: UUID,
    event_id: UUID,
    event_type: str,
    payload: str,
    edges: Sequence[EdgeView],
    created_at: datetime,
) -> str:
    """The members of the body that do not differ between deliveries, as JSON text without braces."""
    if edges:
        by_type: dict[str, object] = {}
        for edge in edges:
            by_type.setdefault(edge.edge_type, _target(edge))
        shown = orjson.dumps(by_type).decode()
        listed = orjson.dumps([{"edge_type": edge.edge_type, **_target(edge)} for edge in edges]).decode()
    else:
        shown, listed = "{}", "[]"
    return (
        f'"event_id":"{event_id}","event_type":"{event_type}","app_id":"{application_id}",'
        f'"payload":{payload},"edges":{shown},"edge_list":{listed},"created_at":"{shown_time(created_at)}"'
    )


def webhook_body(
    delivery_id: UUID, subscription_id: UUID, shared: str, origin_event_id: UUID | None
) -> bytes:
    """The whole body of one delivery; its `id` is what `webhook-id` says."""
    origin = f'"{origin_event_id}"' if origin_event_id is not None else "null"
    return (
        f'{{"id":"{delivery_id}","subscription_id":"{subscription_id}",{shared},"origin_event_id":{origin}}}'
    ).encode()


class _Shared(Struct):
    """What the read API shows of an event, in the part that all its deliveries share."""

    event_id: str
    event_type: str
    app_id: str
    payload: Raw
    created_at: str


def outbound_body(organisation_id: UUID, contact_id: UUID | None, shared: str) -> bytes:
    """The body for endpoints of the family outbound: an event as the read API shows it."""
    event = msgspec.json.decode(f"{{{shared}}}", type=_Shared)
    contact = f'"{contact_id}"' if contact_id is not None else "null"
    return (
        f'{{"id":"{event.event_id}","organizationId":"{organisation_id}","applicationId":"{event.app_id}",'
        f'"eventType":"{event.event_type}","payload":{bytes(event.payload).decode()},"contactId":{contact},'
        f'"createdAt":"{event.created_at}"}}'
    ).encode()


def _target(edge: EdgeView) -> dict[str, object]:
    if edge.target_type == "platform_user":
        return {"platform_user_id": str(edge.target_id), "external_id": edge.external_id, "name": edge.name}
    return {f"{edge.target_type}_id": str(edge.target_id)}
