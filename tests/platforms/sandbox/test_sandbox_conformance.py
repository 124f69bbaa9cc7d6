"""The sandbox keeps what every provider promises; its vendor is the sink."""

import json
from collections.abc import AsyncGenerator

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, ConnectionContext, InboundRequest
from outrider.platforms.conformance import AdapterConformance
from outrider.platforms.conformance_case import AdapterCase, Mood
from outrider.platforms.sandbox.adapter import SandboxAdapter
from outrider.platforms.sandbox.inbound import SIGNATURE_HEADER, signature_of
from tests.platforms.connections import connection_of
from tests.platforms.http_vendor import Asked, HttpVendor, Reply

SECRET = "shared-between-two-9f1c"


class Sink(HttpVendor):
    def idempotency_ids(self) -> list[str]:
        return [asked.headers["idempotency-key"] for asked in self.asked]


def _take(asked: Asked) -> Reply:
    return Reply(201, {"id": f"sink-{asked.json['delivery_id']}"})


MOODS = {
    Mood.REFUSES: lambda _: Reply(400, {"error": "no"}),
    Mood.LIMITS: lambda _: Reply(429, {}, {"retry-after": "7"}),
    Mood.FAILS: lambda _: Reply(503, b"<html>down</html>"),
}


def _signed(document: object) -> InboundRequest:
    body = json.dumps(document).encode()
    return InboundRequest({SIGNATURE_HEADER: signature_of(SECRET, body)}, body)


WEBHOOKS = (
    _signed({"messages": [{"id": "m1", "from": "ada", "name": "Ada", "text": "Hello"}]}),
    _signed(
        {
            "messages": [
                {
                    "id": "m2",
                    "from": "ada",
                    "text": "One",
                    "sent_at": "2026-11-20T10:00:00Z",
                    "conversation": "team",
                },
                {
                    "id": "m3",
                    "from": "bob",
                    "text": "Two",
                    "sent_at": "2026-11-20T11:00:00+01:00",
                    "reply_to": "x",
                },
            ],
            "receipts": [
                {"id": "r1", "message_id": "sbx_1", "state": "delivered", "at": "2026-11-20T10:00:00Z"},
                {"message_id": "sbx_1", "state": "failed", "error": "mailbox full"},
            ],
        }
    ),
    _signed(
        {
            "messages": [
                {"id": "m4", "from": "ada", "image": {"base64": "iVBORw0KGgo=", "filename": "a.png"}},
                {"id": "m5", "from": "ada", "document": {"mime_type": "text/plain"}, "caption": "Look"},
                {"id": "m6", "from": "ada", "location": {"latitude": 1.5, "longitude": 2, "name": "Pier"}},
                {"id": "m7", "from": "ada", "contact": {"name": "Bob", "phone": "+12025550101"}},
            ],
            "reactions": [{"id": "x1", "from": "ada", "message_id": "sbx_1", "emoji": "👍"}],
        }
    ),
)


class TestSandbox(AdapterConformance):
    @pytest.fixture
    async def case(self, outgoing: OutgoingHttp) -> AsyncGenerator[AdapterCase]:
        async def swallow(connection: ConnectionContext, request: InboundRequest) -> None: ...

        sink = Sink(_take, MOODS)
        await sink.start()
        adapter = SandboxAdapter(outgoing, swallow, attempt_seconds=1.5)
        yield AdapterCase(
            adapter=adapter,
            connection=connection_of(Channel.SMS, api_base_url=sink.url, signing_secret=SECRET),
            vendor=sink,
            recipient="ada@example.com",
            secrets=(SECRET,),
            pause_seconds=7.0,
            has_idempotency=True,
            asks_vendor=False,
            takes_missing_files=True,
            addresses={
                " +1 (202) 555-0101 ": "+12025550101",
                "Ada@EXAMPLE.com": "Ada@example.com",
                "123456789": "123456789",
                "@ada": "@ada",
                "+12": "+12",
                "+1234567890123456": None,
                "": None,
                "two\nlines": None,
                "x" * 256: None,
            },
            webhooks=WEBHOOKS,
            forged=(
                InboundRequest({}, WEBHOOKS[0].body),
                InboundRequest({SIGNATURE_HEADER: ""}, WEBHOOKS[0].body),
                InboundRequest(WEBHOOKS[0].headers, WEBHOOKS[1].body),
                InboundRequest(
                    {SIGNATURE_HEADER: signature_of("another", WEBHOOKS[0].body)}, WEBHOOKS[0].body
                ),
            ),
        )
        await adapter.close()
        await sink.stop()
