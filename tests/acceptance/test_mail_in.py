"""Mail that comes back, through the whole server: a real Postfix sends it, a real Dovecot keeps it, we read it."""

import asyncio
from typing import Any

from outrider.runtime.verifying import verify
from tests.acceptance.mailboxes import bouncing, config_of, new_desk, new_person, post, received_by, written
from tests.clients import Client, Listener, listener
from tests.peers import MailPeer


async def _connect(client: Client, postfix: MailPeer, desk: str) -> dict[str, Any]:
    return await client.connect("EMAIL", "smtp", config_of(postfix, desk))


async def _told(heard: Listener, event_type: str) -> dict[str, Any]:
    return (await heard.wait_for_types(event_type, seconds=30))[event_type]


async def test_a_bounce_becomes_failed_with_its_code(client: Client, postfix: MailPeer) -> None:
    connection = await _connect(client, postfix, new_desk(postfix))
    async with listener() as heard:
        await client.subscribe(heard.url, "message.failed")
        sent = await client.send(connection["id"], bouncing(postfix), "Hello")
        assert sent["status"]["state"] == "sent"
        told = await _told(heard, "message.failed")

    assert told["origin_event_id"] == sent["id"]
    assert told["payload"]["error"]["code"] == "RECIPIENT_NOT_FOUND"
    assert "5.1.1" in told["payload"]["error"]["message"]
    assert told["payload"]["permanent"] is True
    message = await client.event(sent["id"])
    assert message["status"] == "failed"
    assert [child["eventType"] for child in message["childEvents"]] == ["message.sent", "message.failed"]


async def test_a_reply_becomes_a_message_in_its_thread(client: Client, postfix: MailPeer) -> None:
    desk, ada = new_desk(postfix), new_person(postfix)
    connection = await _connect(client, postfix, desk)
    sent = await client.send(connection["id"], ada, "When?", metadata={"subject": "Your crossing"})
    mail = await asyncio.to_thread(received_by, postfix, ada)
    reply = written(ada, desk, "Re: Your crossing", "At 7:40, please.")
    reply["In-Reply-To"] = mail["Message-ID"]
    reply.add_alternative("<p>At <b>7:40</b>, please.</p>", subtype="html")
    reply.add_attachment(b"%PDF-1.4 ticket", maintype="application", subtype="pdf", filename="Fähre.pdf")

    async with listener() as heard:
        await client.subscribe(heard.url, "message.inbound", "file.inbound")
        await asyncio.to_thread(post, postfix, reply, ada, desk)
        told = await _told(heard, "message.inbound")
        file = await _told(heard, "file.inbound")

    content = told["payload"]["message"]
    assert content["type"] == "text"
    assert content["text"] == "At 7:40, please."
    assert content["subject"] == "Re: Your crossing"
    assert content["html"].strip() == "<p>At <b>7:40</b>, please.</p>"
    assert told["payload"]["external_message_id"] == reply["Message-ID"].strip("<>")
    assert file["payload"]["filename"] == "Fähre.pdf"
    assert file["payload"]["size"] == len(b"%PDF-1.4 ticket")
    assert file["origin_event_id"] == told["event_id"]
    event = await client.event(told["event_id"])
    (edge,) = (one for one in event["edges"] if one["edgeType"] == "reply_to")
    assert edge["targetEvent"]["id"] == sent["id"]
    (sender,) = (one for one in event["edges"] if one["edgeType"] == "sent_by")
    assert sender["targetPlatformUser"] == {"externalId": ada, "name": "Ada"}


async def test_other_mail_begins_a_conversation_and_is_told_once_by_two_looks(
    client: Client, postfix: MailPeer
) -> None:
    desk, ada = new_desk(postfix), new_person(postfix)
    connection = await _connect(client, postfix, desk)
    pool = client.server.runtime.database.system
    async with listener() as heard:
        await client.subscribe(heard.url, "message.inbound")
        await asyncio.to_thread(post, postfix, written(ada, desk, "Hello", "First"), ada, desk)
        first = await _told(heard, "message.inbound")
        # the cursor is lost, as with a process that ends before it is kept
        await pool.execute(
            "update polls set cursor = null, claim = null, due_at = now() where connection_id = $1",
            connection["id"],
        )
        await asyncio.to_thread(post, postfix, written(ada, desk, "Hello", "Second"), ada, desk)
        async with asyncio.timeout(20):
            while len(heard.bodies) < 2:
                await asyncio.sleep(0.05)

    texts = [body["payload"]["message"]["text"] for body in heard.bodies]
    assert texts == ["First", "Second"]
    assert first["payload"]["message"]["subject"] == "Hello"
    event = await client.event(first["event_id"])
    assert [one for one in event["edges"] if one["edgeType"] == "reply_to"] == []
    assert await verify(client.server.runtime.settings.database_url or "") == {}
