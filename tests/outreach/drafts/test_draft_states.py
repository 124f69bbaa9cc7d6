"""What people may do with a draft in which state, what that leaves in the log, and what is refused."""

import asyncio
from datetime import timedelta

import pytest

from outrider.core.errors import AppError, Forbidden, NotFound, ValidationError
from outrider.outreach.drafts import moving
from outrider.outreach.drafts.errors import DraftConflict
from outrider.outreach.drafts.history import history_of
from outrider.outreach.drafts.listing import find_draft, list_drafts
from outrider.outreach.drafts.values import (
    Draft,
    DraftChanges,
    DraftContent,
    DraftFilters,
    DraftStatus,
    NewDraft,
)
from outrider.outreach.drafts.writing import create_draft, create_drafts, preview_draft, update_draft
from outrider.templates.errors import RenderError
from outrider.templates.managing import NewTemplate, create_template
from outrider.templates.values import TemplateContent
from outrider.tenancy.members.roles import Role
from tests.outreach.written import Desk, new_desk, new_list, new_member

MOVES = {
    "submit": moving.submit_drafts,
    "approve": moving.approve_drafts,
    "cancel": moving.cancel_drafts,
    "discard": moving.discard_drafts,
}
# which state each move leads to, from which states
ALLOWED = {
    "submit": ("needs_review", {"draft"}),
    "approve": ("approved", {"draft", "needs_review", "scheduled"}),
    "schedule": ("scheduled", {"draft", "needs_review", "approved", "scheduled"}),
    "cancel": ("draft", {"needs_review", "approved", "scheduled"}),
    "discard": ("discarded", {"draft", "needs_review", "approved", "scheduled", "failed"}),
}


async def _moved(desk: Desk, draft: Draft, move: str) -> Draft:
    context, organisation_id = desk.runtime.tenancy, desk.organisation_id
    if move == "schedule":
        at = context.ids.now() + timedelta(days=1)
        (found,) = await moving.schedule_drafts(context, organisation_id, [draft.id], at, by=desk.member)
    else:
        (found,) = await MOVES[move](context, organisation_id, [draft.id], by=desk.member)
    return found


async def _put(desk: Desk, draft: Draft, status: DraftStatus) -> None:
    await desk.pool.execute("update drafts set status = $2 where id = $1", draft.id, status)


@pytest.mark.parametrize("status", list(DraftStatus))
@pytest.mark.parametrize("move", list(ALLOWED))
async def test_a_draft_moves_only_from_where_it_may(desk: Desk, move: str, status: DraftStatus) -> None:
    draft = await desk.draft()
    await _put(desk, draft, status)
    target, sources = ALLOWED[move]

    if status.value in sources:
        assert (await _moved(desk, draft, move)).status.value == target
    else:
        with pytest.raises(DraftConflict) as refused:
            await _moved(desk, draft, move)
        assert refused.value.details["state"] == status.value
        assert (await desk.now(draft)).status is status


async def test_the_history_tells_who_did_what(desk: Desk) -> None:
    draft = await desk.draft()
    for move in ("submit", "approve", "cancel", "schedule"):
        await _moved(desk, draft, move)
    changes = DraftChanges(subject="Another")
    await update_draft(desk.runtime.drafts, desk.member, draft.id, changes)
    await moving.discard_drafts(desk.runtime.tenancy, desk.organisation_id, [draft.id], by=None)

    history = await history_of(desk.runtime.tenancy, desk.organisation_id, draft.id)

    words = ("created", "submitted", "approved", "cancelled", "scheduled", "updated", "discarded")
    assert [one.event_type for one in history] == [f"system.draft.{word}" for word in words]
    assert {one.author_id for one in history[:-1]} == {desk.member.id}
    assert (history[-1].author_type, history[-1].author_id) == ("operator", None)
    assert history[5].payload["former_status"] == "scheduled"
    assert {one.payload["contact_id"] for one in history} == {str(draft.contact_id)}
    assert [one.created_at for one in history] == sorted(one.created_at for one in history)
    found = await desk.pool.fetch(
        "select id from events where application_id = $1 and event_type like 'system.draft.%' order by position",
        desk.tenant.hidden_application_id,
    )
    assert [row["id"] for row in found] == [one.id for one in history]


async def test_editing_takes_an_approval_back_but_no_review(desk: Desk) -> None:
    approved, reviewed = await desk.draft(), await desk.draft()
    await _moved(desk, approved, "schedule")
    await _moved(desk, reviewed, "submit")
    changes = DraftChanges(body_text="At 8:40?", body_html="<p>At 8:40?</p>")

    changed = await update_draft(desk.runtime.drafts, desk.member, approved.id, changes)
    other = await update_draft(desk.runtime.drafts, desk.member, reviewed.id, changes)

    assert (changed.status, changed.scheduled_at) == (DraftStatus.DRAFT, None)
    assert (changed.body_text, changed.body_html) == ("At 8:40?", "<p>At 8:40?</p>")
    assert other.status is DraftStatus.NEEDS_REVIEW
    due_at = "select due_at from drafts where id = $1"
    assert await desk.pool.fetchval(due_at, approved.id) is None


@pytest.mark.parametrize("status", ["sending", "sent", "replied", "discarded"])
async def test_what_is_on_its_way_cannot_be_edited(desk: Desk, status: str) -> None:
    draft = await desk.draft()
    await _put(desk, draft, DraftStatus(status))

    with pytest.raises(DraftConflict):
        await update_draft(desk.runtime.drafts, desk.member, draft.id, DraftChanges(subject="Late"))

    assert (await desk.now(draft)).subject == "Your crossing"


async def test_of_two_who_edit_at_once_none_overwrites_the_other_unseen(desk: Desk) -> None:
    draft = await desk.draft()

    async def edit(subject: str) -> str:
        try:
            await update_draft(desk.runtime.drafts, desk.member, draft.id, DraftChanges(subject=subject))
        except DraftConflict:
            return ""
        return subject

    subjects = await asyncio.gather(*(edit(f"Subject {number}") for number in range(6)))

    assert (await desk.now(draft)).subject in subjects
    history = await history_of(desk.runtime.tenancy, desk.organisation_id, draft.id)
    assert len(history) == 1 + len([one for one in subjects if one])


async def test_several_are_approved_together_or_not_at_all(desk: Desk) -> None:
    drafts = [await desk.draft() for _ in range(3)]
    await _moved(desk, drafts[1], "discard")
    missing = [*(one.id for one in drafts[:1]), desk.runtime.tenancy.ids.new()]

    with pytest.raises(DraftConflict):
        await desk.approved(*drafts)
    with pytest.raises(NotFound):
        await moving.approve_drafts(desk.runtime.tenancy, desk.organisation_id, missing, by=desk.member)
    for wrong in ([], [desk.runtime.tenancy.ids.new() for _ in range(501)]):
        with pytest.raises(ValidationError):
            await moving.approve_drafts(desk.runtime.tenancy, desk.organisation_id, wrong, by=desk.member)

    assert (await desk.now(drafts[0])).status is DraftStatus.DRAFT
    await desk.approved(drafts[0], drafts[2])
    assert (await desk.now(drafts[2])).status is DraftStatus.APPROVED


async def test_of_two_who_approve_at_once_one_is_refused(desk: Desk) -> None:
    draft = await desk.draft()

    ends = await asyncio.gather(*(desk.approved(draft) for _ in range(8)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in ends) == ["DraftConflict"] * 7 + ["NoneType"]


async def test_a_time_that_has_passed_is_refused(desk: Desk) -> None:
    draft = await desk.draft()
    at = desk.runtime.tenancy.ids.now() - timedelta(seconds=1)

    with pytest.raises(ValidationError, match="future"):
        await moving.schedule_drafts(
            desk.runtime.tenancy, desk.organisation_id, [draft.id], at, by=desk.member
        )


async def test_viewers_only_look(desk: Desk) -> None:
    draft = await desk.draft()
    viewer = await new_member(desk.runtime, desk.tenant, Role.VIEWER)

    with pytest.raises(Forbidden):
        await moving.approve_drafts(desk.runtime.tenancy, desk.organisation_id, [draft.id], by=viewer)
    with pytest.raises(Forbidden):
        await update_draft(desk.runtime.drafts, viewer, draft.id, DraftChanges(subject="Mine"))


async def test_another_organisation_has_no_such_draft(desk: Desk) -> None:
    draft, foreign = await desk.draft(), await new_desk(desk.runtime)

    for move in MOVES.values():
        with pytest.raises(NotFound):
            await move(desk.runtime.tenancy, foreign.organisation_id, [draft.id], by=foreign.member)
    with pytest.raises(NotFound):
        await update_draft(desk.runtime.drafts, foreign.member, draft.id, DraftChanges(subject="Theirs"))
    assert await find_draft(desk.runtime.tenancy, foreign.organisation_id, draft.id) is None
    assert await history_of(desk.runtime.tenancy, foreign.organisation_id, draft.id) == []
    for given in (
        {"contact_id": draft.contact_id, "application_id": foreign.tenant.application_id},
        {"contact_id": await foreign.contact(), "application_id": desk.tenant.application_id},
        {
            "contact_id": await foreign.contact(),
            "application_id": foreign.tenant.application_id,
            "account_id": desk.account_id,
        },
    ):
        content = DraftContent(subject="x", body_text="x")
        with pytest.raises(NotFound):
            await create_draft(desk.runtime.drafts, foreign.member, NewDraft(content=content, **given))


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (DraftContent(subject="x"), "bodyText"),
        (DraftContent(subject="x", body_text=" "), "bodyText"),
        (DraftContent(subject="x", body_text="x", template="hello"), "bodyText"),
        (DraftContent(body_text="x"), "subject"),
        (DraftContent(subject=" ", body_text="x"), "subject"),
        (DraftContent(subject="a\nb", body_text="x"), "subject"),
        (DraftContent(subject="x", body_text="x", locals={}), "locals"),
        (DraftContent(subject="x", body_text="\0"), "bodyText"),
        (DraftContent(subject="x", body_html="x" * 1_000_001), "bodyHtml"),
        (DraftContent(subject="x", template="no such!"), "identifier"),
        (DraftContent(subject="x", template="x", locals={"a": float("nan")}), "locals.a"),
    ],
)
async def test_what_no_draft_can_say_is_refused(desk: Desk, content: DraftContent, path: str) -> None:
    new = NewDraft(
        contact_id=await desk.contact(), application_id=desk.tenant.application_id, content=content
    )

    with pytest.raises(ValidationError) as refused:
        await create_draft(desk.runtime.drafts, desk.member, new)

    assert refused.value.details["path"] == path
    assert (await list_drafts(desk.runtime.tenancy, desk.organisation_id, first=1)).drafts == []


async def _template(desk: Desk, identifier: str, **content: object) -> None:
    new = NewTemplate(
        application_id=desk.tenant.application_id,
        identifier=identifier,
        content=TemplateContent(**content),  # type: ignore[arg-type]
    )
    await create_template(desk.runtime.templates, desk.member, new)


async def test_a_template_knows_the_contact_and_the_drafts_locals_win(desk: Desk) -> None:
    await _template(
        desk,
        "hello",
        subject="{{contact.name}} of {{company.name}}",
        text_body="{{contact.email}} {{list.goal}} {{boat}} {{list.connection_point}}",
        locals={"boat": "a raft"},
    )
    list_id = await new_list(desk.pool, desk.organisation_id, desk.tenant.application_id)
    contact = await desk.contact(email="ada@example.com", company="Harbour & Co", list_id=list_id)

    draft = await desk.draft(contact, template="hello", locals={"boat": "a ferry"})
    preview = await preview_draft(desk.runtime.drafts, desk.member, draft)
    renamed = await update_draft(
        desk.runtime.drafts, desk.member, draft.id, DraftChanges(subject="For {{contact.name}}")
    )

    assert (draft.subject, draft.body_text) == ("Ada Lovelace of Harbour & Co", None)
    assert draft.list_id == list_id
    assert (preview.subject, preview.text) == (draft.subject, "ada@example.com a call a ferry ")
    assert (renamed.subject, renamed.subject_template) == ("For Ada Lovelace", "For {{contact.name}}")


async def test_a_template_that_cannot_be_rendered_is_refused_at_once(desk: Desk) -> None:
    await _template(desk, "strict", subject="{{nobody}}", text_body="x", is_strict=True)
    await _template(desk, "silent", text_body="x")

    for template, error in (("strict", RenderError), ("silent", ValidationError), ("none", NotFound)):
        with pytest.raises(error):
            await desk.draft(template=template)


async def test_a_list_gets_one_draft_for_each_contact_however_often_it_is_asked(desk: Desk) -> None:
    await _template(desk, "hi", subject="Hi {{contact.name}}", text_body="x")
    list_id = await new_list(desk.pool, desk.organisation_id, desk.tenant.application_id)
    for number in range(7):
        await desk.contact(name=f"Person {number}", list_id=list_id)
    content = DraftContent(template="hi")

    async def write() -> int:
        found = await create_drafts(desk.runtime.drafts, desk.member, list_id, content)
        assert found.remaining == 0
        return len(found.drafts)

    counts = await asyncio.gather(*(write() for _ in range(4)))
    (first, *_) = (await list_drafts(desk.runtime.tenancy, desk.organisation_id, first=10)).drafts
    await _moved(desk, first, "discard")
    again = await create_drafts(desk.runtime.drafts, desk.member, list_id, content)

    assert sum(counts) == 7
    assert [one.contact_id for one in again.drafts] == [first.contact_id]
    page = await list_drafts(
        desk.runtime.tenancy,
        desk.organisation_id,
        first=100,
        filters=DraftFilters(statuses=[DraftStatus.DRAFT], list_id=list_id),
    )
    assert sorted(one.subject for one in page.drafts) == [f"Hi Person {number}" for number in range(7)]


async def test_a_list_without_application_or_that_was_archived_is_refused(desk: Desk) -> None:
    nowhere = await new_list(desk.pool, desk.organisation_id, None)
    archived = await new_list(desk.pool, desk.organisation_id, desk.tenant.application_id)
    await desk.pool.execute("update contact_lists set archived_at = now() where id = $1", archived)

    for list_id in (nowhere, archived):
        with pytest.raises(ValidationError):
            await create_drafts(
                desk.runtime.drafts, desk.member, list_id, DraftContent(subject="x", body_text="x")
            )


async def test_pages_and_filters_show_each_draft_once(desk: Desk) -> None:
    contact = await desk.contact()
    list_id = await new_list(desk.pool, desk.organisation_id, desk.tenant.application_id)
    drafts = [await desk.draft(contact if number % 2 else None) for number in range(5)]
    listed = await desk.draft(contact, list_id=list_id)
    await _moved(desk, listed, "submit")
    context, organisation_id = desk.runtime.tenancy, desk.organisation_id

    async def found(**given: object) -> list[Draft]:
        filters = DraftFilters(**given)  # type: ignore[arg-type]
        return list((await list_drafts(context, organisation_id, first=10, filters=filters)).drafts)

    first = await list_drafts(context, organisation_id, first=4)
    rest = await list_drafts(context, organisation_id, first=4, after=first.drafts[-1].id)

    ids = [one.id for one in (*first.drafts, *rest.drafts)]
    assert ids == [one.id for one in reversed([*drafts, listed])]
    assert (first.has_next, first.has_previous, rest.has_next, rest.has_previous) == (
        True,
        False,
        False,
        True,
    )
    assert {one.id for one in await found(contact_id=contact)} == {drafts[1].id, drafts[3].id, listed.id}
    review = [DraftStatus.NEEDS_REVIEW]
    for given in (
        {"statuses": review},
        {"list_id": list_id},
        {"statuses": review, "contact_id": contact},
        {"statuses": review, "list_id": list_id},
        {"contact_id": contact, "list_id": list_id},
        {"statuses": review, "contact_id": contact, "list_id": list_id},
    ):
        assert [one.id for one in await found(**given)] == [listed.id], given
    for first_ in (0, 201):
        with pytest.raises(AppError):
            await list_drafts(context, organisation_id, first=first_)
