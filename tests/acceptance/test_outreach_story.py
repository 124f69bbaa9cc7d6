"""Outreach from an import to an answer: a real Postfix takes the mail, a real Dovecot brings the reply.

The draft's state, its timeline, the event graph, the read API and the webhooks of both contracts tell the same story.
"""

import asyncio
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from tests.acceptance.mailboxes import config_of, new_desk, new_person, post, received_by, written
from tests.administrators import Administrator, new_administrator
from tests.clients import Client, Listener, listener
from tests.peers import MailPeer
from tests.surfaces.outbound_rest.shelf import new_reads

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
    organisation_webhooks: list[dict[str, Any]]

    @property
    def timeline(self) -> dict[str, dict[str, Any]]:
        """What came of the draft, by its kind."""
        return {one["type"]: one for one in self.replied["engagement"]}


async def _imported(owner: Administrator, client: Client, config: object, ada: str) -> tuple[UUID, UUID]:
    """A contact imported to a list whose drafts the desk sends: the list's id, and the contact's."""
    await client.connect("EMAIL", "smtp", config)
    found = await client.data("{ platformConnections { accountId } }")
    made = await owner.data(
        """mutation($application: UUID!, $account: UUID!) {
          createContactList(
            name: "Harbours", goal: "a call", applicationId: $application, accountId: $account) { id } }""",
        application=str(client.tenant.application_id),
        account=found["platformConnections"][0]["accountId"],
    )
    list_id = made["createContactList"]["id"]
    begun = await owner.data(
        """mutation($list: UUID!, $rows: String!) {
          importContacts(format: CSV, content: $rows, listId: $list, mapping: {name: "Who"}) { id } }""",
        list=list_id,
        rows=f"Who,email,company\nAda Lovelace,{ada},Harbour & Co\n",
    )
    await _finished(owner, begun["importContacts"]["id"])
    contacts = await owner.data("{ contacts { edges { node { id } } } }")
    (edge,) = contacts["contacts"]["edges"]
    return UUID(list_id), UUID(edge["node"]["id"])


async def _finished(owner: Administrator, import_id: str) -> None:
    query = "query($id: UUID!) { contactImport(id: $id) { status created failed } }"
    async with asyncio.timeout(30):
        while True:
            found = (await owner.data(query, id=import_id))["contactImport"]
            if found["status"] not in {"WAITING", "RUNNING"}:
                break
            await asyncio.sleep(0.1)
    assert found == {"status": "FINISHED", "created": 1, "failed": 0}


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
    async with listener() as heard, listener() as organisation:
        await owner.data(
            """mutation($url: String!) { createWebhookSubscription(name: "all", targetUrl: $url) {
              subscription { id } } }""",
            url=organisation.url,
        )
        list_id, contact_id = await _imported(owner, client, config_of(postfix, desk), ada)
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
        await _hears_of_the_reply(organisation)
    return Story(client, contact_id, draft, sent, replied, mail, told, organisation.bodies)


async def _hears_of_the_reply(organisation: Listener) -> None:
    async with asyncio.timeout(30):
        while not any(body["eventType"] == "message.inbound" for body in organisation.bodies):
            await asyncio.sleep(0.05)


async def test_from_a_contact_to_an_answer_everybody_is_told_the_same(story: Story) -> None:
    _check_draft(story)
    await _check_graph(story)
    await _check_webhooks(story)
    await _check_reads(story)


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


async def _check_reads(story: Story) -> None:
    reads = await new_reads(story.client)
    contact_id, draft_id = str(story.contact_id), story.draft["id"]
    (contact,) = (await reads.get("/contacts", q="love harb"))["data"]
    assert (contact["id"], contact["company"]["name"]) == (contact_id, "Harbour & Co")
    (listed,) = (await reads.get("/drafts", status="replied", contactId=contact_id))["data"]
    assert listed["id"] == draft_id
    draft = await reads.get(f"/drafts/{draft_id}")
    assert draft["body"]["text"] == "At 7:40, Harbour & Co?"
    assert draft["engagement"] == [
        {**one, "at": draft["engagement"][number]["at"]}
        for number, one in enumerate(story.replied["engagement"])
    ]
    # what the read API lists is what the organisation's endpoint was told, word for word
    events = {event["id"]: event for event in await reads.walk("/events")}
    told = {body["id"]: body for body in story.organisation_webhooks}
    types = {body["eventType"] for body in told.values()}
    assert {"message.outbound", "message.sent", "message.inbound", "system.draft.approved"} <= types
    for one, body in told.items():
        if body["eventType"] != "message.outbound":
            assert events[one] == body
    mine = [event["eventType"] for event in events.values() if event["contactId"] == contact_id]
    assert {"message.outbound", "message.sent", "message.inbound", "system.draft.created"} <= set(mine)
