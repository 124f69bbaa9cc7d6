"""Submitting a transactional message: find its project and backend, render, append, and (if asked) wait for its end.

It becomes a `message.outbound` event that holds the final content, with `message.rendered` its child in the same
commit. What cannot be rendered is kept too, as a message that has failed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import IdempotencyConflict, NotFound, Unavailable, ValidationError
from outrider.events.values import Answer, Append, MessageState, Verdict
from outrider.files.storing import FilesContext
from outrider.messaging.cross_tenant import select_attempted
from outrider.messaging.sending import SANDBOX, SendingContext
from outrider.messaging.submissions import building
from outrider.messaging.submissions.addressing import bare_address, refuse_controls
from outrider.messaging.submissions.attachments import stored_attachments
from outrider.messaging.submissions.bodies import checked_bodies
from outrider.messaging.submissions.finding import FindingContext, find_submitted
from outrider.messaging.submissions.values import ConfigIssue, SubmitRequest, Submitted
from outrider.messaging.suppression_lookup import Addressee
from outrider.messaging.values import SendResult
from outrider.platforms.base import Adapter
from outrider.templates.errors import RenderError
from outrider.templates.values import InApplication, Rendering, RenderRequest
from outrider.tenancy.actors import Actor
from outrider.tenancy.backends import Backend, BackendDirectory
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.tenancy.message_keys import MessageSender
from outrider.tenancy.queries_backends import ProjectRow

SYNC_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 1.0
_ACCEPTED: Final = MessageState.ACCEPTED.word


class Render(Protocol):
    """Renders a message with the locals of all levels; raises `RenderError`."""

    def __call__(self, actor: InApplication, request: RenderRequest, /) -> Awaitable[Rendering]: ...


@dataclass(frozen=True, slots=True)
class SubmittingContext:
    """What submitting needs of the process."""

    sending: SendingContext
    backends: BackendDirectory
    files: FilesContext
    finding: FindingContext
    render: Render
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was submitted; not `is_final`: its submitter wanted to wait for the end, and it has not come."""

    message: Submitted
    is_final: bool = True


async def submit_message(
    context: SubmittingContext, sender: MessageSender, request: SubmitRequest
) -> Accepted:
    """Accept a message; raises an `AppError` if it is refused, and then nothing was written."""
    received_at = context.now()
    project, actor = await _project(context, sender, request)
    route = None if request.is_render_only else await _route(context, actor, request)
    recipient = _recipient(request, route)
    refuse_controls(request.subject or "", "subject")
    refuse_controls(request.sender or "", "from")
    if route is not None:
        await _refuse_suppressed(context, actor, request, recipient)
    plan = building.Plan(
        ids=context.sending.ids,
        actor=actor,
        project=project,
        request=request,
        recipient=recipient,
        received_at=received_at,
        backend=None if route is None else route.backend,
        entry=None if route is None else route.entry,
        adapter=None if route is None else route.adapter,
        sending=context.sending,
    )
    item = await _item(context, plan, route)
    return await _appended(context, sender, plan, item)


@dataclass(frozen=True, slots=True)
class _Route:
    backend: Backend
    entry: ConnectionEntry
    adapter: Adapter


async def _item(context: SubmittingContext, plan: building.Plan, route: _Route | None) -> Append:
    """Render, and build what is written."""
    request = plan.request
    try:
        rendering = await _rendered(context, plan.actor, request)
    except RenderError as problem:
        return building.unrenderable(plan, problem)
    rendered_at = context.now() if _is_rendered(request) else None
    bodies = await checked_bodies(
        request.channel, rendering, None if route is None else route.adapter.manifest
    )
    if route is None:
        return building.rendered_only(plan, bodies, rendering, rendered_at)
    files = await stored_attachments(context.files, route.adapter.manifest, request)
    return building.outbound(plan, bodies, rendering, rendered_at, files)


def _is_rendered(request: SubmitRequest) -> bool:
    return _render_request(request).is_rendered


def _render_request(request: SubmitRequest) -> RenderRequest:
    return RenderRequest(
        template=request.template,
        template_id=request.template_id,
        sender=request.sender,
        subject=request.subject,
        text_body=request.text_body,
        html_body=request.html_body,
        text_template=request.text_template,
        html_template=request.html_template,
        styles=request.styles,
        locals=request.data or {},
    )


async def _rendered(context: SubmittingContext, actor: Actor, request: SubmitRequest) -> Rendering:
    wanted = _render_request(request)
    if wanted.is_rendered:
        return await context.render(actor, wanted)
    return Rendering(
        sender=request.sender,
        subject=request.subject,
        text=request.text_body,
        html=request.html_body,
        template=None,
    )


async def _project(
    context: SubmittingContext, sender: MessageSender, request: SubmitRequest
) -> tuple[ProjectRow, Actor]:
    named = request.project if request.project is not None else request.project_id
    if named is None:
        raise ValidationError("project or project_id is required.", path="project")
    found = await context.backends.project(sender.organisation_id, named)
    if found is None or not sender.reaches(found.id):
        raise ValidationError(f"There is no project {str(named)[:100]!r}.", path="project")
    if request.project_id not in {None, found.id}:
        raise ValidationError("project and project_id name different projects.", path="project_id")
    return found, sender.in_application(found.id)


async def _route(context: SubmittingContext, actor: Actor, request: SubmitRequest) -> _Route:
    named = request.backend if request.backend is not None else request.backend_id
    backend = await context.backends.backend(actor, request.channel, named)
    if backend is None and named is not None:
        raise ValidationError(
            f"There is no backend {str(named)[:100]!r} for {request.channel.value}.", path="backend"
        )
    if backend is None:
        raise ConfigIssue(
            f"The project has no default backend for {request.channel.value}, and the message names none."
        )
    if request.backend_id not in {None, backend.account_id}:
        raise ValidationError("backend and backend_id name different backends.", path="backend_id")
    entry = await context.sending.connections.get(actor.application_id, backend.connection_id)
    provider = SANDBOX if request.is_test else backend.provider
    adapter = context.sending.registry.get(provider)
    if entry is None or not entry.is_active or adapter is None:
        raise ConfigIssue(f"The backend {backend.identifier} cannot be used: it was disabled or removed.")
    return _Route(backend, entry, adapter)


def _recipient(request: SubmitRequest, route: _Route | None) -> str:
    bare = bare_address(request.to, request.channel, "to")
    if not bare:
        raise ValidationError("to is empty.", path="to")
    if route is None:
        return bare
    normal = route.adapter.normalise_address(bare)
    if normal is None:
        raise ValidationError(
            f"to is not an address on {request.channel.value}: {request.to[:100]!r}.", path="to"
        )
    return normal


async def _refuse_suppressed(
    context: SubmittingContext, actor: Actor, request: SubmitRequest, recipient: str
) -> None:
    """Before anything is rendered or stored; a test reaches nobody, whoever is on the list."""
    if request.is_test or request.ignores_suppression:
        return
    await context.sending.suppression_lookup.refuse(
        Addressee(actor.application_id, request.channel, recipient, request.once_key)
    )


async def _appended(
    context: SubmittingContext, sender: MessageSender, plan: building.Plan, item: Append
) -> Accepted:
    if not plan.request.is_sync or item.message is None:
        return await _answered(context, sender, item, await context.sending.appender.append(item))
    outcome = context.sending.waiters.register(item.application_id, item.event_id)
    try:
        answer = await context.sending.appender.append(item)
        if answer.verdict is not Verdict.APPENDED:
            return await _answered(context, sender, item, answer)
        return await _ended(context, sender, item.application_id, item.event_id, outcome)
    finally:
        context.sending.waiters.forget(item.event_id, outcome)


async def _answered(
    context: SubmittingContext, sender: MessageSender, item: Append, answer: Answer
) -> Accepted:
    match answer.verdict:
        case Verdict.APPENDED:
            return Accepted(building.fresh(item))
        case Verdict.DUPLICATE if answer.stored_id is not None:
            return await _repeated(context, sender, item, answer.stored_id)
        case Verdict.KEY_CONFLICT:
            raise IdempotencyConflict
        case _:
            raise ConfigIssue("The backend was disabled or removed just now.")


async def _repeated(
    context: SubmittingContext, sender: MessageSender, item: Append, message_id: UUID
) -> Accepted:
    """The answer to a repeat: the first message, once it has ended if that is wanted."""
    try:
        found = await find_submitted(context.finding, sender, message_id)
    except NotFound:
        raise Unavailable("The first request is not stored any more.") from None
    if not building.is_sync(found) or item.message is None:
        return Accepted(found)
    outcome = context.sending.waiters.register(found.application_id, found.id)
    try:
        with faults_as_unavailable():
            done = await select_attempted(context.sending.pool, [(found.application_id, found.id)])
        if done:
            return Accepted(found)
        return await _ended(context, sender, found.application_id, found.id, outcome)
    finally:
        context.sending.waiters.forget(found.id, outcome)


async def _ended(
    context: SubmittingContext,
    sender: MessageSender,
    application_id: UUID,
    message_id: UUID,
    outcome: "asyncio.Future[SendResult]",
) -> Accepted:
    """Wait until a message has ended: an attempt that was put off is not the end."""
    waiters = context.sending.waiters
    is_final = True
    try:
        async with asyncio.timeout(SYNC_SECONDS):
            result = await outcome
            while result.state == _ACCEPTED:
                again = waiters.register(application_id, message_id)
                try:
                    result = await again
                finally:
                    waiters.forget(message_id, again)
                if result.state == _ACCEPTED:
                    await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        is_final = False
    return Accepted(await find_submitted(context.finding, sender, message_id), is_final)
