"""Conversations with a mail server: their ends, the pool, encryption and the guard."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from outrider.platforms.base import Channel, ConnectionContext, Deferred, FailureCode, InDoubt, Rejected, Sent
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.smtp.adapter import SmtpAdapter
from outrider.platforms.smtp.pool import SessionPool
from outrider.platforms.smtp.replies import Trouble
from outrider.platforms.smtp.sessions import Server
from tests.platforms.connections import connection_of, text_to
from tests.platforms.smtp.certificates import write_certificate
from tests.platforms.smtp.smtp_vendor import SmtpVendor, smtp_vendor

HERE = PublicHosts(allow_private_targets=True)


@pytest.fixture
async def vendor() -> AsyncGenerator[SmtpVendor]:
    async with smtp_vendor() as listening:
        yield listening


@pytest.fixture
async def smtp() -> AsyncGenerator[SmtpAdapter]:
    adapter = SmtpAdapter(HERE, attempt_seconds=3.0)
    yield adapter
    await adapter.close()


def _connection(port: int, **config: object) -> ConnectionContext:
    defaults = {"host": "127.0.0.1", "port": port, "security": "none", "from_email": "hello@sender.example"}
    return connection_of(Channel.EMAIL, **(defaults | config))


async def test_the_mail_arrives_as_it_was_written(smtp: SmtpAdapter, vendor: SmtpVendor) -> None:
    outbound = text_to("ada@example.com", ".leading dot\n..two\nend", subject="Dots")

    outcome = await smtp.send(outbound, _connection(vendor.port))

    (taken,) = vendor.taken
    assert outcome == Sent(f"{outbound.delivery_id}@sender.example")
    assert (taken.sender, taken.recipient) == ("hello@sender.example", "ada@example.com")
    assert taken.mail["Message-ID"] == f"<{outbound.delivery_id}@sender.example>"
    assert taken.mail.get_content() == ".leading dot\r\n..two\r\nend\r\n"


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        ("CONNECT", Deferred),
        ("EHLO", Deferred),
        ("MAIL", Deferred),
        ("RCPT", Deferred),
        ("DATA", Deferred),
        (".", InDoubt),
    ],
)
@pytest.mark.parametrize("way", ["stops", "hangs"])
async def test_a_lost_conversation_is_in_doubt_only_after_the_final_dot(
    stop: str, kind: type, way: str, vendor: SmtpVendor
) -> None:
    smtp = SmtpAdapter(HERE, attempt_seconds=1.3)
    getattr(vendor, way).add(stop)

    outcome = await smtp.send(text_to("ada@example.com"), _connection(vendor.port))

    assert isinstance(outcome, kind)
    assert stop in {"CONNECT", "."} or stop in vendor.commands[-1]
    await smtp.close()


async def test_a_server_that_stops_reading_amid_the_content_has_not_got_it(vendor: SmtpVendor) -> None:
    async def read_a_little(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"220 hi", b"250 ok", b"250 ok", b"250 ok", b"354 go on"):
            writer.write(answer + b"\r\n")
            await reader.readline()
        writer.transport.abort()

    async with await asyncio.start_server(read_a_little, "127.0.0.1", 0, limit=1024) as server:
        smtp = SmtpAdapter(HERE)
        port = server.sockets[0].getsockname()[1]
        outcome = await smtp.send(text_to("ada@example.com", "x" * 30_000_000), _connection(port))

    assert isinstance(outcome, Deferred)
    await smtp.close()


@pytest.mark.parametrize(
    ("step", "reply", "code"),
    [
        ("RCPT", "550 5.1.1 unknown", FailureCode.RECIPIENT_NOT_FOUND),
        ("MAIL", "552 5.3.4 too big", FailureCode.CONTENT_REJECTED),
        (".", "554 5.7.1 spam", FailureCode.CONTENT_REJECTED),
    ],
)
async def test_after_a_refusal_the_conversation_takes_the_next_mail(
    step: str, reply: str, code: FailureCode, smtp: SmtpAdapter, vendor: SmtpVendor
) -> None:
    connection = _connection(vendor.port)
    vendor.replies[step] = reply

    refused = await smtp.send(text_to("bob@example.com"), connection)
    del vendor.replies[step]
    taken = await smtp.send(text_to("ada@example.com"), connection)

    assert isinstance(refused, Rejected)
    assert refused.code is code
    assert isinstance(taken, Sent)
    assert vendor.connections == 1
    assert "RSET" in vendor.commands


async def test_mails_of_one_connection_share_few_conversations(smtp: SmtpAdapter, vendor: SmtpVendor) -> None:
    connection = _connection(vendor.port)

    outcomes = await asyncio.gather(*(smtp.send(text_to("ada@example.com"), connection) for _ in range(30)))

    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert len(vendor.taken) == 30
    assert vendor.most_at_once <= 4
    assert vendor.connections <= 4


async def test_connections_and_changed_configs_do_not_share(smtp: SmtpAdapter, vendor: SmtpVendor) -> None:
    first = _connection(vendor.port)
    other = _connection(vendor.port)
    changed = replace(first, config={**first.config, "username": "u", "password": "p"})
    vendor.extensions.append("AUTH PLAIN")

    for connection in (first, other, changed, first):
        assert isinstance(await smtp.send(text_to("ada@example.com"), connection), Sent)

    assert vendor.connections == 3


async def test_a_stale_conversation_is_replaced(smtp: SmtpAdapter, vendor: SmtpVendor) -> None:
    connection = _connection(vendor.port)
    await smtp.send(text_to("ada@example.com"), connection)
    vendor.hang_up()

    outcome = await smtp.send(text_to("ada@example.com"), connection)

    assert isinstance(outcome, Sent)
    assert vendor.connections == 2


async def test_a_conversation_that_answers_the_reset_badly_is_replaced(
    smtp: SmtpAdapter, vendor: SmtpVendor
) -> None:
    connection = _connection(vendor.port)
    await smtp.send(text_to("ada@example.com"), connection)
    vendor.replies["RSET"] = "421 4.4.2 idle for too long"

    outcome = await smtp.send(text_to("ada@example.com"), connection)

    assert isinstance(outcome, Sent)
    assert vendor.connections == 2


async def test_idle_conversations_end_with_a_goodbye_and_leave_nothing(vendor: SmtpVendor) -> None:
    pool = SessionPool(HERE, idle_seconds=0.05)
    server = Server.of(_connection(vendor.port).config)
    give_up_at = asyncio.get_running_loop().time() + 5
    async with pool.session("owner", server, give_up_at):
        pass
    assert "QUIT" not in vendor.commands

    await asyncio.sleep(0.3)

    assert vendor.commands[-1] == "QUIT"
    assert pool._lanes == {}


async def test_waiting_for_a_conversation_ends_with_the_attempt(vendor: SmtpVendor) -> None:
    pool = SessionPool(HERE, limit=1)
    server = Server.of(_connection(vendor.port).config)
    now = asyncio.get_running_loop().time()

    async with pool.session("owner", server, now + 5):
        with pytest.raises(Trouble, match="busy"):
            async with pool.session("owner", server, now + 0.2):
                pytest.fail("two conversations at once")
    await pool.close()


async def test_a_cancelled_send_leaves_no_half_used_conversation(
    smtp: SmtpAdapter, vendor: SmtpVendor
) -> None:
    connection = _connection(vendor.port)
    vendor.hangs.add(".")
    sending = asyncio.create_task(smtp.send(text_to("ada@example.com"), connection))
    while "DATA" not in vendor.commands:
        await asyncio.sleep(0.01)

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    vendor.hangs.clear()

    assert isinstance(await smtp.send(text_to("ada@example.com"), connection), Sent)
    assert vendor.connections == 2


async def test_a_local_part_beyond_ascii_needs_a_server_that_takes_it(
    smtp: SmtpAdapter, vendor: SmtpVendor
) -> None:
    connection = _connection(vendor.port)

    assert isinstance(await smtp.send(text_to("jörg@münchen.de"), connection), Sent)
    assert vendor.taken[0].recipient == "jörg@xn--mnchen-3ya.de"
    assert any(command.endswith("SMTPUTF8") for command in vendor.commands)

    vendor.extensions.remove("SMTPUTF8")
    outcome = await smtp.send(text_to("jörg@münchen.de"), _connection(vendor.port))
    assert isinstance(outcome, Rejected)
    assert outcome.code is FailureCode.ACCOUNT_ERROR


async def test_private_hosts_are_not_dialled_unless_allowed(vendor: SmtpVendor) -> None:
    smtp = SmtpAdapter(PublicHosts())

    for host in ("127.0.0.1", "localhost", "::1", "no-such-host.invalid", "a..b", "ü" * 300):
        outcome = await smtp.send(text_to("ada@example.com"), _connection(vendor.port, host=host))
        assert isinstance(outcome, Deferred)

    assert vendor.connections == 0


# Against aiosmtpd: encryption and login as a finished server does them.


class _Mailbox:
    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert session.authenticated
        self.taken.append(envelope)
        return "250 2.0.0 kept"


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"outrider", b"s3cret")
    return AuthResult(success=is_known, handled=False)


@pytest.fixture(params=["starttls", "tls"])
async def encrypted(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[tuple[str, int, _Mailbox]]:
    certificate, key = write_certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    mailbox = _Mailbox()
    options = {"authenticator": _authenticate, "auth_required": True}

    def factory() -> SMTP:
        if request.param == "starttls":
            return SMTP(mailbox, tls_context=context, require_starttls=True, **options)
        # aiosmtpd does not see that the socket below it is encrypted, and warns.
        with warnings.catch_warnings(action="ignore"):
            return SMTP(mailbox, auth_require_tls=False, **options)

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        factory, "127.0.0.1", 0, ssl=context if request.param == "tls" else None
    )
    yield request.param, listening.sockets[0].getsockname()[1], mailbox
    listening.close()
    await listening.wait_closed()


async def test_encryption_and_login(encrypted: tuple[str, int, _Mailbox], smtp: SmtpAdapter) -> None:
    security, port, mailbox = encrypted
    login = {"username": "outrider", "password": "s3cret"}
    connection = _connection(port, security=security, verify_certificates=False, **login)

    outcomes = [await smtp.send(text_to("ada@example.com"), connection) for _ in range(2)]

    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert [envelope.rcpt_tos for envelope in mailbox.taken] == [["ada@example.com"]] * 2


async def test_a_wrong_password_keeps_the_message(
    encrypted: tuple[str, int, _Mailbox], smtp: SmtpAdapter
) -> None:
    security, port, mailbox = encrypted
    login = {"username": "outrider", "password": "wrong"}
    connection = _connection(port, security=security, verify_certificates=False, **login)

    outcome = await smtp.send(text_to("ada@example.com"), connection)

    assert isinstance(outcome, Deferred)
    assert outcome.pauses_connection
    assert "535" in outcome.detail
    assert "wrong" not in outcome.detail
    assert mailbox.taken == []


async def test_a_missing_login_keeps_the_message(
    encrypted: tuple[str, int, _Mailbox], smtp: SmtpAdapter
) -> None:
    security, port, _ = encrypted

    outcome = await smtp.send(
        text_to("ada@example.com"), _connection(port, security=security, verify_certificates=False)
    )

    assert isinstance(outcome, Deferred)
    assert outcome.pauses_connection


async def test_an_untrusted_certificate_is_an_account_trouble(
    encrypted: tuple[str, int, _Mailbox], smtp: SmtpAdapter
) -> None:
    security, port, mailbox = encrypted

    outcome = await smtp.send(text_to("ada@example.com"), _connection(port, security=security))

    assert isinstance(outcome, Deferred)
    assert outcome.pauses_connection
    assert "certificate is not trusted" in outcome.detail
    assert mailbox.taken == []


async def test_without_starttls_nothing_is_sent_in_the_clear(smtp: SmtpAdapter, vendor: SmtpVendor) -> None:
    connection = _connection(vendor.port, security="starttls", username="u", password="p")

    outcome = await smtp.send(text_to("ada@example.com"), connection)

    assert isinstance(outcome, Deferred)
    assert outcome.pauses_connection
    assert not any(command.startswith(("AUTH", "MAIL")) for command in vendor.commands)
