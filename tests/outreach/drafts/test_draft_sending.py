"""Approved drafts become messages once: whoever approves twice, dies in between, or takes them back at that moment."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from outrider.messaging.suppressions import add_suppression
from outrider.outreach.drafts import moving
from outrider.outreach.drafts.cross_tenant import ClaimedDraft, claim_drafts, tie_message
from outrider.outreach.drafts.due import DueDrafts, DueTimes
from outrider.outreach.drafts.errors import DraftConflict
from outrider.outreach.drafts.history import history_of
from outrider.outreach.drafts.sending import append_draft, begin_drafts
from outrider.outreach.drafts.values import Draft, DraftChanges, DraftContent, DraftStatus, NewDraft
from outrider.outreach.drafts.writing import create_draft, update_draft
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.templates.managing import NewTemplate, archive_template, create_template
from outrider.templates.values import TemplateContent
from outrider.tenancy.managing_accounts import NewOwnAccount, create_account
from outrider.tenancy.managing_connections import ConnectionChanges, update_connection
from tests.outreach.written import Desk, new_desk, new_list
from tests.running import Sink, new_database, running

STEPS = ("claimed", "said to be sending", "appended", "tied")


async def _claimed(desk: Desk, draft: Draft, seconds: float = 0.0) -> ClaimedDraft:
    found = await claim_drafts(desk.pool, uuid4(), 100, seconds)
    return next(one for one in found if one.id == draft.id)


async def _until_step(desk: Desk, draft: Draft, step: str) -> UUID | None:
    """Do what sending does, as far as this step, and no further: as a process that is killed there."""
    reached = STEPS.index(step)
    claimed = await _claimed(desk, draft)
    if reached < 1:
        return None
    (ready,) = await begin_drafts(desk.runtime.drafts, desk.organisation_id, [claimed])
    if reached < 2:
        return None
    message_id = await append_draft(desk.runtime.drafts, ready)
    if reached == 3:
        await tie_message(desk.pool, desk.organisation_id, desk.tenant.application_id, draft.id, message_id)
    return message_id


@pytest.fixture
async def template(desk: Desk) -> UUID:
    new = NewTemplate(
        application_id=desk.tenant.application_id,
        identifier="crossing",
        content=TemplateContent(
            sender="Desk <desk@lighthouse.example>",
            subject="{{contact.name}}, your crossing",
            html_body="<p>At {{time}}?</p>",
        ),
    )
    return (await create_template(desk.runtime.templates, desk.member, new)).id


async def test_an_approved_draft_arrives_as_it_was_rendered_and_says_so(
    desk: Desk, due: DueDrafts, sink: Sink, template: UUID
) -> None:
    contact = await desk.contact(email="Ada@Example.com")
    draft = await desk.draft(contact, template="crossing", locals={"time": "7:40"})
    await desk.approved(draft)

    await due.send_due()

    found = await desk.becomes(draft, DraftStatus.SENT)
    (message_id,) = await desk.messages(draft)
    assert found.message_id == message_id
    assert found.sent_at is not None
    assert (found.subject, found.body_text) == ("Ada Lovelace, your crossing", "At 7:40?\n")
    assert found.body_html is not None
    assert "<p>At 7:40?</p>" in found.body_html
    (heard,) = sink.heard
    assert b"Ada Lovelace, your crossing" in heard.body
    assert b"desk@lighthouse.example" in heard.body
    rows = await desk.pool.fetch(
        """select event_type, payload::text as payload from events where application_id = $1
          and (id = $2 or origin_event_id = $2) order by position""",
        desk.tenant.application_id,
        message_id,
    )
    assert [row["event_type"] for row in rows] == ["message.outbound", "message.rendered", "message.sent"]
    assert str(contact) in rows[0]["payload"]
    history = await history_of(desk.runtime.tenancy, desk.organisation_id, draft.id)
    assert [one.event_type.rpartition(".")[2] for one in history] == ["created", "approved", "sending"]
    assert history[-1].author_type == "system"


@pytest.mark.parametrize("step", STEPS)
async def test_whoever_is_killed_between_two_steps_is_followed_by_one_who_sends_once(
    desk: Desk, due: DueDrafts, sink: Sink, step: str
) -> None:
    draft = await desk.draft()
    await desk.approved(draft)

    first = await _until_step(desk, draft, step)
    for _ in range(3):
        await due.send_due()

    found = await desk.becomes(draft, DraftStatus.SENT)
    messages = await desk.messages(draft)
    assert messages == [found.message_id]
    assert first in {None, found.message_id}
    assert len(sink.heard) == 1
    history = await history_of(desk.runtime.tenancy, desk.organisation_id, draft.id)
    assert [one.event_type.rpartition(".")[2] for one in history] == ["created", "approved", "sending"]


async def test_what_was_appended_is_found_though_nothing_could_be_rendered_any_more(
    desk: Desk, due: DueDrafts, template: UUID
) -> None:
    draft = await desk.draft(template="crossing", locals={"time": "7:40"})
    await desk.approved(draft)
    message_id = await _until_step(desk, draft, "appended")
    await archive_template(desk.runtime.templates, desk.member, template)
    await desk.pool.execute("delete from default_backends where organisation_id = $1", desk.organisation_id)
    desk.runtime.directories.backends.clear()

    await due.send_due()

    found = await desk.becomes(draft, DraftStatus.SENT)
    assert found.message_id == message_id
    assert found.body_text == "At 7:40?\n"


async def test_many_senders_at_once_send_each_draft_once(desk: Desk, sink: Sink) -> None:
    drafts = [await desk.draft() for _ in range(20)]
    await desk.approved(*drafts)
    # claims that run out while they are worked on, in half of them
    senders = [DueDrafts(desk.runtime.drafts, DueTimes(claim_seconds=seconds)) for seconds in (0.0, 60.0) * 4]

    await asyncio.gather(*(one.send_due() for one in senders))
    await senders[0].send_due()

    for draft in drafts:
        found = await desk.becomes(draft, DraftStatus.SENT)
        assert await desk.messages(draft) == [found.message_id]
    assert len(sink.heard) == 20


async def test_approving_again_while_it_is_sent_sends_nothing_more(
    desk: Desk, due: DueDrafts, sink: Sink
) -> None:
    draft = await desk.draft()

    ends = await asyncio.gather(
        *(desk.approved(draft) for _ in range(5)),
        *(due.send_due() for _ in range(5)),
        *(desk.approved(draft) for _ in range(5)),
        return_exceptions=True,
    )
    await due.send_due()

    await desk.becomes(draft, DraftStatus.SENT)
    assert len([one for one in ends if isinstance(one, DraftConflict)]) == 9
    assert len(await desk.messages(draft)) == 1
    assert len(sink.heard) == 1


@pytest.mark.parametrize("move", [moving.cancel_drafts, moving.discard_drafts])
async def test_who_takes_back_at_that_moment_gets_it_back_or_it_is_sent_once(
    desk: Desk, due: DueDrafts, sink: Sink, move: Any
) -> None:
    drafts = [await desk.draft() for _ in range(30)]
    await desk.approved(*drafts)

    async def take_back(draft: Draft) -> bool:
        try:
            await move(desk.runtime.tenancy, desk.organisation_id, [draft.id], by=desk.member)
        except DraftConflict:
            return False
        return True

    taken, *_ = await asyncio.gather(
        asyncio.gather(*(take_back(draft) for draft in drafts)), *(due.send_due() for _ in range(3))
    )
    await due.send_due()

    for draft, is_back in zip(drafts, taken, strict=True):
        if is_back:
            assert (await desk.now(draft)).status in {DraftStatus.DRAFT, DraftStatus.DISCARDED}
            assert await desk.messages(draft) == []
        else:
            found = await desk.becomes(draft, DraftStatus.SENT)
            assert await desk.messages(draft) == [found.message_id]
    assert len(sink.heard) == len([one for one in taken if not one])


async def test_a_claim_on_what_was_taken_back_or_changed_sends_nothing(desk: Desk, sink: Sink) -> None:
    back, changed = await desk.draft(), await desk.draft()
    await desk.approved(back, changed)
    claims = [await _claimed(desk, one) for one in (back, changed)]
    await moving.cancel_drafts(desk.runtime.tenancy, desk.organisation_id, [back.id], by=desk.member)
    await update_draft(desk.runtime.drafts, desk.member, changed.id, DraftChanges(subject="Other"))
    await desk.approved(changed)

    for claim in claims:
        assert await begin_drafts(desk.runtime.drafts, desk.organisation_id, [claim]) == []

    assert (await desk.now(changed)).status is DraftStatus.APPROVED
    assert sink.heard == []


async def test_a_scheduled_draft_waits_for_its_time(desk: Desk, due: DueDrafts) -> None:
    draft = await desk.draft()
    at = desk.runtime.tenancy.ids.now() + timedelta(seconds=1.5)
    await moving.schedule_drafts(desk.runtime.tenancy, desk.organisation_id, [draft.id], at, by=desk.member)

    await due.send_due()
    assert (await desk.now(draft)).status is DraftStatus.SCHEDULED
    while desk.runtime.tenancy.ids.now() < at:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    await due.send_due()

    assert (await desk.becomes(draft, DraftStatus.SENT)).scheduled_at == at


async def test_whom_nothing_may_be_sent_gets_nothing_unless_the_draft_insists(
    desk: Desk, due: DueDrafts, sink: Sink
) -> None:
    contact = await desk.contact(email="Ada@example.com")
    await add_suppression(desk.runtime.suppressions, desk.tenant.actor, Channel.EMAIL, "ada@example.com")
    plain, insisting = await desk.draft(contact), await desk.draft(contact, ignores_suppression=True)
    await desk.approved(plain, insisting)

    await due.send_due()

    failed = await desk.becomes(plain, DraftStatus.FAILED)
    assert failed.failure is not None
    assert failed.failure["code"] == "RECIPIENT_SUPPRESSED"
    await desk.becomes(insisting, DraftStatus.SENT)
    assert len(sink.heard) == 1
    history = await history_of(desk.runtime.tenancy, desk.organisation_id, plain.id)
    assert history[-1].event_type == "system.draft.failed"
    assert history[-1].payload["error"] == failed.failure


@pytest.mark.parametrize(
    ("email", "is_default", "code"),
    [("ada\u200b@example.com", True, "RECIPIENT_NOT_FOUND"), (None, False, "MAILBOX_MISSING")],
)
async def test_what_cannot_be_sent_fails_with_its_reason_and_can_be_mended(
    process: Runtime, due: DueDrafts, sink: Sink, email: str | None, is_default: bool, code: str
) -> None:
    desk = await new_desk(process, sink.url, is_default=is_default)
    draft = await desk.draft(await desk.contact(email=email))
    await desk.approved(draft)

    await due.send_due()

    failed = await desk.becomes(draft, DraftStatus.FAILED)
    assert failed.failure is not None
    assert failed.failure["code"] == code
    assert await desk.messages(draft) == []
    await desk.pool.execute(
        "update contacts set email = 'ada@example.com' where organisation_id = $1", desk.organisation_id
    )
    mended = await update_draft(
        process.drafts, desk.member, draft.id, DraftChanges(account_id=desk.account_id)
    )
    assert (mended.status, mended.failure) == (DraftStatus.DRAFT, None)
    await desk.approved(draft)
    await due.send_due()
    await desk.becomes(draft, DraftStatus.SENT)


async def test_a_template_that_broke_after_the_approval_fails_the_draft(
    desk: Desk, due: DueDrafts, template: UUID
) -> None:
    draft = await desk.draft(template="crossing")
    await desk.approved(draft)
    await archive_template(desk.runtime.templates, desk.member, template)

    await due.send_due()

    failed = await desk.becomes(draft, DraftStatus.FAILED)
    assert failed.failure == {"code": "NOT_FOUND", "message": "Template not found."}


async def test_the_mailbox_is_the_drafts_then_its_lists_then_the_applications(
    process: Runtime, due: DueDrafts, sink: Sink
) -> None:
    desk = await new_desk(process, sink.url)
    new = NewOwnAccount(
        channel=Channel.EMAIL, provider="sandbox", config={"api_base_url": f"{sink.url}/second"}
    )
    # no connection of the application uses it yet
    second = (await create_account(process.tenancy, desk.member, new)).id
    list_id = await new_list(desk.pool, desk.organisation_id, desk.tenant.application_id, second)
    contact = await desk.contact(list_id=list_id)
    listed, own = await desk.draft(contact), await desk.draft(contact, account_id=desk.account_id)
    await desk.approved(listed, own)

    await due.send_due()

    for draft, account_id in ((listed, second), (own, desk.account_id)):
        found = await desk.becomes(draft, DraftStatus.SENT)
        used = await desk.pool.fetchval(
            "select c.account_id from messages m join connections c on c.id = m.connection_id where m.id = $1",
            found.message_id,
        )
        assert used == account_id
    made = await desk.pool.fetchval(
        """select payload ->> 'by' from events where application_id = $1
          and event_type = 'system.connection.created' order by position desc limit 1""",
        desk.tenant.hidden_application_id,
    )
    assert '"system"' in made


async def test_while_the_mailbox_is_disabled_a_draft_waits_and_can_be_taken_back(
    desk: Desk, due: DueDrafts, sink: Sink
) -> None:
    draft = await desk.draft()
    await desk.approved(draft)

    async def switch(status: str) -> None:
        changes = ConnectionChanges(status=status)
        await update_connection(desk.runtime.tenancy, desk.tenant.actor, desk.connection_id, changes)
        desk.runtime.directories.connections.forget(desk.connection_id)
        desk.runtime.directories.backends.clear()

    await switch("disabled")
    await due.send_due()
    waiting = await desk.now(draft)
    due_in = await desk.pool.fetchval("select due_at - now() from drafts where id = $1", draft.id)
    await moving.cancel_drafts(desk.runtime.tenancy, desk.organisation_id, [draft.id], by=desk.member)
    await desk.approved(draft)
    await switch("active")
    await due.send_due()

    assert waiting.status is DraftStatus.APPROVED
    assert timedelta(0) < due_in <= timedelta(seconds=5)
    await desk.becomes(draft, DraftStatus.SENT)
    assert len(sink.heard) == 1


async def test_a_process_hears_of_an_approval_and_does_not_wait_for_its_turn(
    dsn: str, tmp_path: Path, sink: Sink
) -> None:
    async with new_database(dsn, "heard_drafts") as own, running(own, tmp_path) as runtime:
        assert runtime.due_drafts is not None
        await runtime.due_drafts.close()
        runtime.due_drafts.times = DueTimes(tick_seconds=3_600.0)
        runtime.due_drafts.start()
        desk = await new_desk(runtime, sink.url)
        draft = await desk.draft()
        await asyncio.sleep(0.2)

        await desk.approved(draft)

        await desk.becomes(draft, DraftStatus.SENT)
        assert await verify(own) == {}


async def test_a_database_that_goes_away_is_waited_for(desk: Desk, due: DueDrafts) -> None:
    draft = await desk.draft()
    await desk.approved(draft)
    has_space, refused = desk.runtime.disk.may_accept_new_facts, 0

    def full() -> bool:
        nonlocal refused
        refused += 1
        return False

    effects = desk.runtime.appender._effects
    object.__setattr__(effects, "has_disk_space", full)
    try:
        await due.send_due()
    finally:
        object.__setattr__(effects, "has_disk_space", has_space)
    between = await desk.now(draft)
    await desk.pool.execute("update drafts set due_at = now() where id = $1", draft.id)
    await due.send_due()

    assert refused == 1
    assert between.status is DraftStatus.SENDING
    await desk.becomes(draft, DraftStatus.SENT)
    assert len(await desk.messages(draft)) == 1


async def test_nobodys_drafts_are_mixed_up(process: Runtime, due: DueDrafts, sink: Sink) -> None:
    desks = [await new_desk(process, sink.url) for _ in range(3)]
    drafts = [(desk, await desk.draft()) for desk in desks for _ in range(2)]
    for desk, draft in drafts:
        await desk.approved(draft)

    while await due.send_due():
        pass

    for desk, draft in drafts:
        found = await desk.becomes(draft, DraftStatus.SENT)
        assert await desk.messages(draft) == [found.message_id]
    for (one, _), (other, draft) in pairwise(drafts):
        if one.organisation_id != other.organisation_id:
            assert await one.messages(draft) == []


@pytest.mark.usefixtures("process")
async def test_the_log_agrees_with_all_of_it(own_dsn: str) -> None:
    assert await verify(own_dsn) == {}


async def test_a_draft_for_an_archived_application_is_refused(desk: Desk) -> None:
    await desk.pool.execute(
        "update applications set archived_at = now() where id = $1", desk.tenant.application_id
    )
    new = NewDraft(
        contact_id=await desk.contact(),
        application_id=desk.tenant.application_id,
        content=DraftContent(subject="x", body_text="x"),
    )

    with pytest.raises(Exception, match="Application not found"):
        await create_draft(desk.runtime.drafts, desk.member, new)
