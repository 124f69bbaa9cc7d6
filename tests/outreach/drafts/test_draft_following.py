"""What becomes of a message becomes of its draft: receipts, bounces and answers, in whatever order they come."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import orjson
import pytest

from outrider.outreach.drafts.cross_tenant import claim_drafts, tie_message
from outrider.outreach.drafts.due import DueDrafts
from outrider.outreach.drafts.engagement import engagement_of
from outrider.outreach.drafts.sending import append_draft, begin_drafts
from outrider.outreach.drafts.values import Draft, DraftStatus
from outrider.platforms.base import FailureCode, InboundItem, InboundMessage, InboundReaction, Sender
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.runtime.verifying import verify
from outrider.webhooks.inbound_items import Received
from outrider.webhooks.receiving import take_in
from tests.outreach.written import Desk, new_desk


async def _sent(desk: Desk, due: DueDrafts) -> Draft:
    draft = await desk.draft(await desk.contact(email=f"ada-{uuid4().hex[:8]}@example.com"))
    await desk.approved(draft)
    await due.send_due()
    return await desk.becomes(draft, DraftStatus.SENT)


async def _tell(desk: Desk, *items: InboundItem) -> None:
    entry = await desk.runtime.directories.connections.get(desk.tenant.application_id, desk.connection_id)
    assert entry is not None
    await take_in(desk.runtime.receiving, entry, [(Received(entry, None, None), one) for one in items])


async def _external_id(desk: Desk, draft: Draft) -> str:
    return str(await desk.pool.fetchval("select external_id from messages where id = $1", draft.message_id))


async def _receipt(desk: Desk, draft: Draft, state: ReceiptState, **given: object) -> InboundReceipt:
    external_id = await _external_id(desk, draft)
    return InboundReceipt(uuid4().hex, external_id, state, **given)  # type: ignore[arg-type]


async def _reply(desk: Desk, draft: Draft, text: str = "Yes, please.") -> InboundMessage:
    return InboundMessage(
        dedupe_key=uuid4().hex,
        external_id=uuid4().hex,
        sender=Sender(draft.contact_email, "Ada"),
        conversation=draft.contact_email,
        content={"type": "text", "text": text, "role": "user"},
        written_at=None,
        reply_to_external_id=await _external_id(desk, draft),
    )


async def _types(desk: Desk, draft: Draft) -> list[str]:
    found = await engagement_of(desk.runtime.database.reads, desk.organisation_id, draft.id)
    return [one.type for one in found]


async def test_an_answer_makes_it_replied_and_nothing_unmakes_that(desk: Desk, due: DueDrafts) -> None:
    draft = await _sent(desk, due)

    await _tell(desk, await _reply(desk, draft))
    replied = await desk.now(draft)
    await _tell(
        desk,
        await _receipt(desk, draft, ReceiptState.FAILED, code=FailureCode.RECIPIENT_BLOCKED, detail="no"),
        await _reply(desk, draft, "And one more."),
    )

    assert replied.status is DraftStatus.REPLIED
    after = await desk.now(draft)
    assert (after.status, after.failure) == (DraftStatus.REPLIED, None)
    assert await _types(desk, draft) == ["sent", "replied", "bounced", "replied"]


async def test_a_bounce_after_it_was_sent_fails_it_and_a_delivery_outweighs_it(
    desk: Desk, due: DueDrafts
) -> None:
    bounced, arrived = await _sent(desk, due), await _sent(desk, due)

    for draft in (bounced, arrived):
        bounce = await _receipt(
            desk, draft, ReceiptState.FAILED, code=FailureCode.RECIPIENT_NOT_FOUND, detail="550 no such user"
        )
        await _tell(desk, bounce)
    await _tell(desk, await _receipt(desk, arrived, ReceiptState.DELIVERED))

    failed = await desk.now(bounced)
    assert failed.status is DraftStatus.FAILED
    assert failed.failure == {"code": "RECIPIENT_NOT_FOUND", "message": "550 no such user"}
    assert failed.sent_at is not None
    after = await desk.now(arrived)
    assert (after.status, after.failure) == (DraftStatus.SENT, None)


async def test_a_bounced_draft_that_is_answered_is_replied(desk: Desk, due: DueDrafts) -> None:
    draft = await _sent(desk, due)
    await _tell(desk, await _receipt(desk, draft, ReceiptState.FAILED, detail="full"))
    assert (await desk.now(draft)).status is DraftStatus.FAILED

    await _tell(desk, await _reply(desk, draft))

    after = await desk.now(draft)
    assert (after.status, after.failure) == (DraftStatus.REPLIED, None)


async def test_the_timeline_points_at_the_events_in_their_order(desk: Desk, due: DueDrafts) -> None:
    draft = await _sent(desk, due)
    await _tell(desk, await _receipt(desk, draft, ReceiptState.DELIVERED))
    await _tell(desk, await _receipt(desk, draft, ReceiptState.OPENED))
    await _tell(desk, await _receipt(desk, draft, ReceiptState.CLICKED, url="https://example.com/ferry"))
    await _tell(desk, await _reply(desk, draft, "Yes. " * 100))
    await _tell(desk, await _receipt(desk, draft, ReceiptState.COMPLAINED))
    await _tell(desk, await _receipt(desk, draft, ReceiptState.UNSUBSCRIBED))

    found = await engagement_of(desk.runtime.database.reads, desk.organisation_id, draft.id)

    words = ["sent", "delivered", "opened", "clicked", "replied", "complained", "unsubscribed"]
    assert [one.type for one in found] == words
    assert [one.at for one in found] == sorted(one.at for one in found)
    details = {one.type: one.detail for one in found if one.detail is not None}
    assert details == {"clicked": "https://example.com/ferry", "replied": ("Yes. " * 100)[:200]}
    rows = await desk.pool.fetch(
        "select id, event_type from events where id = any($1)", [one.event_id for one in found]
    )
    types = {row["id"]: row["event_type"] for row in rows}
    assert [types[one.event_id] for one in found] == [
        f"message.{'inbound' if word == 'replied' else word}" for word in words
    ]


async def test_a_message_that_never_went_out_has_failed_not_bounced(
    desk: Desk, due: DueDrafts, process: object
) -> None:
    del process
    draft = await desk.draft(await desk.contact(email="unacceptable.ada@example.com"))
    bounced = await desk.draft(await desk.contact(email="bounced.ada@example.com"))
    await desk.approved(draft, bounced)
    await due.send_due()

    failed = await desk.becomes(draft, DraftStatus.FAILED)
    await desk.becomes(bounced, DraftStatus.FAILED)

    assert failed.failure is not None
    assert (await _types(desk, draft)) == ["failed"]
    assert (await _types(desk, bounced))[0] == "sent"
    assert (await _types(desk, bounced))[-1] == "bounced"


async def test_neither_our_own_answer_nor_a_reaction_is_a_reply(desk: Desk, due: DueDrafts) -> None:
    draft = await _sent(desk, due)
    reaction = InboundReaction(
        dedupe_key=uuid4().hex,
        external_id=await _external_id(desk, draft),
        sender=Sender(draft.contact_email, "Ada"),
        conversation=draft.contact_email,
        emoji="👍",
    )
    await _tell(desk, reaction)
    edges = await desk.pool.fetch(
        "select event_id from edges where application_id = $1 and target_id = $2 and edge_type = 'reply_to'",
        desk.tenant.application_id,
        draft.message_id,
    )

    assert len(edges) == 1
    assert (await desk.now(draft)).status is DraftStatus.SENT
    assert await _types(desk, draft) == ["sent"]


async def test_an_answer_to_somebody_elses_message_changes_no_draft(desk: Desk, due: DueDrafts) -> None:
    draft, other = await _sent(desk, due), await _sent(desk, due)

    await _tell(desk, await _reply(desk, other))

    assert (await desk.now(draft)).status is DraftStatus.SENT
    foreign = await new_desk(desk.runtime)
    assert await engagement_of(desk.runtime.database.reads, foreign.organisation_id, other.id) == []
    assert await engagement_of(desk.runtime.database.reads, desk.organisation_id, foreign.account_id) == []


async def _appended(desk: Desk) -> tuple[Draft, UUID]:
    """A draft whose process ended before it could tie the message to it."""
    draft = await desk.draft(await desk.contact(email=f"ada-{uuid4().hex[:8]}@example.com"))
    await desk.approved(draft)
    claimed = next(one for one in await claim_drafts(desk.pool, uuid4(), 100, 0.0) if one.id == draft.id)
    (ready,) = await begin_drafts(desk.runtime.drafts, desk.organisation_id, [claimed])
    message_id = await append_draft(desk.runtime.drafts, ready)
    async with asyncio.timeout(10):
        while not await desk.pool.fetchval(
            "select external_id is not null from messages where id = $1", message_id
        ):
            await asyncio.sleep(0.02)
    return draft, message_id


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ([], DraftStatus.SENT),
        ([ReceiptState.DELIVERED], DraftStatus.SENT),
        ([ReceiptState.FAILED], DraftStatus.FAILED),
        (["reply"], DraftStatus.REPLIED),
        (["reply", ReceiptState.FAILED], DraftStatus.REPLIED),
    ],
)
async def test_what_came_before_the_draft_knew_its_message_counts(
    desk: Desk, due: DueDrafts, told: Sequence[ReceiptState | str], status: DraftStatus
) -> None:
    draft, message_id = await _appended(desk)
    external_id = str(await desk.pool.fetchval("select external_id from messages where id = $1", message_id))
    for one in told:
        if isinstance(one, ReceiptState):
            await _tell(desk, InboundReceipt(uuid4().hex, external_id, one))
        else:
            sender = Sender(draft.contact_email, "Ada")
            await _tell(
                desk,
                InboundMessage(
                    uuid4().hex,
                    uuid4().hex,
                    sender,
                    draft.contact_email,
                    {"type": "text", "text": "Yes", "role": "user"},
                    reply_to_external_id=external_id,
                ),
            )
    assert (await desk.now(draft)).status is DraftStatus.SENDING

    await due.send_due()

    found = await desk.now(draft)
    assert (found.status, found.message_id) == (status, message_id)


async def test_an_answer_at_the_moment_of_tying_is_not_lost(desk: Desk) -> None:
    for _ in range(15):
        draft, message_id = await _appended(desk)
        external_id = await desk.pool.fetchval("select external_id from messages where id = $1", message_id)
        reply = InboundMessage(
            uuid4().hex,
            uuid4().hex,
            Sender(draft.contact_email, "Ada"),
            draft.contact_email,
            {"type": "text", "text": "Yes", "role": "user"},
            reply_to_external_id=external_id,
        )

        await asyncio.gather(
            _tell(desk, reply),
            *(
                tie_message(desk.pool, desk.organisation_id, desk.tenant.application_id, draft.id, message_id)
                for _ in range(3)
            ),
            _tell(desk, InboundReceipt(uuid4().hex, external_id, ReceiptState.DELIVERED)),
        )

        assert (await desk.now(draft)).status is DraftStatus.REPLIED


async def test_the_event_of_the_message_finds_its_contact(desk: Desk, due: DueDrafts) -> None:
    draft = await _sent(desk, due)
    await _tell(desk, await _reply(desk, draft))
    rows = await desk.pool.fetch(
        """select e.event_type, contact_of_event($1, e.application_id, e.id, e.origin_event_id, e.payload) as contact_id
        from events e where e.application_id = $2 and e.event_type like 'message.%'""",
        desk.organisation_id,
        desk.tenant.application_id,
    )

    assert {row["event_type"] for row in rows} == {"message.outbound", "message.sent", "message.inbound"}
    assert {row["contact_id"] for row in rows} == {draft.contact_id}


@pytest.mark.usefixtures("process")
async def test_the_log_agrees_with_all_that_followed(own_dsn: str) -> None:
    assert await verify(own_dsn) == {}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("update drafts set status = 'sent' where id = $1", "draft that differs from its message"),
        ("update drafts set sent_at = null where id = $1", "draft that differs from its message"),
        ("update messages set draft_id = null where draft_id = $1", "draft that differs from its message"),
        ("update drafts set message_id = null where id = $1", "message of a draft that does not know it"),
        (
            "update drafts set message_id = null, status = 'sending' where id = $1",
            "draft that is to be sent and that nobody will send",
        ),
        ("update drafts set message_id = null where id = $1", "draft that was sent and does not know it"),
    ],
)
async def test_verify_finds_a_draft_that_was_damaged(
    desk: Desk, due: DueDrafts, own_dsn: str, damage: str, named: str
) -> None:
    draft = await _sent(desk, due)
    await _tell(desk, await _reply(desk, draft))
    before = await desk.pool.fetchval("select to_json(d)::text from drafts d where id = $1", draft.id)
    kept = orjson.loads(before)

    await desk.pool.execute(damage, draft.id)
    found = await verify(own_dsn)
    await desk.pool.execute(
        "update drafts set status = $2, message_id = $3, sent_at = $4 where id = $1",
        draft.id,
        kept["status"],
        draft.message_id,
        draft.sent_at,
    )
    await desk.pool.execute(
        "update messages set draft_id = $1 where id = $2 and draft_id is null", draft.id, draft.message_id
    )

    assert [one for one in found[named] if str(draft.id) in one or str(draft.message_id) in one]
    assert await verify(own_dsn) == {}
