"""The SES provider keeps what every provider promises."""

import itertools
import json
from collections.abc import AsyncGenerator

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, InboundRequest
from outrider.platforms.conformance import AdapterConformance
from outrider.platforms.conformance_case import AdapterCase, Mood
from outrider.platforms.ses.adapter import SesAdapter
from tests.platforms.connections import connection_of
from tests.platforms.http_vendor import Asked, HttpVendor, Reply
from tests.platforms.ses.sns import (
    TOPIC,
    Rerouted,
    certificate,
    envelope,
    event_of,
    notification,
    request_of,
)

SECRET = "wJalrXUtnFEMI/K7MDENG/of-the-suite"


class SesApi(HttpVendor):
    def idempotency_ids(self) -> list[str]:
        sends = [asked.json for asked in self.asked if asked.path.endswith("/outbound-emails")]
        return [json.dumps(send["EmailTags"]) for send in sends]


_numbers = itertools.count(1)


def _take(asked: Asked) -> Reply:
    if asked.path.endswith(".pem"):
        return Reply(200, certificate())
    if asked.method == "GET":
        return Reply(200, {"SendingEnabled": True, "ProductionAccessEnabled": True})
    return Reply(200, {"MessageId": f"0107-{next(_numbers)}-000000"})


def _error(status: int, kind: str, **headers: str) -> Reply:
    # A careless proxy that repeats the credentials: the key must not get through.
    return Reply(status, {"message": f"No. {SECRET}"}, {"x-amzn-errortype": f"{kind}:http://aws/", **headers})


MOODS = {
    Mood.REFUSES: lambda _: _error(400, "MessageRejected"),
    Mood.LIMITS: lambda _: _error(429, "TooManyRequestsException"),
    Mood.FAILS: lambda _: _error(500, "InternalFailure"),
}
GOOD = envelope(Message="Grüße", Subject="With a subject")
WEBHOOKS = (
    notification(event_of("Delivery", delivery={"timestamp": "2026-11-20T10:00:00.000Z"})),
    notification(event_of("Open", open={"ipAddress": "192.0.2.1"}), version="1"),
    notification(
        event_of(
            "Bounce", bounce={"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "a@b.c"}]}
        )
    ),
    request_of(GOOD),
    request_of(envelope("SubscriptionConfirmation")),
    request_of(envelope("UnsubscribeConfirmation")),
)


class TestSes(AdapterConformance):
    @pytest.fixture
    async def case(self, outgoing: OutgoingHttp) -> AsyncGenerator[AdapterCase]:
        api = SesApi(_take, MOODS)
        await api.start()
        adapter = SesAdapter(Rerouted(outgoing, api.url), attempt_seconds=2.0)
        yield AdapterCase(
            adapter=adapter,
            connection=connection_of(
                Channel.EMAIL,
                access_key_id="AKIDEXAMPLE",
                secret_access_key=SECRET,
                region="eu-central-1",
                from_email="hello@sender.example",
                topic_arn=TOPIC,
                api_base_url=api.url,
            ),
            vendor=api,
            recipient="ada@example.com",
            secrets=(SECRET,),
            pause_seconds=1.0,
            has_idempotency=False,
            addresses={
                " Ada.Byron@EXAMPLE.com ": "Ada.Byron@example.com",
                "jörg@München.de": "jörg@münchen.de",
                "x@xn--mnchen-3ya.de": "x@münchen.de",
                "Ada <ada@example.com>": None,
                "ada@example.com\nBcc: eve@example.com": None,
                "ada": None,
                "": None,
            },
            webhooks=WEBHOOKS,
            forged=(
                request_of(GOOD | {"Message": "other"}),
                request_of(GOOD | {"Subject": "other"}),
                request_of(GOOD | {"Type": "SubscriptionConfirmation"}),
                request_of(GOOD | {"SignatureVersion": "1"}),
                request_of(GOOD | {"SignatureVersion": "3"}),
                request_of(GOOD | {"Signature": "%"}),
                request_of({key: value for key, value in GOOD.items() if key != "Signature"}),
                request_of(envelope(TopicArn=TOPIC + "-of-another")),
                request_of(envelope(SigningCertURL="https://sns.evil.example/a.pem")),
                request_of(envelope(SigningCertURL="http://sns.eu-central-1.amazonaws.com/a.pem")),
                request_of(
                    envelope(SigningCertURL="https://sns.eu-central-1.amazonaws.com@evil.example/a.pem")
                ),
                request_of(
                    envelope(SigningCertURL="https://sns.eu-central-1.amazonaws.com.evil.example/a.pem")
                ),
                request_of(envelope(SigningCertURL="https://sns.eu-central-1.amazonaws.com/a.pem?x=1")),
                request_of(envelope(SigningCertURL="https://s3.eu-central-1.amazonaws.com/bucket/a.pem")),
                InboundRequest({"x-amz-sns-rawdelivery": "true"}, json.dumps(event_of("Delivery")).encode()),
                InboundRequest({}, b""),
            ),
        )
        await adapter.close()
        await api.stop()
