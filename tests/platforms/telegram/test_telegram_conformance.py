"""The Telegram provider keeps what every provider promises."""

import itertools
import json
from collections.abc import AsyncGenerator

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, InboundRequest
from outrider.platforms.conformance import AdapterConformance
from outrider.platforms.conformance_case import AdapterCase, Mood
from outrider.platforms.telegram.adapter import TelegramAdapter
from outrider.platforms.telegram.inbound import SECRET_TOKEN_HEADER
from tests.platforms.connections import connection_of
from tests.platforms.http_vendor import Asked, HttpVendor, Reply
from tests.platforms.telegram.updates import reaction_update, text_update

BOT_TOKEN = "700100200:AAF-conformance_of_the_bot_000000001"
WEBHOOK_TOKEN = "set-with-setWebhook_1"


class BotApi(HttpVendor):
    def idempotency_ids(self) -> list[str]:
        return [str(number) for number, asked in enumerate(self.asked) if not asked.path.endswith("/getMe")]


_message_ids = itertools.count(1)


def _take(asked: Asked) -> Reply:
    if asked.path.endswith("/getMe"):
        return Reply(200, {"ok": True, "result": {"id": 700100200, "is_bot": True, "username": "suite_bot"}})
    if asked.path.endswith("/setMessageReaction"):
        return Reply(200, {"ok": True, "result": True})
    chat = {"id": asked.form["chat_id"], "type": "private"}
    return Reply(200, {"ok": True, "result": {"message_id": next(_message_ids), "date": 1, "chat": chat}})


def _error(status: int, description: str, **parameters: object) -> Reply:
    # A careless proxy that repeats the URL: the token must not get through.
    told = f"{description} at /bot{BOT_TOKEN}/sendMessage"
    return Reply(status, {"ok": False, "error_code": status, "description": told, "parameters": parameters})


MOODS = {
    Mood.REFUSES: lambda _: _error(403, "Forbidden: bot was blocked by the user"),
    Mood.LIMITS: lambda _: _error(429, "Too Many Requests: retry after 11", retry_after=11),
    Mood.FAILS: lambda _: Reply(502, b"<html>Bad Gateway</html>"),
}
HEADERS = {SECRET_TOKEN_HEADER: WEBHOOK_TOKEN}


def _update(**changes: object) -> InboundRequest:
    return InboundRequest(HEADERS, json.dumps(text_update(**changes)).encode())


WEBHOOKS = (
    _update(),
    _update(
        update_id=8, reply_to_message={"message_id": 40, "date": 1, "chat": {"id": 51, "type": "private"}}
    ),
    _update(update_id=10, text=None, document={"file_id": "d", "file_name": "a.pdf"}, caption="Look"),
    _update(update_id=11, text=None, photo=[{"file_id": "p", "width": 1, "height": 1, "file_size": 9}]),
    _update(update_id=12, text=None, venue={"title": "Pier", "location": {"latitude": 1, "longitude": 2}}),
    _update(update_id=13, text=None, contact={"phone_number": "12025550101", "first_name": "Ada"}),
    _update(update_id=14, text=None, sticker={"file_id": "s", "emoji": "👍", "is_video": True}),
    InboundRequest(HEADERS, json.dumps(reaction_update()).encode()),
    InboundRequest(HEADERS, b'{"update_id": 9, "poll_answer": {"poll_id": "1", "option_ids": [0]}}'),
)


class TestTelegram(AdapterConformance):
    @pytest.fixture
    async def case(self, outgoing: OutgoingHttp) -> AsyncGenerator[AdapterCase]:
        bot_api = BotApi(_take, MOODS)
        await bot_api.start()
        adapter = TelegramAdapter(outgoing, attempt_seconds=2.0)
        yield AdapterCase(
            adapter=adapter,
            connection=connection_of(
                Channel.TELEGRAM,
                bot_token=BOT_TOKEN,
                api_base_url=bot_api.url,
                webhook_secret_token=WEBHOOK_TOKEN,
            ),
            vendor=bot_api,
            recipient="51",
            secrets=(BOT_TOKEN, WEBHOOK_TOKEN),
            pause_seconds=11.0,
            has_idempotency=False,
            addresses={
                " 51 ": "51",
                "-1001234567890": "-1001234567890",
                "@News_Channel": "@news_channel",
                "@ada": None,
                "0": None,
                "007": None,
                "5.1": None,
                "\u0665\u0661": None,
                "+12025550101": None,
                "ada@example.com": None,
                "9" * 20: None,
                "": None,
            },
            webhooks=WEBHOOKS,
            forged=(
                InboundRequest({}, WEBHOOKS[0].body),
                InboundRequest({SECRET_TOKEN_HEADER: ""}, WEBHOOKS[0].body),
                InboundRequest({SECRET_TOKEN_HEADER: WEBHOOK_TOKEN.upper()}, WEBHOOKS[0].body),
                InboundRequest({SECRET_TOKEN_HEADER: BOT_TOKEN}, WEBHOOKS[0].body),
            ),
        )
        await adapter.close()
        await bot_api.stop()
