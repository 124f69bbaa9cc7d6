"""SMS through the whole server and emulate's Twilio, which keeps messages and signs what it posts."""

import socket
from collections.abc import AsyncGenerator, Generator

import aiohttp
import pytest

from outrider.runtime.serving import running_server
from outrider.runtime.verifying import verify
from tests.clients import Client, Listener, Server, listener, new_client
from tests.conftest import settings_for
from tests.peers import PeerMissing, emulate_peer
from tests.running import new_database

ACCOUNT, TOKEN, NUMBER, ADA = "AC" + "0" * 32, "12345", "+15551234567", "+15558675310"


@pytest.fixture(scope="module")
def twilio() -> Generator[str]:
    seed = {
        "twilio": {
            "account": {"sid": ACCOUNT, "auth_token": TOKEN},
            "phone_numbers": [{"phone_number": NUMBER}],
        }
    }
    try:
        with emulate_peer("twilio", seed) as url:
            yield url
    except PeerMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
async def reachable(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A server whose public URL leads to it, so that what is signed is what is called."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with new_database(dsn, "twilio") as own:
        url = f"http://127.0.0.1:{port}"
        settings = settings_for(tmp_path_factory.mktemp("server"), own, PORT=str(port), PUBLIC_URL=url)
        async with running_server(settings, own) as running, aiohttp.ClientSession() as session:
            yield Server(running.runtime, url, session)
        assert await verify(own) == {}


async def _ask(client: Client, url: str, **form: str) -> dict[str, object]:
    headers = {"authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
    async with client.session.post(url, data=form, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        found: dict[str, object] = await answer.json()
        return found


async def _connect(client: Client, twilio: str, *, token: str = TOKEN) -> dict[str, str]:
    config: dict[str, object] = {
        "account_sid": ACCOUNT,
        "auth_token": token,
        "phone_number": NUMBER,
        "api_base_url": twilio,
    }
    return await client.connect("SMS", "twilio", config)


async def _simulate(client: Client, twilio: str, sid: str, status: str) -> None:
    await _ask(client, f"{twilio}/_twilio/simulate/message-status", MessageSid=sid, Status=status)


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
    await _simulate(client, twilio, sent["status"]["externalMessageId"], "delivered")

    told = await heard.wait_for_types("message.sent", "message.delivered")
    assert told["message.delivered"]["origin_event_id"] == sent["id"]
    assert told["message.delivered"]["payload"]["recipient"] == ADA


async def test_a_failure_that_lasts_is_told_with_its_code(
    client: Client, twilio: str, heard: Listener
) -> None:
    connection = await _connect(client, twilio)
    await client.subscribe(heard.url, "message.status")

    sent = await client.send(connection["id"], ADA)
    await _simulate(client, twilio, sent["status"]["externalMessageId"], "undelivered")

    told = await heard.wait_for_types("message.failed")
    assert told["message.failed"]["payload"]["error"]["code"] == "UNKNOWN"
    assert told["message.failed"]["payload"]["permanent"] is False


async def test_what_somebody_writes_comes_in_signed(client: Client, twilio: str, heard: Listener) -> None:
    connection = await _connect(client, twilio)
    await client.subscribe(heard.url, "message.inbound")
    numbers = f"{twilio}/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json"
    other = "+15551234599"
    await _ask(client, numbers, PhoneNumber=other, SmsUrl=connection["webhookUrl"])

    await _ask(client, f"{twilio}/_twilio/simulate/inbound-message", To=other, From=ADA, Body="سلام & bye=1")

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
