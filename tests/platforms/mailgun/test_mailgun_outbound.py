"""What the Mailgun provider asks of Mailgun and how it reads the answers."""

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
from outrider.platforms.mailgun.adapter import MailgunAdapter
from tests.platforms.connections import connection_of, text_to
from tests.platforms.http_vendor import HttpVendor, Reply, http_vendor

TAKEN = Reply(200, {"id": "<given@mg.sender.example>", "message": "Queued. Thank you."})


@pytest.fixture
async def api() -> AsyncGenerator[HttpVendor]:
    async with http_vendor(lambda _: TAKEN) as vendor:
        yield vendor


@pytest.fixture
def connection(api: HttpVendor) -> ConnectionContext:
    return connection_of(
        Channel.EMAIL,
        api_key="k3y",
        domain="mg.sender.example",
        from_email="info@bücher.example",
        from_name="Sender & Söhne, Inc.",
        api_base_url=f"{api.url}/",
    )


async def _send(outgoing: OutgoingHttp, connection: ConnectionContext, outbound: Outbound) -> Outcome:
    return await MailgunAdapter(outgoing).send(outbound, connection)


async def test_a_mail_goes_out_as_a_form(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    outbound = text_to("ada@münchen.de", "Grüße 👋", subject="Prüfung 📬")

    assert await _send(outgoing, connection, outbound) == Sent("given@mg.sender.example")

    (asked,) = api.asked
    assert (asked.method, asked.path) == ("POST", "/v3/mg.sender.example/messages")
    assert asked.headers["authorization"] == "Basic YXBpOmszeQ=="
    assert asked.form == {
        "from": '"Sender & Söhne, Inc." <info@xn--bcher-kva.example>',
        "to": "ada@xn--mnchen-3ya.de",
        "subject": "Prüfung 📬",
        "text": "Grüße 👋",
        "h:Message-Id": f"<{outbound.delivery_id}@xn--bcher-kva.example>",
        "v:outrider-event-id": str(outbound.event_id),
    }


async def test_html_has_a_text_beside_it_and_a_reply_names_what_it_answers(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    outbound = text_to("ada@example.com", "<p>Hi <b>Ada</b></p>", content_type="text/html")

    await _send(outgoing, connection, replace(outbound, reply_to_external_id="1@mail.example"))

    form = api.asked[0].form
    assert (form["text"], form["html"]) == ("Hi Ada\n", "<p>Hi <b>Ada</b></p>")
    assert form["h:In-Reply-To"] == form["h:References"] == "<1@mail.example>"


async def test_files_go_along_with_their_names(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    files = (file_of('Grüße "1".pdf', b"one"), file_of("b.pdf", b"two"))
    content = {"type": "document", "media": {"id": "x"}, "caption": "Look"}

    await _send(outgoing, connection, replace(text_to("ada@example.com"), content=content, files=files))

    body = api.asked[0].body
    assert body.count(b'name="attachment"; filename=') == 2
    assert 'filename="Grüße %221%22.pdf"\r\nContent-Type: application/pdf\r\n\r\none'.encode() in body
    assert api.asked[0].form["text"] == "Look"


@pytest.mark.parametrize("evil", ["a\r\nBcc: eve@example.com", "a\nb", "a\x00b", "a\u2028b"])
async def test_a_line_break_in_a_header_is_refused(
    evil: str, outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    content = {"type": "document", "media": {"id": "x"}}
    attempts = [
        (connection, text_to("ada@example.com", subject=evil)),
        (connection, text_to(f"ada@example.com{evil}")),
        (replace(connection, config={**connection.config, "from_name": evil}), text_to("ada@example.com")),
        (
            replace(connection, config={**connection.config, "from_email": f"a@b.example{evil}"}),
            text_to("a@b.c"),
        ),
        (connection, replace(text_to("ada@example.com"), content=content, files=(file_of(evil),))),
    ]

    for at, outbound in attempts:
        assert isinstance(await _send(outgoing, at, outbound), Rejected)
    assert not api.asked


async def test_a_mailbox_that_mailgun_cannot_write_to_is_refused(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    outcome = await _send(outgoing, connection, text_to("jörg@example.com"))

    assert isinstance(outcome, Rejected)
    assert outcome.code is FailureCode.RECIPIENT_NOT_FOUND


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (
            400,
            "'to' parameter is not a valid address. please check documentation",
            FailureCode.RECIPIENT_NOT_FOUND,
        ),
        (400, "to parameter is not a valid address", FailureCode.RECIPIENT_NOT_FOUND),
        (400, "'from' parameter is not a valid address", FailureCode.ACCOUNT_ERROR),
        (400, "Need at least one of 'text', 'html' parameters", FailureCode.CONTENT_REJECTED),
        (413, "Request Entity Too Large", FailureCode.CONTENT_REJECTED),
        (418, "I'm a teapot", FailureCode.UNKNOWN),
    ],
)
async def test_refusals_are_classed(
    status: int,
    said: str,
    code: FailureCode,
    outgoing: OutgoingHttp,
    api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    api.reply_with(Reply(status, {"message": said}))

    outcome = await _send(outgoing, connection, text_to("ada@example.com"))

    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.detail) == (code, said)


@pytest.mark.parametrize(
    ("reply", "retry_after", "pauses"),
    [
        (Reply(401, b"Forbidden"), 60.0, True),
        (Reply(402, {"message": "Disabled"}), 60.0, True),
        (Reply(403, {"message": "Activate your account"}), 60.0, True),
        (Reply(404, {"message": "Domain not found"}), 60.0, True),
        (Reply(429, {"message": "Slow"}, {"retry-after": "7"}), 7.0, True),
        (Reply(429, {"message": "Slow"}), 5.0, True),
        (Reply(429, {"message": "Slow"}, {"x-ratelimit-reset": "1000"}), 0.0, True),
        (Reply(500, b""), None, False),
        (Reply(503, b"<html>"), None, False),
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

    outcome = await _send(outgoing, connection, text_to("ada@example.com"))

    assert isinstance(outcome, Deferred)
    assert (outcome.retry_after, outcome.pauses_connection) == (retry_after, pauses)


async def test_an_answer_that_names_no_mail_leaves_doubt(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    api.reply_with(Reply(200, b"OK"))

    assert isinstance(await _send(outgoing, connection, text_to("ada@example.com")), InDoubt)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Healthy), (401, Unhealthy), (404, Unhealthy), (500, Unhealthy)]
)
async def test_a_check_asks_for_a_mail_that_cannot_be_sent(
    status: int, kind: type, outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    api.reply_with(Reply(status, {"message": "from parameter is missing"}))

    assert isinstance(await MailgunAdapter(outgoing).check(connection), kind)
    assert api.asked[0].form == {"o:testmode": "yes"}


async def test_a_kept_file_is_fetched_with_the_key_and_only_from_mailgun(
    outgoing: OutgoingHttp, api: HttpVendor, connection: ConnectionContext
) -> None:
    adapter = MailgunAdapter(outgoing)
    api.reply_with(Reply(200, b"bytes"))

    assert await adapter.fetch_file({"url": f"{api.url}/v3/x/0"}, connection) == FetchedFile(b"bytes")
    assert api.asked[0].headers["authorization"].startswith("Basic ")
    for elsewhere in (
        "http://169.254.169.254/",
        "https://mailgun.net.evil.example/",
        "https://a@se.mailgun.net/",
    ):
        assert isinstance(await adapter.fetch_file({"url": elsewhere}, connection), Rejected)
