"""Telegram through the whole server: at Prism, which knows the Bot API, and at a vendor that can be unkind."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

import pytest
from aiohttp import web

from outrider.webhooks.signing import verify_outeract, verify_standard
from tests.clients import SECRET, Client, Listener, listener
from tests.peers import PeerMissing, PrismPeer, prism_peer
from tests.platforms.telegram.updates import text_update

TOKEN = "987654321:AAGmadeUpForTheseTestsOnly_0123456789"
UNRECOGNISED = "system.webhook.unrecognised"


@pytest.fixture(scope="module")
def prism() -> Generator[PrismPeer]:
    try:
        with prism_peer("telegram_openapi.json") as peer:
            yield peer
    except PeerMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture
async def vendor() -> AsyncGenerator[Listener]:
    """A Bot API server that takes every message."""
    async with listener() as made:
        made.answer = _taking
        yield made


async def _taking(request: web.Request) -> web.Response:
    asked = json.loads(await request.read())
    return web.json_response({"ok": True, "result": {"message_id": 7, "chat": {"id": asked["chat_id"]}}})


def _refusing(status: int, description: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def refuse(_request: web.Request) -> web.Response:
        told = {"ok": False, "error_code": status, "description": description}
        return web.json_response(told, status=status)

    return refuse


async def _connect(client: Client, url: str, **more: object) -> dict[str, Any]:
    config = {"bot_token": TOKEN, "api_base_url": url, **more}
    return await client.connect("TELEGRAM", "telegram", config)


async def test_a_text_reaches_the_bot_api_as_it_describes_itself(client: Client, prism: PrismPeer) -> None:
    connection = await _connect(client, prism.url)

    sent = await client.send(connection["id"], "42", "Grüße vom Fährhaus ⛴")

    # 200 only comes for a request that the description allows
    assert sent["status"]["state"] == "sent", sent
    assert sent["status"]["externalMessageId"]
    assert [child["eventType"] for child in (await client.event(sent["id"]))["childEvents"]] == [
        "message.sent"
    ]


async def test_what_is_sent_is_what_the_vendor_is_asked(client: Client, vendor: Listener) -> None:
    connection = await _connect(client, vendor.url)

    sent = await client.send(connection["id"], "42", "*Not* <b>marked</b> up")

    assert sent["status"]["externalMessageId"] == "42:7"
    assert vendor.bodies == [{"chat_id": 42, "text": "*Not* <b>marked</b> up"}]


async def test_a_rate_limit_pauses_the_bot_and_the_answers_come_later(
    client: Client, vendor: Listener
) -> None:
    asked_at: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        asked_at.append(time.monotonic())
        if len(asked_at) > 1:
            return await _taking(request)
        told = {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests",
            "parameters": {"retry_after": 1},
        }
        return web.json_response(told, status=429)

    vendor.answer = answer
    connection = await _connect(client, vendor.url)
    limited = await client.send(connection["id"], "42", "first")
    other = await client.send(connection["id"], "43", "second")
    await client.children(limited["id"], "message.sent")

    assert limited["status"]["state"] == "accepted"
    # the other chat's message waited with it, and its caller for it
    assert other["status"]["state"] == "sent"
    assert len(asked_at) == 3
    assert asked_at[1] - asked_at[0] >= 0.95
    texts = [body["text"] for body in vendor.bodies]
    assert sorted(texts) == ["first", "first", "second"]


async def test_a_bot_that_was_blocked_fails_the_message(client: Client, vendor: Listener) -> None:
    vendor.answer = _refusing(403, "Forbidden: bot was blocked by the user")
    connection = await _connect(client, vendor.url)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.status")
        sent = await client.send(connection["id"], "42")
        told = (await heard.wait_for_types("message.failed"))["message.failed"]

    assert sent["status"]["success"] is False
    assert sent["status"]["error"] == {
        "code": "RECIPIENT_BLOCKED",
        "message": "Forbidden: bot was blocked by the user",
    }
    assert told["payload"]["error"] == sent["status"]["error"]
    assert told["origin_event_id"] == sent["id"]
    assert len(vendor.received) == 1


async def test_an_update_becomes_a_message_and_a_signed_webhook(client: Client, vendor: Listener) -> None:
    connection = await _connect(client, vendor.url)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.inbound")
        taken = await client.knock(connection, text_update(7))
        await heard.wait_for(1)
        answered = await client.send(
            connection["id"], heard.bodies[0]["edges"]["sent_by"]["external_id"], "At 9."
        )

    assert taken.status == 200
    headers, raw = heard.received[0]
    lower = {name.lower(): value for name, value in headers.items()}
    assert verify_standard(SECRET, lower, raw)
    assert verify_outeract(SECRET, lower, raw)
    told = json.loads(raw)
    assert told["event_type"] == "message.inbound"
    assert told["payload"]["platform"] == "telegram"
    assert told["payload"]["message"] == {
        "text": "When does the ferry leave?",
        "role": "user",
        "type": "text",
    }
    assert told["edges"]["sent_by"]["name"] == "Ines Okafor"
    assert answered["status"]["state"] == "sent"
    assert vendor.bodies == [{"chat_id": 51, "text": "At 9."}]


async def test_a_repeated_update_changes_nothing(client: Client, vendor: Listener) -> None:
    connection = await _connect(client, vendor.url)
    async with listener() as heard:
        await client.subscribe(heard.url, "*")
        repeats = [await client.knock(connection, text_update(7)) for _ in range(3)]
        repeats += await asyncio.gather(*(client.knock(connection, text_update(7)) for _ in range(10)))
        await client.knock(connection, text_update(8, message_id=42, text="And back?"))
        await heard.wait_for(2)
        await asyncio.sleep(0.1)

    assert {repeat.status for repeat in repeats} == {200}
    assert len(await client.events("message.inbound")) == 2
    assert [body["payload"]["message"]["text"] for body in heard.bodies] == [
        "When does the ferry leave?",
        "And back?",
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (rb"nul \u0000 here", "nul \ufffd here"),
        (b"raw nul \x00 here", "raw nul \ufffd here"),
        (rb"half \ud83d of a pair", "half \ufffd of a pair"),
        (rb"other half \udc00", "other half \ufffd"),
        (rb"whole \ud83d\ude00 pair", "whole \U0001f600 pair"),
    ],
)
async def test_what_no_database_can_hold_is_shown_as_a_replacement_and_kept_raw(
    client: Client, vendor: Listener, written: bytes, shown: str
) -> None:
    connection = await _connect(client, vendor.url)
    body = json.dumps(text_update(7, text="@@", **{"from": {"id": 51, "first_name": "@@"}})).encode()
    body = body.replace(b"@@", written)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.inbound")
        taken = await client.knock(connection, body)
        await heard.wait_for(1)

    assert taken.status == 200
    (event,) = await client.events("message.inbound")
    assert event["payload"]["message"]["text"] == shown
    sender = next(edge["targetPlatformUser"] for edge in event["edges"] if edge["edgeType"] == "sent_by")
    assert sender == {"externalId": "51", "name": shown}
    assert base64.b64decode(event["raw"]["base64"]) == body
    assert event["raw"]["size"] == len(body)
    assert heard.bodies[0]["payload"]["message"]["text"] == shown


async def test_raw_bodies_are_for_keys_that_may_do_everything(client: Client, vendor: Listener) -> None:
    connection = await _connect(client, vendor.url)
    await client.knock(connection, text_update(7))
    reader = await client.with_key("events:read", "users:read")

    refused = await reader.refused("{ events { edges { node { raw { base64 } } } } }")
    seen = await reader.data("{ events { edges { node { eventType } } } }")

    assert refused["code"] == "FORBIDDEN"
    assert [edge["node"]["eventType"] for edge in seen["events"]["edges"]] == ["message.inbound"]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"update_id": 7, "poll": {"id": "1"}}).encode(),
        json.dumps({"update_id": 7, "message": {"message_id": 1, "chat": {"id": 2}, "sticker": {}}}).encode(),
        b"[]",
        b"not json at all",
        b"\xff\xfe\x00",
        b"",
    ],
)
async def test_what_is_authentic_but_unknown_is_kept(client: Client, vendor: Listener, body: bytes) -> None:
    connection = await _connect(client, vendor.url)

    taken = await client.knock(connection, body)

    assert taken.status == 200
    (event,) = await client.events(UNRECOGNISED)
    assert event["payload"]["platform_connection_id"] == connection["id"]
    assert event["payload"]["platform"] == "telegram"
    assert base64.b64decode(event["raw"]["base64"]) == body


async def test_with_a_secret_token_every_webhook_must_carry_it(client: Client, vendor: Listener) -> None:
    connection = await _connect(client, vendor.url, webhook_secret_token="tide-table-token")
    header = "X-Telegram-Bot-Api-Secret-Token"

    without = await client.knock(connection, text_update(7))
    wrong = await client.knock(connection, text_update(7), **{header: "tide-table"})
    right = await client.knock(connection, text_update(7), **{header: "tide-table-token"})

    assert (without.status, wrong.status, right.status) == (401, 401, 200)
    assert len(await client.events("message.inbound")) == 1


async def test_a_reply_points_at_the_message_that_it_answers(client: Client, vendor: Listener) -> None:
    connection = await _connect(client, vendor.url)
    sent = await client.send(connection["id"], "51", "Window or deck?")

    await client.knock(connection, text_update(8, reply_to_message={"message_id": 7, "chat": {"id": 51}}))

    (event,) = await client.events("message.inbound")
    edges = (await client.event(event["id"]))["edges"]
    assert [edge["targetEvent"]["id"] for edge in edges if edge["edgeType"] == "reply_to"] == [sent["id"]]
