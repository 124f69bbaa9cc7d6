"""What the Telegram provider asks of the Bot API and how it reads the answers."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import (
    Channel,
    ConnectionContext,
    Deferred,
    FailureCode,
    InDoubt,
    Outcome,
    Rejected,
    Sent,
)
from outrider.platforms.telegram.adapter import TelegramAdapter
from tests.platforms.connections import connection_of, text_to
from tests.platforms.http_vendor import HttpVendor, Reply, http_vendor

TOKEN = "700100200:AAF-token_of_the_bot_000000000000001"


def _taken(chat_id: int, message_id: int = 5) -> Reply:
    chat = {"id": chat_id, "type": "private"}
    return Reply(
        200, {"ok": True, "result": {"message_id": message_id, "date": 1, "chat": chat, "text": "x"}}
    )


def _error(status: int, description: str, **parameters: object) -> Reply:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return Reply(status, body | ({"parameters": parameters} if parameters else {}))


@pytest.fixture
async def bot_api() -> AsyncGenerator[HttpVendor]:
    async with http_vendor(lambda _: _taken(51)) as vendor:
        yield vendor


@pytest.fixture
def connection(bot_api: HttpVendor) -> ConnectionContext:
    return connection_of(Channel.TELEGRAM, bot_token=TOKEN, api_base_url=f"{bot_api.url}/")


async def _send(outgoing: OutgoingHttp, connection: ConnectionContext, recipient: str = "51") -> Outcome:
    return await TelegramAdapter(outgoing).send(text_to(recipient, "Olá 👋 <b>"), connection)


async def test_a_text_goes_to_its_chat_as_it_is(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    assert await _send(outgoing, connection) == Sent("51:5")

    (asked,) = bot_api.asked
    assert (asked.method, asked.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    assert asked.headers["content-type"] == "application/json"
    assert asked.json == {"chat_id": 51, "text": "Olá 👋 <b>"}


async def test_a_channels_name_is_sent_as_text_and_its_id_becomes_part_of_the_external_id(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.reply_with(_taken(-100555, 9))

    assert await _send(outgoing, connection, "@tides") == Sent("-100555:9")
    assert bot_api.asked[0].json["chat_id"] == "@tides"


async def test_a_group_that_moved_is_followed_at_once(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    moved = _error(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-100777)
    bot_api.reply_with(moved, _taken(-100777, 2))

    assert await _send(outgoing, connection, "-42") == Sent("-100777:2")
    assert [asked.json["chat_id"] for asked in bot_api.asked] == [-42, -100777]


async def test_a_group_is_not_followed_in_circles(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.reply_with(_error(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-100777))

    outcome = await _send(outgoing, connection, "-42")

    assert isinstance(outcome, Rejected)
    assert len(bot_api.asked) == 2


@pytest.mark.parametrize(
    ("description", "status", "code"),
    [
        ("Forbidden: bot was blocked by the user", 403, FailureCode.RECIPIENT_BLOCKED),
        ("Forbidden: user is deactivated", 403, FailureCode.RECIPIENT_BLOCKED),
        ("Forbidden: bot was kicked from the group chat", 403, FailureCode.RECIPIENT_BLOCKED),
        ("Bad Request: chat not found", 400, FailureCode.RECIPIENT_NOT_FOUND),
        ("Bad Request: PEER_ID_INVALID", 400, FailureCode.RECIPIENT_NOT_FOUND),
        (
            "Bad Request: not enough rights to send text messages to the chat",
            400,
            FailureCode.RECIPIENT_BLOCKED,
        ),
        ("Bad Request: message is too long", 400, FailureCode.CONTENT_REJECTED),
        ("Request Entity Too Large", 413, FailureCode.CONTENT_REJECTED),
    ],
)
async def test_refusals_are_final_and_coded(
    description: str,
    status: int,
    code: FailureCode,
    *,
    outgoing: OutgoingHttp,
    bot_api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    bot_api.reply_with(_error(status, description))

    assert await _send(outgoing, connection) == Rejected(code, description)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (_error(429, "slow", retry_after=31), Deferred(31.0, "slow", pauses_connection=True)),
        (_error(429, "slow", retry_after="soon"), Deferred(5.0, "slow", pauses_connection=True)),
        (_error(429, "slow", retry_after=10**9), Deferred(86400.0, "slow", pauses_connection=True)),
        (_error(429, "slow"), Deferred(5.0, "slow", pauses_connection=True)),
        (Reply(429, b"nginx"), Deferred(5.0, "HTTP 429", pauses_connection=True)),
        (_error(500, "Internal"), Deferred(None, "Internal")),
        (_error(409, "Conflict"), Deferred(None, "Conflict")),
        (Reply(302, b"", {"location": "/"}), Deferred(None, "HTTP 302")),
        (Reply(200, {"ok": False, "error_code": 403, "description": "no"}), Rejected),
        (Reply(200, b"<html>"), InDoubt),
        (Reply(200, {"ok": True}), InDoubt),
        (Reply(200, {"ok": True, "result": {"message_id": None}}), InDoubt),
        (Reply(200, {"ok": True, "result": {"message_id": 3}}), Sent("51:3")),
    ],
)
async def test_answers_and_what_they_come_to(
    reply: Reply, outcome: object, outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.reply_with(reply)

    got = await _send(outgoing, connection)

    assert isinstance(got, outcome) if isinstance(outcome, type) else got == outcome


@pytest.mark.parametrize("status", [401, 404])
async def test_a_refused_token_stops_the_connection_and_keeps_the_message(
    status: int, outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.reply_with(_error(status, "Unauthorized"))

    outcome = await _send(outgoing, connection)

    assert outcome == Deferred(60.0, "the bot token is refused: Unauthorized", pauses_connection=True)


@pytest.mark.parametrize("content", [{"type": "image", "url": "https://x"}, {"type": "text", "text": "  "}])
async def test_what_has_no_text_is_refused_without_asking(
    content: dict[str, object], outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    outbound = replace(text_to("51"), content=content)

    outcome = await TelegramAdapter(outgoing).send(outbound, connection)

    assert isinstance(outcome, Rejected)
    assert outcome.code is FailureCode.CONTENT_REJECTED
    assert bot_api.asked == []


async def test_a_token_cannot_lead_to_another_path(outgoing: OutgoingHttp, bot_api: HttpVendor) -> None:
    connection = connection_of(Channel.TELEGRAM, bot_token="1:a/../../x?y#z", api_base_url=bot_api.url)

    await _send(outgoing, connection)

    assert bot_api.asked[0].path == "/bot1:a%2F..%2F..%2Fx%3Fy%23z/sendMessage"


async def test_a_private_bot_api_server_is_not_reached_unless_allowed(
    bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    http = OutgoingHttp()
    try:
        outcome = await _send(http, connection)
    finally:
        await http.close()

    assert isinstance(outcome, Deferred)
    assert bot_api.asked == []
