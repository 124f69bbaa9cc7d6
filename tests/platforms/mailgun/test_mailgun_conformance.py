"""The Mailgun provider keeps what every provider promises."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, InboundRequest
from outrider.platforms.conformance import AdapterConformance
from outrider.platforms.conformance_case import AdapterCase, Mood
from outrider.platforms.mailgun.adapter import MailgunAdapter
from tests.platforms.connections import connection_of
from tests.platforms.http_vendor import Asked, HttpVendor, Reply
from tests.platforms.mailgun.webhooks import KEY, event, mail, multipart_mail, signature

API_KEY = "key-0123456789abcdef-of-the-suite"


class MailgunApi(HttpVendor):
    def idempotency_ids(self) -> list[str]:
        return [str(asked.form["h:Message-Id"]) for asked in self.asked if "to" in asked.form]


def _take(asked: Asked) -> Reply:
    if "to" not in asked.form:
        return Reply(400, {"message": "from parameter is missing"})
    return Reply(200, {"id": asked.form["h:Message-Id"], "message": "Queued. Thank you."})


def _error(status: int, **headers: str) -> Reply:
    # A careless proxy that repeats the credentials: the key must not get through.
    return Reply(status, {"message": f"No. You said {API_KEY}."}, headers)


MOODS = {
    Mood.REFUSES: lambda _: _error(400),
    Mood.LIMITS: lambda _: _error(429, **{"retry-after": "11"}),
    Mood.FAILS: lambda _: Reply(502, b"<html>Bad Gateway</html>"),
}
WEBHOOKS = (
    event("delivered"),
    event("failed", severity="permanent", **{"delivery-status": {"code": 550, "message": "5.1.1 unknown"}}),
    event("failed", severity="temporary"),
    event("clicked", url="https://sender.example/a"),
    event("complained"),
    event("stored"),
    mail(),
    multipart_mail(("Grüße.pdf", "application/pdf", b"%PDF\r\n\x00\xff")),
)


class TestMailgun(AdapterConformance):
    @pytest.fixture
    async def case(self, outgoing: OutgoingHttp) -> AsyncGenerator[AdapterCase]:
        api = MailgunApi(_take, MOODS)
        await api.start()
        adapter = MailgunAdapter(outgoing, attempt_seconds=2.0)
        stolen = signature()
        yield AdapterCase(
            adapter=adapter,
            connection=connection_of(
                Channel.EMAIL,
                api_key=API_KEY,
                domain="mg.sender.example",
                from_email="hello@sender.example",
                webhook_signing_secret=KEY,
                api_base_url=api.url,
            ),
            vendor=api,
            recipient="ada@example.com",
            secrets=(API_KEY, KEY),
            pause_seconds=11.0,
            has_idempotency=True,
            addresses={
                " Ada.Byron@EXAMPLE.com ": "Ada.Byron@example.com",
                "jörg@München.de": "jörg@münchen.de",
                "x@xn--mnchen-3ya.de": "x@münchen.de",
                "Ada <ada@example.com>": None,
                "ada@example.com\nBcc: eve@example.com": None,
                "ada": None,
                "": None,
            },
            webhooks=(*WEBHOOKS, event("opened", signed=stolen)),
            forged=(
                replace(WEBHOOKS[0], body=b"{}"),
                event("delivered", signed=signature(key="another key")),
                event("delivered", signed=signature(age=25 * 3600)),
                event("delivered", signed=signature(age=-3600)),
                event("complained", signed=stolen),  # a token that came with another body
                mail(token="x"),
                InboundRequest({}, b""),
            ),
        )
        await adapter.close()
        await api.stop()
