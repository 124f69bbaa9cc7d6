"""What the Twilio provider asks of Twilio and how it reads the answers."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import (
    Channel,
    ConnectionContext,
    Deferred,
    FailureCode,
    FetchedFile,
    Healthy,
    InDoubt,
    Outbound,
    Outcome,
    Rejected,
    Sent,
    Unhealthy,
)
from outrider.platforms.conformance_case import file_of
from outrider.platforms.twilio.adapter import TwilioAdapter
from outrider.platforms.twilio.client import Account
from outrider.platforms.twilio.outbound import form_of_message
from tests.platforms.connections import connection_of, text_to
from tests.platforms.http_vendor import HttpVendor, Reply, http_vendor

TO, FROM = "+14155552671", "+14155550100"
TAKEN = Reply(201, {"sid": "SM1", "status": "queued", "error_code": None})


@pytest.fixture
async def api() -> AsyncGenerator[HttpVendor]:
    async with http_vendor(lambda _: TAKEN) as vendor:
        yield vendor


def _connection(**config: object) -> ConnectionContext:
    return connection_of(
        Channel.SMS, **{"account_sid": "AC1", "auth_token": "t0ken", "phone_number": FROM, **config}
    )


@pytest.fixture
def connection(api: HttpVendor) -> ConnectionContext:
    return _connection(api_base_url=f"{api.url}/")


async def _send(
    outgoing: OutgoingHttp, connection: ConnectionContext, outbound: Outbound | None = None
) -> Outcome:
    return await TwilioAdapter(outgoing).send(outbound or text_to(TO, "Olá 👋 & more=1"), connection)


def _mms(*names: str, caption: str | None = "Look") -> Outbound:
    files = tuple(replace(file_of(name), url=f"https://outrider.example/files/{name}?s=1") for name in names)
    content = {"type": "image", "media": {"id": "x"}} | ({"caption": caption} if caption else {})
    return replace(text_to(TO), content=content, files=files)


async def test_a_text_goes_out_as_a_form_with_the_address_for_its_receipts(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    assert await _send(outgoing, connection) == Sent("SM1")

    (asked,) = api.asked
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC1/Messages.json")
    assert asked.headers["authorization"] == "Basic QUMxOnQwa2Vu"
    assert asked.pairs == [
        ("To", TO),
        ("From", FROM),
        ("Body", "Olá 👋 & more=1"),
        ("StatusCallback", connection.webhook_url),
    ]


async def test_a_messaging_service_goes_before_a_number(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    config = {**connection.config, "messaging_service_sid": "MG1"}
    await _send(outgoing, replace(connection, config=config))

    assert api.asked[0].form["MessagingServiceSid"] == "MG1"
    assert "From" not in api.asked[0].form


async def test_without_a_sender_messages_wait_for_one(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    outcome = await _send(outgoing, replace(connection, config={**connection.config, "phone_number": " "}))

    assert isinstance(outcome, Deferred)
    assert outcome.pauses_connection
    assert not api.asked


async def test_files_go_out_as_addresses_that_twilio_fetches(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    await _send(outgoing, connection, _mms("a.png", "b.png"))
    await _send(outgoing, connection, _mms("a.png", caption=None))

    assert [value for name, value in api.asked[0].pairs if name in {"Body", "MediaUrl"}] == [
        "Look",
        "https://outrider.example/files/a.png?s=1",
        "https://outrider.example/files/b.png?s=1",
    ]
    assert "Body" not in api.asked[1].form
    assert isinstance(await _send(outgoing, connection, _mms(*"abcdefghijk")), Rejected)


def test_twilio_itself_is_told_no_address_that_it_cannot_reach() -> None:
    outbound = text_to(TO)
    own, emulator = _connection(), _connection(api_base_url="http://127.0.0.1:9")
    local = "http://127.0.0.1:8080/webhooks/1/s"

    told = [
        [name for name, _ in form_of_message(outbound, replace(connection, webhook_url=url))]
        for connection, url in ((own, local), (own, ""), (own, "https://o.example/w"), (emulator, local))
    ]

    assert ["StatusCallback" in names for names in told] == [False, False, True, True]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21211, FailureCode.RECIPIENT_NOT_FOUND),
        (400, 21614, FailureCode.RECIPIENT_NOT_FOUND),
        (400, 21604, FailureCode.RECIPIENT_NOT_FOUND),
        (400, 21635, FailureCode.RECIPIENT_NOT_FOUND),
        (400, 21610, FailureCode.RECIPIENT_BLOCKED),
        (400, 21602, FailureCode.CONTENT_REJECTED),
        (400, 21617, FailureCode.CONTENT_REJECTED),
        (400, 21606, FailureCode.ACCOUNT_ERROR),
        (400, 21659, FailureCode.ACCOUNT_ERROR),
        (403, 21408, FailureCode.ACCOUNT_ERROR),
        (400, 21608, FailureCode.ACCOUNT_ERROR),
        (400, 63016, FailureCode.WINDOW_CLOSED),
        (400, 99999, FailureCode.UNKNOWN),
        (422, None, FailureCode.UNKNOWN),
    ],
)
async def test_refusals_are_classed_by_their_code(
    status: int,
    code: int | None,
    expected: FailureCode,
    outgoing: OutgoingHttp,
    api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    api.reply_with(Reply(status, {"code": code, "message": "No", "status": status}))

    outcome = await _send(outgoing, connection)

    assert isinstance(outcome, Rejected)
    assert outcome.code is expected


@pytest.mark.parametrize(
    ("reply", "retry_after", "pauses"),
    [
        (Reply(401, {"code": 20003, "message": "Authenticate"}), 60.0, True),
        (Reply(403, {"code": 30002, "message": "Suspended"}), 60.0, True),
        (Reply(404, {"code": 20404, "message": "Not found"}), 60.0, True),
        (Reply(400, {"code": "90010", "message": "Inactive"}), 60.0, True),
        (Reply(429, {"code": 20429, "message": "Too many"}), 2.0, True),
        (Reply(429, b"", {"retry-after": "7"}), 7.0, True),
        (Reply(400, {"code": 14107, "message": "Rate"}), 2.0, True),
        (Reply(400, {"code": 21611, "message": "Queue"}), 30.0, True),
        (Reply(500, b"<html>"), None, False),
        (Reply(503, {"code": 20503}), None, False),
        (Reply(408, b""), None, False),
    ],
)
async def test_what_may_pass_is_put_off(
    reply: Reply,
    retry_after: float | None,
    pauses: bool,
    outgoing: OutgoingHttp,
    api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    api.reply_with(reply)

    outcome = await _send(outgoing, connection)

    assert isinstance(outcome, Deferred)
    assert (outcome.retry_after, outcome.pauses_connection) == (retry_after, pauses)


async def test_an_answer_that_names_no_message_leaves_doubt(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    api.reply_with(Reply(201, b"<html>"))

    assert isinstance(await _send(outgoing, connection), InDoubt)


async def test_a_message_that_failed_at_once_is_rejected(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    api.reply_with(Reply(201, {"sid": "SM1", "status": "failed", "error_code": 30007}))

    outcome = await _send(outgoing, connection)

    assert isinstance(outcome, Rejected)
    assert outcome.code is FailureCode.CONTENT_REJECTED


@pytest.mark.parametrize(
    ("reply", "is_healthy"),
    [
        (Reply(200, {"friendly_name": "Shop", "status": "active"}), True),
        (Reply(200, {"friendly_name": "Shop", "status": "suspended"}), False),
        (Reply(401, {"code": 20003, "message": "Authenticate"}), False),
        (Reply(500, b""), False),
    ],
)
async def test_a_check_asks_who_the_account_is(
    reply: Reply, is_healthy: bool, outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    api.reply_with(reply)

    health = await TwilioAdapter(outgoing).check(connection)

    assert isinstance(health, Healthy if is_healthy else Unhealthy)
    assert (api.asked[0].method, api.asked[0].path) == ("GET", "/2010-04-01/Accounts/AC1.json")


async def test_a_file_is_fetched_as_the_account_and_from_elsewhere_as_nobody(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    async with http_vendor(lambda _: Reply(200, b"bytes")) as storage:
        api.reply_with(Reply(307, b"", {"location": f"{storage.url}/signed"}))

        fetched = await TwilioAdapter(outgoing).fetch_file({"url": f"{api.url}/media/1"}, connection)

        assert fetched == FetchedFile(b"bytes")
        assert api.asked[0].headers["authorization"] == Account.of(connection.config).authorization
        assert "authorization" not in storage.asked[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "https://api.twilio.com.evil.example/m",
        "https://eviltwilio.com/m",
        "http://api.twilio.com/m",
        "https://api.twilio.com:8443/m",
        "https://[",
        "file:///etc/passwd",
    ],
)
async def test_credentials_go_to_nobody_but_twilio(
    url: str, outgoing: OutgoingHttp, connection: ConnectionContext
) -> None:
    assert isinstance(await TwilioAdapter(outgoing).fetch_file({"url": url}, connection), Rejected)


@pytest.mark.parametrize(("status", "kind"), [(404, Rejected), (401, Deferred), (500, Deferred)])
async def test_a_file_that_is_not_given_is_an_outcome(
    status: int, kind: type, outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    api.reply_with(Reply(status, b""))

    assert isinstance(await TwilioAdapter(outgoing).fetch_file({"url": f"{api.url}/m"}, connection), kind)
