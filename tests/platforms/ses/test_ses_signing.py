"""Our signatures are those that AWS's own library makes, and theirs are those that we accept."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as AwsCredentials

from outrider.core.outgoing import HttpAnswer, HttpFailure, OutgoingHttp
from outrider.platforms.base import Deferred
from outrider.platforms.ses.notifications import Certificates, confirm, subscribe_url_in
from outrider.platforms.ses.signing import Credentials, signed_headers
from tests.platforms.http_vendor import Reply, http_vendor
from tests.platforms.ses.sns import (
    CERTIFICATE_URL,
    HOST,
    SUBSCRIBE_URL,
    TOPIC,
    Rerouted,
    certificate,
    envelope,
)

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


@pytest.mark.parametrize(
    ("method", "url", "headers", "body"),
    [
        ("GET", "https://email.eu-central-1.amazonaws.com/v2/email/account", {}, b""),
        (
            "POST",
            "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails",
            {"Content-Type": "application/json"},
            b"{}",
        ),
        (
            "POST",
            "http://127.0.0.1:5005/v2/email/outbound-emails",
            {"Content-Type": "application/json"},
            "ü".encode() * 99,
        ),
        (
            "POST",
            "https://email.cn-north-1.amazonaws.com.cn/a%20b/c~d",
            {"X-Amz-Thing": "  two   spaces "},
            b"x",
        ),
    ],
)
def test_a_request_is_signed_as_awss_library_signs_it(
    method: str, url: str, headers: dict[str, str], body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None))
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    SigV4Auth(AwsCredentials(*KEYS), "ses", "eu-central-1").add_auth(request)

    signed = signed_headers(
        Credentials(*KEYS, region="eu-central-1", service="ses"), method, url, headers, body, at
    )

    assert signed["authorization"] == request.headers["Authorization"]
    assert signed["x-amz-date"] == request.headers["X-Amz-Date"] == "20261120T103000Z"


def test_awss_published_example_is_what_we_make() -> None:
    # https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html, "get-vanilla"
    credentials = Credentials(
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service"
    )
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)

    signed = signed_headers(credentials, "GET", "https://example.amazonaws.com/", {}, b"", at)

    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


class _Fixed:
    """An HTTP client that knows one document."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.calls = 0

    async def request(self, method: str, url: str, **rest: object) -> HttpAnswer | HttpFailure:
        self.calls += 1
        return HttpAnswer(200, {}, self.body, truncated=False, duration_ms=1)


async def test_what_sns_itself_has_signed_is_accepted() -> None:
    folder = os.environ.get("OUTRIDER_SHARED")
    if not folder:
        pytest.skip("OUTRIDER_SHARED does not say where the samples are")
    samples = Path(folder) / "samples"
    vectors = json.loads((samples / "vectors.json").read_text())
    (vector,) = [one for one in vectors if one["id"] == "sns-sha256"]
    document = json.loads((samples / "ses" / "sns_sha256_real_notification.json").read_text())
    certificates = Certificates(_Fixed(vector["cert_pem"].encode()))

    assert await certificates.is_signed(document, document["TopicArn"]) is True
    for name in ("Message", "MessageId", "Timestamp"):
        assert await certificates.is_signed(document | {name: "other"}, document["TopicArn"]) is False
    assert await certificates.is_signed(document, TOPIC) is False
    assert await certificates.is_signed(document, None) is False


async def test_a_certificate_is_fetched_once() -> None:
    http = _Fixed(certificate())
    certificates = Certificates(http)

    assert [await certificates.is_signed(envelope(version=one), TOPIC) for one in "1212"] == [True] * 4
    assert http.calls == 1


async def test_what_is_no_certificate_signs_nothing() -> None:
    assert await Certificates(_Fixed(b"<html>")).is_signed(envelope(), TOPIC) is False


@pytest.mark.parametrize(("status", "is_forged"), [(404, True), (403, True), (500, False), (429, False)])
async def test_a_certificate_that_does_not_come_puts_the_webhook_off(
    status: int, is_forged: bool, outgoing: OutgoingHttp
) -> None:
    async with http_vendor(lambda _: Reply(status, b"")) as vendor:
        certificates = Certificates(Rerouted(outgoing, vendor.url))
        verdict = await certificates.is_signed(envelope(), TOPIC)
        assert (verdict is False) if is_forged else isinstance(verdict, Deferred)

        vendor.reply_with(Reply(200, certificate()))
        assert await certificates.is_signed(envelope(), TOPIC) is True


async def test_nobody_there_puts_the_webhook_off(outgoing: OutgoingHttp) -> None:
    certificates = Certificates(Rerouted(outgoing, "http://127.0.0.1:9"))

    assert isinstance(await certificates.is_signed(envelope(), TOPIC), Deferred)


async def test_a_subscription_is_confirmed_at_sns_alone(outgoing: OutgoingHttp) -> None:
    async with http_vendor(lambda _: Reply(200, b"<Confirmed/>")) as vendor:
        http = Rerouted(outgoing, vendor.url)

        assert await confirm(http, SUBSCRIBE_URL)
        assert http.called == [SUBSCRIBE_URL]
        vendor.reply_with(Reply(500, b""))
        assert not await confirm(http, SUBSCRIBE_URL)
    for elsewhere in (
        CERTIFICATE_URL,
        "https://evil.example/?Action=ConfirmSubscription&Token=1",
        f"{HOST}@evil.example/?Action=ConfirmSubscription&Token=1",
        f"{HOST}/?Action=DeleteTopic&TopicArn=1",
        f"{HOST}/?Action=ConfirmSubscription&Token=1 2",
        7,
    ):
        assert subscribe_url_in({"SubscribeURL": elsewhere}) is None
