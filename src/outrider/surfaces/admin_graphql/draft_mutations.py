"""The mutations of drafts, from arguments to operations."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from outrider.core.errors import ValidationError
from outrider.outreach.drafts import moving, writing
from outrider.outreach.drafts.values import Draft, DraftChanges, DraftContent, NewDraft
from outrider.surfaces.admin_graphql.calling import Arguments, Call
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.acting import ActingMember

_CHANGES = {
    "subject": "subject",
    "bodyText": "body_text",
    "bodyHtml": "body_html",
    "template": "template",
    "locals": "locals",
    "accountId": "account_id",
    "ignoreSuppression": "ignores_suppression",
}


class Move(Protocol):
    """An operation that moves drafts to another state."""

    def __call__(
        self,
        context: TenancyContext,
        organisation_id: UUID,
        draft_ids: Sequence[UUID],
        /,
        *,
        by: ActingMember | None,
    ) -> Awaitable[Sequence[Draft]]: ...


async def create_draft(call: Call, given: Arguments) -> object:
    """`createDraft`."""
    new = NewDraft(
        contact_id=given["contactId"],
        content=_content(given),
        list_id=given.get("listId"),
        application_id=given.get("applicationId"),
        account_id=given.get("accountId"),
        ignores_suppression=given.get("ignoreSuppression") is True,
    )
    return await writing.create_draft(call.administration.drafts, call.member, new)


async def create_drafts(call: Call, given: Arguments) -> object:
    """`createDrafts`."""
    return await writing.create_drafts(
        call.administration.drafts,
        call.member,
        given["listId"],
        _content(given),
        ignores_suppression=given.get("ignoreSuppression") is True,
    )


async def update_draft(call: Call, given: Arguments) -> object:
    """`updateDraft`."""
    if "ignoreSuppression" in given and given["ignoreSuppression"] is None:
        raise ValidationError("ignoreSuppression must not be null.", path="ignoreSuppression")
    changes = DraftChanges(**{name: given[key] for key, name in _CHANGES.items() if key in given})
    return await writing.update_draft(call.administration.drafts, call.member, given["id"], changes)


async def approve_drafts(call: Call, given: Arguments) -> object:
    """`approveDrafts`."""
    return await moving.approve_drafts(
        call.tenancy, call.member.organisation_id, given["ids"], by=call.member
    )


async def schedule_draft(call: Call, given: Arguments) -> object:
    """`scheduleDraft`."""
    (draft,) = await moving.schedule_drafts(
        call.tenancy, call.member.organisation_id, [given["id"]], given["scheduledAt"], by=call.member
    )
    return draft


def moved(move: Move) -> Callable[[Call, Arguments], Awaitable[object]]:
    """A mutation that moves one draft."""

    async def run(call: Call, given: Arguments) -> object:
        (draft,) = await move(call.tenancy, call.member.organisation_id, [given["id"]], by=call.member)
        return draft

    return run


def _content(given: Arguments) -> DraftContent:
    return DraftContent(
        subject=given.get("subject"),
        body_text=given.get("bodyText"),
        body_html=given.get("bodyHtml"),
        template=given.get("template"),
        locals=given.get("locals"),
    )


DRAFT_MUTATIONS: Final[Mapping[str, Callable[[Call, Arguments], Awaitable[object]]]] = {
    "createDraft": create_draft,
    "createDrafts": create_drafts,
    "updateDraft": update_draft,
    "submitDraft": moved(moving.submit_drafts),
    "approveDraft": moved(moving.approve_drafts),
    "approveDrafts": approve_drafts,
    "scheduleDraft": schedule_draft,
    "cancelDraft": moved(moving.cancel_drafts),
    "discardDraft": moved(moving.discard_drafts),
}
"""All of them need the same permission."""
