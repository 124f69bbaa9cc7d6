"""Mail through the whole server: GraphQL in, a real Postfix, and IMAP to read what arrived."""

import asyncio
import re
import time
from typing import Any
from uuid import uuid4

from tests.acceptance.mailboxes import received_by
from tests.clients import Client, listener
from tests.peers import MailPeer

_ATTEMPTS = """select a.number, a.result, a.detail from attempts a
where a.application_id = $1 and a.delivery_id = $2 order by a.number"""


async def _connect(client: Client, postfix: MailPeer) -> dict[str, Any]:
    config = {
        "host": postfix.host,
        "port": postfix.smtp_port,
        "security": "none",
        "from_email": f"desk@{postfix.domain}",
        "from_name": "Ferry desk",
    }
    return await client.connect("EMAIL", "smtp", config)


async def test_a_mail_sent_through_graphql_isreceived_by_with_its_subject_and_both_bodies(
    client: Client, postfix: MailPeer
) -> None:
    connection = await _connect(client, postfix)
    user = f"ada-{uuid4().hex[:8]}@{postfix.domain}"
    html = "<h1>Überfahrt</h1><p>Your ferry leaves at <b>7:40</b> ⛴</p>"

    sent = await client.send(
        connection["id"], user, html, metadata={"subject": "Your crossing ⛴", "content_type": "text/html"}
    )

    assert sent["status"]["state"] == "sent"
    mail = await asyncio.to_thread(received_by, postfix, user)
    assert mail["Subject"] == "Your crossing ⛴"
    assert mail["From"] == f"Ferry desk <desk@{postfix.domain}>"
    assert mail["To"] == user
    assert mail["Message-ID"] == f"<{sent['status']['externalMessageId']}>"
    assert mail.get_content_type() == "multipart/alternative"
    bodies = {part.get_content_type(): part.get_content().strip() for part in mail.iter_parts()}
    assert bodies["text/html"] == html
    assert "Überfahrt" in bodies["text/plain"]
    assert "Your ferry leaves at 7:40 ⛴" in bodies["text/plain"]


async def test_a_plain_mail_has_one_part(client: Client, postfix: MailPeer) -> None:
    connection = await _connect(client, postfix)
    user = f"cleo-{uuid4().hex[:8]}@{postfix.domain}"

    await client.send(connection["id"], user, "Dear Cleo,\n\n<b>no</b> HTML", metadata={"subject": "Plain"})

    mail = await asyncio.to_thread(received_by, postfix, user)
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n").strip() == "Dear Cleo,\n\n<b>no</b> HTML"


async def test_an_unknown_recipient_becomes_a_failed_message(client: Client, postfix: MailPeer) -> None:
    connection = await _connect(client, postfix)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.failed")
        sent = await client.send(connection["id"], f"bob@{postfix.domain}", metadata={"subject": "x"})
        told = (await heard.wait_for_types("message.failed"))["message.failed"]

    assert sent["status"]["success"] is False
    assert sent["status"]["state"] == "failed"
    assert sent["status"]["error"]["code"] == "RECIPIENT_NOT_FOUND"
    assert "5.1.1" in sent["status"]["error"]["message"]
    message = await client.event(sent["id"])
    assert message["status"] == "failed"
    assert message["payload"]["failed_at"] == told["payload"]["failed_at"]
    (child,) = message["childEvents"]
    assert child["eventType"] == "message.failed"
    assert child["payload"]["error"]["code"] == "RECIPIENT_NOT_FOUND"
    assert told["origin_event_id"] == sent["id"]
    assert told["event_id"] == child["id"]
    assert told["payload"]["error"]["code"] == "RECIPIENT_NOT_FOUND"


async def test_a_busy_recipient_is_deferred_and_tried_again(client: Client, postfix: MailPeer) -> None:
    connection = await _connect(client, postfix)
    began = time.monotonic()

    sent = await client.send(connection["id"], f"busy@{postfix.domain}", metadata={"subject": "x"})

    assert sent["status"] == {
        "success": True,
        "externalMessageId": None,
        "state": "accepted",
        "error": None,
    }
    assert (await client.event(sent["id"]))["status"] == "processing"
    attempts = await _attempts(client, sent["id"], 2)
    assert [attempt["number"] for attempt in attempts] == [1, 2]
    assert {attempt["result"] for attempt in attempts} == {"deferred"}
    assert all(re.search(r"\b4\d\d\b", attempt["detail"]) for attempt in attempts)
    assert 4.5 < time.monotonic() - began < 9
    assert (await client.event(sent["id"]))["childEvents"] == []


async def _attempts(client: Client, event_id: str, count: int) -> list[Any]:
    pool = client.server.runtime.database.system
    async with asyncio.timeout(10):
        while True:
            # the delivery of a message has its event's id
            found = await pool.fetch(_ATTEMPTS, client.tenant.application_id, event_id)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)
