"""A submitted message as it was at one of its events: what webhooks tell, the same on every attempt."""

from typing import Any
from uuid import UUID

import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.ids import time_of
from outrider.events.values import MessageState
from outrider.messaging.submissions.queries import moment_of, select_as_of
from outrider.messaging.submissions.values import SUBMISSION, Progress, Submitted
from outrider.messaging.values import OUTBOUND

_STATES = {
    "message.sent": MessageState.SENT,
    "message.failed": MessageState.FAILED,
    "message.delivered": MessageState.DELIVERED,
    "message.read": MessageState.READ,
}


async def submitted_as_of(pool: Pool, application_id: UUID, event_id: UUID) -> Submitted | None:
    """Give the message that an event is about; None if it was not submitted, or is gone."""
    with faults_as_unavailable():
        row = await select_as_of(pool, application_id, event_id)
    if row is None:
        return None
    payload: dict[str, Any] = orjson.loads(row.payload)
    if SUBMISSION not in payload:
        return None
    children: list[tuple[str, dict[str, Any], str]] = orjson.loads(row.children or "[]")
    is_fresh = event_id == row.id and row.event_type == OUTBOUND
    progress = Progress(is_fresh=True) if is_fresh else _folded(children)
    return Submitted(row.id, application_id, row.event_type, payload, progress)


def _folded(children: list[tuple[str, dict[str, Any], str]]) -> Progress:
    """The fold of design §3.4 over the children: greatest state, earliest times."""
    told = [one for one in children if one[0] in _STATES]
    state = max((_STATES[name] for name, _, _ in told), default=MessageState.ACCEPTED)
    sent = [
        _happened(name, payload, child_id) for name, payload, child_id in told if name != "message.failed"
    ]
    failed = [
        _happened(name, payload, child_id) for name, payload, child_id in told if name == "message.failed"
    ]
    ids = (payload.get("external_message_id") for _, payload, _ in told)
    errors = (payload.get("error") for name, payload, _ in told if name == "message.failed")
    return Progress(
        state=state,
        external_id=next((one for one in ids if one is not None), None),
        sent_at=min(sent, default=None),
        failed_at=min(failed, default=None),
        error=next((one for one in errors if one is not None), None),
    )


def _happened(name: str, payload: dict[str, Any], child_id: str) -> Any:
    return moment_of(payload.get(f"{name.removeprefix('message.')}_at")) or time_of(UUID(child_id))
