"""The Twilio provider keeps what every provider promises."""

import itertools
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, InboundRequest
from outrider.platforms.conformance import AdapterConformance
from outrider.platforms.conformance_case import AdapterCase, Mood
from outrider.platforms.twilio.adapter import TwilioAdapter
from outrider.platforms.twilio.signatures import SIGNATURE_HEADER
from tests.platforms.connections import connection_of
from tests.platforms.http_vendor import Asked, HttpVendor, Reply
from tests.platforms.twilio.callbacks import TOKEN, URL, signed, status_form, text_form


class TwilioApi(HttpVendor):
    def idempotency_ids(self) -> list[str]:
        return [str(number) for number, asked in enumerate(self.asked) if asked.method == "POST"]


_numbers = itertools.count(1)


def _take(asked: Asked) -> Reply:
    if asked.method == "GET":
        return Reply(200, {"friendly_name": "Suite", "status": "active"})
    return Reply(201, {"sid": f"SM{next(_numbers):032x}", "status": "queued", "error_code": None})


def _error(status: int, code: int) -> Reply:
    # A careless proxy that repeats the credentials: the token must not get through.
    return Reply(status, {"code": code, "message": f"No. You said {TOKEN}.", "status": status})


MOODS = {
    Mood.REFUSES: lambda _: _error(400, 21610),
    Mood.LIMITS: lambda _: _error(429, 20429),
    Mood.FAILS: lambda _: Reply(503, b"<html>Unavailable</html>"),
}
WEBHOOKS = (
    signed(text_form()),
    signed(
        text_form(
            MessageSid="MM2",
            NumMedia="1",
            MediaUrl0="https://api.twilio.com/m",
            MediaContentType0="image/png",
        )
    ),
    signed(text_form(MessageSid="SM3", Body="Stop", OptOutType="STOP")),
    signed(status_form("delivered")),
    signed(status_form("undelivered", ErrorCode="30005")),
    signed(status_form("sent")),
    signed(status_form("delivered"), signed_url=URL.replace("example/", "example:443/")),
)


class TestTwilio(AdapterConformance):
    @pytest.fixture
    async def case(self, outgoing: OutgoingHttp) -> AsyncGenerator[AdapterCase]:
        api = TwilioApi(_take, MOODS)
        await api.start()
        adapter = TwilioAdapter(outgoing, attempt_seconds=2.0)
        good = WEBHOOKS[0]
        yield AdapterCase(
            adapter=adapter,
            connection=connection_of(
                Channel.SMS,
                account_sid="AC1",
                auth_token=TOKEN,
                phone_number="+14155550100",
                api_base_url=api.url,
            ),
            vendor=api,
            recipient="+14155552671",
            secrets=(TOKEN,),
            pause_seconds=2.0,
            has_idempotency=False,
            addresses={
                " +1 (415) 555-2671 ": "+14155552671",
                "+49 176 12345678": "+4917612345678",
                "+1415555267\u0661": "+14155552671",
                "+14155552671 ext. 5": None,
                "4155552671": None,
                "004917612345678": None,
                "+123": None,
                "+1415555267112345678": None,
                "whatsapp:+14155552671": None,
                "ada@example.com": None,
                "+" + "1" * 500: None,
                "": None,
            },
            webhooks=WEBHOOKS,
            forged=(
                replace(good, headers={"content-type": good.headers["content-type"]}),
                replace(good, headers={**good.headers, SIGNATURE_HEADER: ""}),
                replace(good, body=good.body + b"&Body=more"),
                replace(good, url=URL + "?more=1"),
                replace(good, url=""),
                replace(good, headers={**good.headers, "content-type": "application/json"}),
                signed(text_form(), token="another token"),
                InboundRequest({}, b""),
            ),
        )
        await adapter.close()
        await api.stop()
