"""What the SES provider asks of SES and how it reads the answers."""

import base64
import email
import email.policy
from collections.abc import AsyncGenerator
from dataclasses import replace
from email.message import EmailMessage

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import (
    Channel,
    ConnectionContext,
    Deferred,
    FailureCode,
    Healthy,
    InDoubt,
    Outbound,
    Outcome,
    Rejected,
    Sent,
    Unhealthy,
)
from outrider.platforms.conformance_case import file_of
from outrider.platforms.ses.adapter import SesAdapter
from outrider.platforms.ses.client import Region
from tests.platforms.connections import connection_of, text_to
from tests.platforms.http_vendor import Asked, HttpVendor, Reply, http_vendor


@pytest.fixture
async def api() -> AsyncGenerator[HttpVendor]:
    async with http_vendor(lambda _: Reply(200, {"MessageId": "0107-000000"})) as vendor:
        yield vendor


def _config(**more: object) -> dict[str, object]:
    return {
        "access_key_id": "AKID",
        "secret_access_key": "s3cret",
        "region": "eu-central-1",
        "from_email": "info@bücher.example",
        "from_name": "Sender & Söhne",
        "configuration_set": "transactional",
        **more,
    }


@pytest.fixture
def connection(api: HttpVendor) -> ConnectionContext:
    return connection_of(Channel.EMAIL, **_config(api_base_url=f"{api.url}/"))


async def _send(outgoing: OutgoingHttp, connection: ConnectionContext, outbound: Outbound) -> Outcome:
    return await SesAdapter(outgoing).send(outbound, connection)


def _mail(asked: Asked) -> EmailMessage:
    raw = base64.b64decode(asked.json["Content"]["Raw"]["Data"])  # type: ignore[index]
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


async def test_a_mail_goes_out_whole_and_signed(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    outbound = text_to("ada@münchen.de", "Grüße 👋", subject="Prüfung 📬")

    assert await _send(outgoing, connection, outbound) == Sent("0107-000000")

    (asked,) = api.asked
    assert (asked.method, asked.path) == ("POST", "/v2/email/outbound-emails")
    assert "/eu-central-1/ses/aws4_request" in asked.headers["authorization"]
    mail = _mail(asked)
    assert (mail["From"], mail["Subject"]) == (
        "Sender & Söhne <info@xn--bcher-kva.example>",
        "Prüfung 📬",
    )
    assert mail.get_content().strip() == "Grüße 👋"
    document = asked.json
    del document["Content"]
    assert document == {
        "FromEmailAddress": "info@xn--bcher-kva.example",
        "Destination": {"ToAddresses": ["ada@xn--mnchen-3ya.de"]},
        "ConfigurationSetName": "transactional",
        "EmailTags": [
            {"Name": "outrider-event-id", "Value": str(outbound.event_id)},
            {"Name": "outrider-delivery-id", "Value": str(outbound.delivery_id)},
        ],
    }


async def test_large_files_go_along(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    content = bytes(range(256)) * 4096
    outbound = replace(text_to("ada@example.com"), files=(file_of("Grüße.pdf", content),))

    assert isinstance(await _send(outgoing, connection, outbound), Sent)

    (attached,) = _mail(api.asked[0]).iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Grüße.pdf", content)


@pytest.mark.parametrize(
    ("region", "answered", "header"),
    [
        ("eu-central-1", "0107-1-000000", "<0107-1-000000@eu-central-1.amazonses.com>"),
        ("us-east-1", "0107-1-000000", "<0107-1-000000@email.amazonses.com>"),
        ("eu-central-1", "1@mail.example", "<1@mail.example>"),
    ],
)
async def test_a_reply_names_what_it_answers_as_it_was_sent(
    region: str,
    answered: str,
    header: str,
    outgoing: OutgoingHttp,
    api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    at = replace(connection, config={**connection.config, "region": region})

    await _send(outgoing, at, replace(text_to("ada@example.com"), reply_to_external_id=answered))

    assert _mail(api.asked[0])["In-Reply-To"] == header


@pytest.mark.parametrize("evil", ["a\r\nBcc: eve@example.com", "a\nb", "a\x00b"])
async def test_a_line_break_in_a_header_is_refused(
    evil: str, outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    attempts = [
        text_to("ada@example.com", subject=evil),
        text_to(f"ada@example.com{evil}"),
        replace(text_to("ada@example.com"), files=(file_of(evil),)),
    ]

    for outbound in attempts:
        assert isinstance(await _send(outgoing, connection, outbound), Rejected)
    assert not api.asked


async def test_a_mailbox_that_ses_cannot_write_to_is_refused(
    outgoing: OutgoingHttp, connection: ConnectionContext
) -> None:
    assert isinstance(await _send(outgoing, connection, text_to("jörg@example.com")), Rejected)


@pytest.mark.parametrize("region", ["", "nowhere", "evil.example/", "eu-central-1.evil", "eu-central-1@x"])
async def test_what_is_no_region_is_not_called(
    region: str, outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    at = replace(connection, config={**connection.config, "region": region})

    assert isinstance(await _send(outgoing, at, text_to("ada@example.com")), Deferred)
    assert isinstance(await SesAdapter(outgoing).check(at), Unhealthy)
    assert not api.asked


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("eu-central-1", "https://email.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "https://email.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_every_region_has_its_server(region: str, url: str) -> None:
    found = Region.of(_config(region=region))

    assert found is not None
    assert found.base_url == url


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ((400, "MessageRejected", "Email address is not verified. …"), FailureCode.ACCOUNT_ERROR),
        ((400, "MessageRejected", "Message contains a virus"), FailureCode.CONTENT_REJECTED),
        ((400, "BadRequestException", "Illegal address"), FailureCode.RECIPIENT_NOT_FOUND),
        ((400, "BadRequestException", "Missing final '@domain'"), FailureCode.RECIPIENT_NOT_FOUND),
        ((400, "BadRequestException", "Message too long"), FailureCode.CONTENT_REJECTED),
        ((413, "", "too large"), FailureCode.CONTENT_REJECTED),
        ((409, "ConflictException", "what"), FailureCode.UNKNOWN),
    ],
)
async def test_refusals_are_classed(
    told: tuple[int, str, str],
    code: FailureCode,
    outgoing: OutgoingHttp,
    api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    status, kind, said = told
    api.reply_with(Reply(status, {"message": said}, {"x-amzn-ErrorType": kind} if kind else {}))

    outcome = await _send(outgoing, connection, text_to("ada@example.com"))

    assert isinstance(outcome, Rejected)
    assert outcome.code is code
    assert said in outcome.detail


@pytest.mark.parametrize(
    ("told", "retry_after", "pauses"),
    [
        ((429, "TooManyRequestsException"), 1.0, True),
        ((400, "Throttling"), 1.0, True),
        ((400, "LimitExceededException"), 600.0, True),
        ((403, "SignatureDoesNotMatch"), 60.0, True),
        ((403, "AccessDeniedException"), 60.0, True),
        ((400, "AccountSuspendedException"), 60.0, True),
        ((400, "SendingPausedException"), 60.0, True),
        ((400, "MailFromDomainNotVerifiedException"), 60.0, True),
        ((404, "NotFoundException"), 60.0, True),
        ((500, "InternalFailure"), None, False),
        ((503, "ServiceUnavailable"), None, False),
        ((408, "RequestTimeout"), None, False),
    ],
)
async def test_what_may_pass_is_put_off(
    told: tuple[int, str],
    retry_after: float | None,
    pauses: bool,
    outgoing: OutgoingHttp,
    api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    status, kind = told
    for reply in (
        Reply(status, {"message": "No"}, {"x-amzn-errortype": f"{kind}:http://internal/"}),
        Reply(status, {"__type": f"com.amazonaws#{kind}", "Message": "No"}),
    ):
        api.reply_with(reply)
        outcome = await _send(outgoing, connection, text_to("ada@example.com"))

        assert isinstance(outcome, Deferred)
        assert (outcome.retry_after, outcome.pauses_connection) == (retry_after, pauses)


async def test_an_answer_that_names_no_mail_leaves_doubt(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    api.reply_with(Reply(200, b"OK"))

    assert isinstance(await _send(outgoing, connection, text_to("ada@example.com")), InDoubt)


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (Reply(200, {"SendingEnabled": True, "ProductionAccessEnabled": True}), Healthy, "eu-central-1"),
        (Reply(200, {"SendingEnabled": True, "ProductionAccessEnabled": False}), Healthy, "sandbox"),
        (Reply(200, {"SendingEnabled": False}), Unhealthy, "paused"),
        (Reply(403, {"message": "no"}), Unhealthy, "refuses"),
    ],
)
async def test_a_check_asks_whether_the_account_may_send(
    reply: Reply,
    kind: type,
    said: str,
    outgoing: OutgoingHttp,
    api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    api.reply_with(reply)

    health = await SesAdapter(outgoing).check(connection)

    assert isinstance(health, kind)
    assert said in health.detail
    assert (api.asked[0].method, api.asked[0].path) == ("GET", "/v2/email/account")
