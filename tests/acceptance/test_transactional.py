"""Transactional messages through the whole server to real peers: Postfix and Dovecot, moto's SES, Twilio."""

import asyncio
import json
from collections.abc import Generator
from typing import Any

import aiohttp
import pytest

from outrider.platforms.base import Channel
from tests.acceptance import mailboxes, texting
from tests.acceptance.texting import ADA
from tests.clients import Client, Listener, Server, listener, new_client
from tests.peers import MailPeer, PeerMissing, PrismPeer, moto_peer, prism_peer
from tests.surfaces.outkit_rest.submitting import Submitter, new_submitter
from tests.surfaces.outkit_rest.test_message_webhooks import subscribe, told

_REGION = "us-east-1"
_SENDER = "desk@sender.example"


@pytest.fixture(scope="module")
def moto() -> Generator[str]:
    try:
        with moto_peer() as url:
            yield url
    except PeerMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def prism() -> Generator[PrismPeer]:
    try:
        with prism_peer("twilio.json") as peer:
            yield peer
    except PeerMissing as reason:
        pytest.skip(str(reason))


async def by_mail(client: Client, postfix: MailPeer, desk: str) -> Submitter:
    return await new_submitter(client, provider="smtp", config=mailboxes.config_of(postfix, desk))


async def until(submitter: Submitter, message_id: str, status: str, seconds: float = 30.0) -> dict[str, Any]:
    """The message once it has this status."""
    async with asyncio.timeout(seconds):
        while (found := await submitter.get(message_id))["status"] != status:
            await asyncio.sleep(0.05)
    return found


async def test_a_mail_arrives_with_its_text_and_its_styles_inlined(client: Client, postfix: MailPeer) -> None:
    desk, ada = mailboxes.new_desk(postfix), mailboxes.new_person(postfix)
    submitter = await by_mail(client, postfix, desk)

    sent = await submitter.submit(
        to=f"Ada Löwe <{ada}>",
        subject="Grüße, {{name}}",
        text_body=None,
        text_template_body="Dear {{name}},\nyour ferry leaves at {{time}}.",
        html_template_body="<p class='when'>Dear {{name}}, <a href='https://f.example/?a=1&b=2'>{{time}}</a></p>",
        template_styles=".when { color: #336699 } a:hover { color: red }",
        data={"name": "Ada <Löwe>", "time": "7:40"},
        sync=True,
    )
    mail = await asyncio.to_thread(mailboxes.received_by, postfix, ada)

    assert (sent["status"], sent["done"]) == ("delivered", True)
    assert mail["Subject"] == sent["subject"] == "Grüße, Ada <Löwe>"
    assert desk in mail["From"]
    assert mail["To"].addresses[0].addr_spec == ada
    assert mail["Message-ID"].strip().strip("<>") == sent["id_from_backend"].strip("<>")
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == sent["text_body"].splitlines()
    assert "7:40" in text.get_content()
    content = html.get_content()
    assert content.splitlines() == sent["html_body"].splitlines()
    assert "#336699" in content.partition("<p")[2].partition(">")[0]
    assert "Ada &lt;Löwe&gt;" in content
    assert "a:hover" in content


async def test_a_file_arrives_with_its_name(client: Client, postfix: MailPeer) -> None:
    ada = mailboxes.new_person(postfix)
    submitter = await by_mail(client, postfix, mailboxes.new_desk(postfix))
    message = json.dumps(submitter.message(to=ada, sync=True)).encode()
    part = b'--b0\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    file = 'Content-Disposition: form-data; name="attachments[]"; filename="Fähre.pdf"'.encode()
    body = part % (b"message", message) + b"--b0\r\n" + file + b"\r\n\r\n%PDF-1.4 ticket\r\n--b0--\r\n"
    headers = {**submitter.signed("POST", "/v1/messages", message)}

    answered = await submitter.raw(
        "POST", "/v1/messages", body, {**headers, "content-type": "multipart/form-data; boundary=b0"}
    )
    mail = await asyncio.to_thread(mailboxes.received_by, postfix, ada)

    assert answered.json()["data"]["status"] == "delivered"
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == "Fähre.pdf"
    assert attached.get_payload(decode=True) == b"%PDF-1.4 ticket"


async def test_a_bounce_turns_a_message_into_its_failed_state_with_its_code(
    client: Client, postfix: MailPeer
) -> None:
    submitter = await by_mail(client, postfix, mailboxes.new_desk(postfix))
    lost = mailboxes.bouncing(postfix)
    async with listener() as heard:
        await subscribe(client, heard.url)
        sent = await submitter.submit(to=lost, sync=True)
        assert sent["status"] == "delivered"
        failed = await until(submitter, sent["id"], "backend_error")
        found = await told(heard, "message.delivered", "message.done", "message.failed")

    assert failed["done"] is True
    assert failed["delivered_at"] == sent["delivered_at"]
    assert failed["failed_at"] > failed["delivered_at"]
    assert failed["status_message"].startswith("RECIPIENT_NOT_FOUND: ")
    assert "5.1.1" in failed["status_message"]
    assert failed["backend_response"]["code"] == "RECIPIENT_NOT_FOUND"
    assert found["message.failed"]["data"] == failed
    assert [body["event"] for body in heard.bodies].count("message.done") == 1
    refused = await submitter.refused(to=lost)
    assert refused[:2] == (422, "recipient_suppressed")
    assert "bounced" in refused[2]
    again = await submitter.submit(to=lost, ignore_suppression=True, sync=True)
    assert again["status"] == "delivered"


async def test_a_mailbox_that_the_server_does_not_know_is_a_failed_message(
    client: Client, postfix: MailPeer
) -> None:
    submitter = await by_mail(client, postfix, mailboxes.new_desk(postfix))

    sent = await submitter.submit(to=f"bob@{postfix.domain}", sync=True)

    assert (sent["status"], sent["done"], sent["delivered_at"]) == ("backend_error", True, None)
    assert sent["status_message"].startswith("RECIPIENT_NOT_FOUND: ")
    assert (await submitter.refused(to=f"bob@{postfix.domain}"))[1] == "recipient_suppressed"


async def test_a_reply_is_an_inbound_message_in_the_thread(client: Client, postfix: MailPeer) -> None:
    desk, ada = mailboxes.new_desk(postfix), mailboxes.new_person(postfix)
    submitter = await by_mail(client, postfix, desk)
    sent = await submitter.submit(to=ada, subject="Your crossing", sync=True)
    mail = await asyncio.to_thread(mailboxes.received_by, postfix, ada)
    reply = mailboxes.written(ada, desk, "Re: Your crossing", "At 7:40, please.")
    reply["In-Reply-To"] = mail["Message-ID"]

    async with listener() as heard:
        await client.subscribe(heard.url, "message.inbound")
        await asyncio.to_thread(mailboxes.post, postfix, reply, ada, desk)
        inbound = (await heard.wait_for_types("message.inbound", seconds=30))["message.inbound"]

    assert inbound["payload"]["message"]["text"] == "At 7:40, please."
    event = await client.event(inbound["event_id"])
    (edge,) = (one for one in event["edges"] if one["edgeType"] == "reply_to")
    assert edge["targetEvent"]["id"] == sent["id"]


async def test_a_mail_goes_out_through_ses(client: Client, moto: str) -> None:
    credential = f"AWS4-HMAC-SHA256 Credential=AKID/20261120/{_REGION}/ses/aws4_request"
    identities = f"{moto}/v2/email/identities"
    async with client.session.post(
        identities, json={"EmailIdentity": _SENDER}, headers={"authorization": credential}
    ) as answer:
        assert answer.status == 200, await answer.text()
    config: dict[str, object] = {
        "access_key_id": "AKID",
        "secret_access_key": "s3cret",
        "region": _REGION,
        "from_email": _SENDER,
        "api_base_url": moto,
    }
    submitter = await new_submitter(client, provider="ses", config=config)

    sent = await submitter.submit(html_body="<p>Grüße 👋</p>", sync=True)

    assert (sent["status"], sent["backend"]) == ("delivered", "post-office")
    async with client.session.get(f"{moto}/moto-api/data.json") as answer:
        kept = json.dumps((await answer.json(content_type=None))["ses"])
    assert sent["id_from_backend"] in kept


async def test_every_text_message_is_what_twilio_describes(client: Client, prism: PrismPeer) -> None:
    submitter = await new_submitter(
        client, Channel.SMS, provider="twilio", config=texting.config_of(prism.url)
    )

    sent = await submitter.submit(
        type="sms", to="+1 (415) 555-2671", subject=None, text_body="Grüße 👋\n& more=1", sync=True
    )

    assert (sent["status"], sent["done"]) == ("delivered", True)
    assert sent["id_from_backend"][:2] in {"SM", "MM"}
    assert sent["html_body"] is None


@pytest.fixture
async def texter(reachable: Server, twilio: str) -> Submitter:
    """Somebody who sends text messages from where Twilio can call back."""
    client = await new_client(reachable)
    return await new_submitter(client, Channel.SMS, provider="twilio", config=texting.config_of(twilio))


@pytest.fixture
async def heard(texter: Submitter) -> Any:
    async with listener() as found:
        await subscribe(texter.client, found.url)
        yield found


async def test_a_text_message_and_its_signed_receipts(
    texter: Submitter, twilio: str, heard: Listener
) -> None:
    sent = await texter.submit(
        type="sms",
        to=ADA,
        subject=None,
        text_body=None,
        text_template_body="Code {{c}}",
        data={"c": 7},
        sync=True,
    )
    assert (sent["status"], sent["text_body"]) == ("delivered", "Code 7")
    async with texter.client.session.get(
        f"{twilio}/2010-04-01/Accounts/{texting.ACCOUNT}/Messages/{sent['id_from_backend']}.json",
        headers={"authorization": aiohttp.encode_basic_auth(texting.ACCOUNT, texting.TOKEN)},
    ) as answer:
        kept = await answer.json()
    assert (kept["to"], kept["body"]) == (ADA, "Code 7")
    await told(heard, "message.submitted", "message.rendered", "message.delivered", "message.done")

    await texting.simulate(texter.client, twilio, sent["id_from_backend"], "delivered")
    await texter.client.children(sent["id"], "message.delivered")
    shown = await texter.get(sent["id"])
    assert {**shown, "queued_for_delivery_at": None} == {**sent, "queued_for_delivery_at": None}


async def test_a_text_message_that_comes_back_is_told_as_failed(
    texter: Submitter, twilio: str, heard: Listener
) -> None:
    sent = await texter.submit(type="sms", to=ADA, subject=None, sync=True)

    await texting.simulate(texter.client, twilio, sent["id_from_backend"], "undelivered")

    found = await told(heard, "message.done", "message.failed")
    assert found["message.failed"]["data"] == await texter.get(sent["id"])
    assert found["message.failed"]["data"]["status"] == "backend_error"
    assert found["message.failed"]["data"]["delivered_at"] == sent["delivered_at"]
