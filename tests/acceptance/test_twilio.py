"""SMS through the whole server and emulate's Twilio, which keeps messages and signs what it posts."""

from collections.abc import AsyncGenerator

import pytest

from tests.acceptance.texting import ACCOUNT, ADA, TOKEN, ask, config_of, simulate
from tests.clients import Client, Listener, Server, listener, new_client


async def _connect(client: Client, twilio: str, *, token: str = TOKEN) -> dict[str, str]:
    return await client.connect("SMS", "twilio", config_of(twilio, token=token))


@pytest.fixture
async def client(reachable: Server) -> Client:
    return await new_client(reachable)


@pytest.fixture
async def heard() -> AsyncGenerator[Listener]:
    async with listener() as found:
        yield found


async def test_a_text_goes_out_and_its_signed_receipts_come_back(
    client: Client, twilio: str, heard: Listener
) -> None:
    connection = await _connect(client, twilio)
    await client.subscribe(heard.url, "message.*")

    sent = await client.send(connection["id"], "+1 (555) 867-5310", "Grüße 👋")
    assert sent["status"]["state"] == "sent", sent
    await simulate(client, twilio, sent["status"]["externalMessageId"], "delivered")

    told = await heard.wait_for_types("message.sent", "message.delivered")
    assert told["message.delivered"]["origin_event_id"] == sent["id"]
    assert told["message.delivered"]["payload"]["recipient"] == ADA


async def test_a_failure_that_lasts_is_told_with_its_code(
    client: Client, twilio: str, heard: Listener
) -> None:
    connection = await _connect(client, twilio)
    await client.subscribe(heard.url, "message.status")

    sent = await client.send(connection["id"], ADA)
    await simulate(client, twilio, sent["status"]["externalMessageId"], "undelivered")

    told = await heard.wait_for_types("message.failed")
    assert told["message.failed"]["payload"]["error"]["code"] == "UNKNOWN"
    assert told["message.failed"]["payload"]["permanent"] is False


async def test_what_somebody_writes_comes_in_signed(client: Client, twilio: str, heard: Listener) -> None:
    connection = await _connect(client, twilio)
    await client.subscribe(heard.url, "message.inbound")
    numbers = f"{twilio}/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json"
    other = "+15551234599"
    await ask(client, numbers, PhoneNumber=other, SmsUrl=connection["webhookUrl"])

    await ask(client, f"{twilio}/_twilio/simulate/inbound-message", To=other, From=ADA, Body="سلام & bye=1")

    told = await heard.wait_for_types("message.inbound")
    assert told["message.inbound"]["payload"]["message"]["text"] == "سلام & bye=1"
    assert told["message.inbound"]["edges"]["sent_by"]["external_id"] == ADA


async def test_a_signature_with_another_token_is_refused(client: Client, twilio: str) -> None:
    connection = await _connect(client, twilio, token="another token")
    body = {"MessageSid": "SM1", "From": ADA, "Body": "Hello"}

    async with client.session.post(connection["webhookUrl"], data=body) as answer:
        assert answer.status == 401


async def test_a_wrong_token_keeps_the_message(client: Client, twilio: str) -> None:
    connection = await _connect(client, twilio, token="another token")

    sent = await client.send(connection["id"], ADA)

    assert sent["status"]["state"] == "accepted"
