"""Outreach from a contact to an answer: a real Postfix takes the mail, a real Dovecot brings the reply.

The draft's state, its timeline, the event graph and the webhooks tell the same story. What the read API tells of it is
compared with the same values.
"""

import asyncio
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from tests.acceptance.mailboxes import config_of, new_desk, new_person, post, received_by, written
from tests.administrators import Administrator, new_administrator
from tests.clients import Client, listener
from tests.outreach.written import new_contact, new_list
from tests.peers import MailPeer

_DRAFT = """query($id: UUID!) { draft(id: $id) { status subject bodyText messageId sentAt
  history { eventType by { type } } engagement { type at eventId detail } } }"""


async def _becomes(owner: Administrator, draft_id: str, status: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            found: dict[str, Any] = (await owner.data(_DRAFT, id=draft_id))["draft"]
            if found["status"] == status:
                return found
            await asyncio.sleep(0.1)


@dataclass(frozen=True)
class Story:
    """What was done, and what everybody was told of it."""

    client: Client
    contact_id: UUID
    draft: dict[str, Any]
    sent: dict[str, Any]
    replied: dict[str, Any]
    mail: EmailMessage
    webhooks: dict[str, dict[str, Any]]

    @property
    def timeline(self) -> dict[str, dict[str, Any]]:
        """What came of the draft, by its kind."""
        return {one["type"]: one for one in self.replied["engagement"]}


async def _listed(client: Client, postfix: MailPeer, desk: str, ada: str) -> tuple[UUID, UUID]:
    """A contact on a list whose drafts the desk sends: the list's id, and the contact's."""
    connection = await client.connect("EMAIL", "smtp", config_of(postfix, desk))
    pool, tenant = client.server.runtime.database.system, client.tenant
    account_id = await pool.fetchval("select account_id from connections where id = $1", connection["id"])
    list_id = await new_list(pool, tenant.organisation_id, tenant.application_id, account_id=account_id)
    contact_id = await new_contact(
        pool, tenant.organisation_id, email=ada, company="Harbour & Co", list_id=list_id
    )
    return list_id, contact_id


async def _written(owner: Administrator, list_id: UUID) -> dict[str, Any]:
    """The draft that a template makes for the list's one contact."""
    await owner.data(
        """mutation($a: UUID!) { createTemplate(applicationId: $a, identifier: "crossing",
          subject: "{{contact.name}}, your crossing", textBody: "At {{time}}, {{company.name}}?") { id } }""",
        a=str(owner.tenant.application_id),
    )
    made = await owner.data(
        """mutation($list: UUID!) { createDrafts(listId: $list, template: "crossing", locals: {time: "7:40"}) {
          drafts { id subject } remaining } }""",
        list=str(list_id),
    )
    (draft,) = made["createDrafts"]["drafts"]
    return dict(draft)


@pytest.fixture
async def story(client: Client, postfix: MailPeer) -> Story:
    """Somebody writes to Ada, and Ada answers."""
    desk, ada = new_desk(postfix), new_person(postfix)
    owner = await new_administrator(client.server, tenant=client.tenant)
    list_id, contact_id = await _listed(client, postfix, desk, ada)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.*")
        draft = await _written(owner, list_id)
        await owner.data("mutation($id: UUID!) { submitDraft(id: $id) { status } }", id=draft["id"])
        await owner.data("mutation($id: UUID!) { approveDraft(id: $id) { status } }", id=draft["id"])
        sent = await _becomes(owner, draft["id"], "SENT")
        mail = await asyncio.to_thread(received_by, postfix, ada)
        reply = written(ada, desk, f"Re: {mail['Subject']}", "Yes, at 7:40.")
        reply["In-Reply-To"] = mail["Message-ID"]
        await asyncio.to_thread(post, postfix, reply, ada, desk)
        replied = await _becomes(owner, draft["id"], "REPLIED")
        told = await heard.wait_for_types("message.outbound", "message.sent", "message.inbound", seconds=30)
    return Story(client, contact_id, draft, sent, replied, mail, told)


async def test_from_a_contact_to_an_answer_everybody_is_told_the_same(story: Story) -> None:
    _check_draft(story)
    await _check_graph(story)
    await _check_webhooks(story)


def _check_draft(story: Story) -> None:
    mail, replied = story.mail, story.replied
    assert mail["Subject"] == "Ada Lovelace, your crossing" == story.draft["subject"] == story.sent["subject"]
    assert mail.get_content().strip() == "At 7:40, Harbour & Co?"
    assert replied["bodyText"] == "At 7:40, Harbour & Co?"
    words = [one["eventType"].removeprefix("system.draft.") for one in replied["history"]]
    assert words == ["created", "submitted", "approved", "sending"]
    assert [one["by"]["type"] for one in replied["history"]] == ["member"] * 3 + ["system"]
    assert list(story.timeline) == ["sent", "replied"]
    assert story.timeline["sent"]["at"] == replied["sentAt"]
    assert story.timeline["replied"]["detail"] == "Yes, at 7:40."


async def _check_graph(story: Story) -> None:
    outbound = await story.client.event(story.replied["messageId"])
    assert outbound["eventType"] == "message.outbound"
    assert outbound["payload"]["draft_id"] == story.draft["id"]
    assert outbound["payload"]["contact_id"] == str(story.contact_id)
    children = [child["eventType"] for child in outbound["childEvents"]]
    assert children == ["message.rendered", "message.sent"]
    inbound = await story.client.event(story.timeline["replied"]["eventId"])
    (edge,) = (one for one in inbound["edges"] if one["edgeType"] == "reply_to")
    assert edge["targetEvent"]["id"] == story.replied["messageId"]


async def _check_webhooks(story: Story) -> None:
    told = story.webhooks
    assert told["message.outbound"]["event_id"] == story.replied["messageId"]
    assert told["message.sent"]["event_id"] == story.timeline["sent"]["eventId"]
    assert told["message.inbound"]["event_id"] == story.timeline["replied"]["eventId"]
    # each of these events finds the contact
    found = await story.client.server.runtime.database.system.fetch(
        """select contact_of_event($1, e.application_id, e.id, e.origin_event_id, e.payload) as contact_id
        from events e where e.application_id = $2 and e.id = any($3)""",
        story.client.tenant.organisation_id,
        story.client.tenant.application_id,
        [UUID(one["event_id"]) for one in told.values()],
    )
    assert [row["contact_id"] for row in found] == [story.contact_id] * len(told)
