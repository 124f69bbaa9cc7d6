"""The items of submitted messages: what is written of one that is sent, only rendered, or cannot be rendered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

import orjson
from msgspec import structs

from outrider.core.ids import IdClock, time_of
from outrider.core.storable import storable_json
from outrider.events.bodies import EdgeView, fragment
from outrider.events.values import Append, MessageState, NewEdge, NewEvent, NewFile, NewSubmission
from outrider.messaging import recording
from outrider.messaging.contents import CheckedContent
from outrider.messaging.sending import SendingContext, build_item
from outrider.messaging.submissions.bodies import Bodies
from outrider.messaging.submissions.showing import submission_of
from outrider.messaging.submissions.values import (
    FAILED,
    RENDERED,
    SUBMISSION,
    Progress,
    SubmitRequest,
    Submitted,
    told_time,
)
from outrider.messaging.values import OutboundCargo, SendRequest
from outrider.platforms.base import Adapter, FailureCode, JsonObject
from outrider.templates.errors import RenderError
from outrider.templates.values import Rendering
from outrider.tenancy.actors import Actor
from outrider.tenancy.backends import Backend
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.tenancy.queries_backends import ProjectRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A message whose project, recipient and way out are known; without backend it is only rendered."""

    ids: IdClock
    actor: Actor
    project: ProjectRow
    request: SubmitRequest
    recipient: str
    received_at: datetime
    backend: Backend | None
    entry: ConnectionEntry | None
    adapter: Adapter | None
    sending: SendingContext


def outbound(
    plan: Plan,
    bodies: Bodies,
    rendering: Rendering,
    rendered_at: datetime | None,
    files: Sequence[NewFile],
) -> Append:
    """A message to send: its event, `message.rendered` if it was rendered, its files, and the work."""
    item = _sent_item(plan, _content(bodies), _metadata(plan, bodies), _facts(plan, rendering, rendered_at))
    edges = [EdgeView("attachment", "file", file.id) for file in files]
    cargo = cast("OutboundCargo", item.cargo)
    events = item.events
    if rendered_at is not None:
        told = _rendered_payload(rendering, rendered_at)
        events = (*events, recording.child(plan.ids, item.application_id, RENDERED, told, item.event_id))
    return structs.replace(
        item,
        events=events,
        edges=[*item.edges, *(_new_edge(plan, item.event_id, edge) for edge in edges)],
        files=tuple(files),
        once_key=plan.request.once_key,
        submission=_submission(plan, item.event_id),
        cargo=structs.replace(cargo, edges=(*cargo.edges, *edges)),
    )


def rendered_only(plan: Plan, bodies: Bodies, rendering: Rendering, rendered_at: datetime | None) -> Append:
    """A message that nobody gets: `message.rendered`, and that this was all."""
    facts = _facts(plan, rendering, rendered_at or plan.received_at)
    return _unsent(plan, RENDERED, _payload(plan, _content(bodies), _metadata(plan, bodies), facts))


def unrenderable(plan: Plan, problem: RenderError) -> Append:
    """A message that has failed before there was anything to send."""
    facts = _facts(plan, None, None)
    facts["render_error"] = _told_problem(problem)
    content: JsonObject = {"text": None, "role": "assistant", "type": "text"}
    if plan.entry is None:
        return _unsent(plan, FAILED, _payload(plan, content, {}, facts))
    item = _sent_item(plan, content, {}, facts)
    detail = str(facts["render_error"]["message"])  # pyright: ignore[reportIndexIssue]
    failed, receipt, _ = recording.failure(
        plan.ids, item.application_id, item.event_id, None, FailureCode.CONTENT_REJECTED, detail
    )
    event = item.events[0]
    cargo = cast("OutboundCargo", item.cargo)
    shared = _fragment(item.application_id, item.event_id, event.event_type, event.payload, cargo.edges)
    submission = _submission(plan, item.event_id)._replace(
        connection_id=plan.entry.connection_id,
        platform_user_id=item.identities[0].platform_user_id,
        failed_at=receipt.happened_at,
        error=receipt.error,
    )
    done = recording.done(plan.ids, item.application_id, item.event_id)
    return structs.replace(
        item,
        events=(event._replace(is_held=False, fragment=shared), failed, done),
        message=None,
        once_key=plan.request.once_key,
        submission=submission,
    )


def fresh(item: Append) -> Submitted:
    """A message as it is right after it was appended."""
    event = item.events[0]
    payload: JsonObject = orjson.loads(event.payload)
    failed_at = item.submission.failed_at if item.submission is not None else None
    if failed_at is not None and item.submission is not None:
        error = orjson.loads(item.submission.error or "null")
        progress = Progress(state=MessageState.FAILED, failed_at=failed_at, error=error)
    else:
        progress = Progress(is_fresh=True)
    return Submitted(item.event_id, item.application_id, event.event_type, payload, progress)


def is_sync(message: Submitted) -> bool:
    """Whether its submitter wanted to wait."""
    return submission_of(message).get("sync") is True


def _sent_item(plan: Plan, content: JsonObject, metadata: JsonObject, facts: JsonObject) -> Append:
    assert plan.entry is not None
    assert plan.adapter is not None
    request = SendRequest(
        connection_id=plan.entry.connection_id,
        recipient=plan.recipient,
        metadata=metadata,
        is_sandbox=plan.request.is_test,
    )
    return build_item(
        plan.sending,
        plan.entry,
        plan.adapter,
        request,
        CheckedContent(content),
        plan.recipient,
        is_sandbox=plan.request.is_test,
        facts={SUBMISSION: facts},
    )


def _unsent(plan: Plan, event_type: str, payload: JsonObject) -> Append:
    """One event and its end, with nothing to send."""
    event_id, application_id = plan.ids.new(), plan.actor.application_id
    text = storable_json(payload).decode()
    event = NewEvent(
        application_id,
        event_id,
        event_type,
        text,
        fragment=_fragment(application_id, event_id, event_type, text, ()),
    )
    return Append(
        application_id=application_id,
        event_id=event_id,
        events=(event, recording.done(plan.ids, application_id, event_id)),
        once_key=plan.request.once_key,
        submission=_submission(plan, event_id),
    )


def _submission(plan: Plan, event_id: UUID) -> NewSubmission:
    reference = plan.request.id_from_submitter
    return NewSubmission(plan.actor.organisation_id, event_id, reference, plan.recipient)


def _content(bodies: Bodies) -> JsonObject:
    content: JsonObject = {"text": bodies.text, "role": "assistant", "type": "text"}
    return content if bodies.html is None else {**content, "html": bodies.html}


def _metadata(plan: Plan, bodies: Bodies) -> JsonObject:
    told: JsonObject = {}
    if bodies.subject is not None:
        told["subject"] = bodies.subject
    if bodies.sender is not None:
        told["from"] = bodies.sender
    if plan.request.attachments and plan.request.is_inline:
        told["disposition"] = "inline"
    return told


def _facts(plan: Plan, rendering: Rendering | None, rendered_at: datetime | None) -> JsonObject:
    """What the submitter said beside the content, and what was chosen for it; null is left out."""
    request, backend = plan.request, plan.backend
    version = rendering.template if rendering is not None else None
    facts: dict[str, object] = {
        "type": request.channel.value,
        "to": request.to,
        "from": rendering.sender if rendering is not None else request.sender,
        "project": plan.project.slug,
        "project_id": str(plan.project.id),
        "backend": None if backend is None else backend.identifier,
        "backend_id": None if backend is None else str(backend.account_id),
        "provider": None if backend is None else backend.provider,
        "template": request.template if version is None else version.identifier,
        "template_id": _text(request.template_id if version is None else version.template_id),
        "template_version": None if version is None else version.version,
        "text_template_body": request.text_template,
        "html_template_body": request.html_template,
        "template_styles": request.styles,
        "data": None if request.data is None else dict(request.data),
        "sync": request.is_sync or None,
        "render_only": request.is_render_only or None,
        "test": request.is_test or None,
        "ignore_suppression": request.ignores_suppression or None,
        "id_from_submitter": request.id_from_submitter,
        "message_key_id": str(plan.actor.key_id),
        "received_at": told_time(plan.received_at),
        "rendered_at": None if rendered_at is None else told_time(rendered_at),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _payload(plan: Plan, content: JsonObject, metadata: JsonObject, facts: JsonObject) -> JsonObject:
    payload: JsonObject = {"type": "message", "message": content, "platform": plan.request.channel.value}
    if metadata:
        payload["metadata"] = metadata
    if plan.request.is_test:
        payload["sandbox"] = True
    return {**payload, SUBMISSION: facts}


def _rendered_payload(rendering: Rendering, rendered_at: datetime) -> JsonObject:
    told: JsonObject = {"status": "rendered", "rendered_at": told_time(rendered_at)}
    if rendering.template is not None:
        told["template"] = {
            "id": str(rendering.template.template_id),
            "identifier": rendering.template.identifier,
            "version": rendering.template.version,
        }
    return told


def _told_problem(problem: RenderError) -> JsonObject:
    place = ""
    if problem.line is not None:
        place = f" at line {problem.line}" + (
            f", column {problem.column}" if problem.column is not None else ""
        )
    return {
        "part": problem.part,
        "template": problem.template,
        "line": problem.line,
        "column": problem.column,
        "message": f"{problem.message} ({problem.part}{place})",
    }


def _fragment(
    application_id: UUID, event_id: UUID, event_type: str, payload: str, edges: Sequence[EdgeView]
) -> str:
    return fragment(
        application_id=application_id,
        event_id=event_id,
        event_type=event_type,
        payload=payload,
        edges=edges,
        created_at=time_of(event_id),
    )


def _new_edge(plan: Plan, event_id: UUID, edge: EdgeView) -> NewEdge:
    return NewEdge(event_id, plan.ids.new(), edge.edge_type, edge.target_type, edge.target_id)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
