"""The SMTP provider against a real Postfix, read back from a real Dovecot."""

import asyncio
import email
import email.policy
import imaplib
import time
from collections.abc import AsyncGenerator, Generator
from email.message import EmailMessage
from uuid import uuid4

import pytest

from outrider.platforms.base import Channel, ConnectionContext, Deferred, FailureCode, Outcome, Rejected, Sent
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.smtp.adapter import SmtpAdapter
from tests.peers import MailPeer, PeerMissing, mail_peer
from tests.platforms.connections import connection_of, text_to


@pytest.fixture(scope="module")
def postfix() -> Generator[MailPeer]:
    try:
        with mail_peer() as peer:
            yield peer
    except PeerMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture
async def smtp() -> AsyncGenerator[SmtpAdapter]:
    adapter = SmtpAdapter(PublicHosts(allow_private_targets=True))
    yield adapter
    await adapter.close()


def _connection(postfix: MailPeer, **changes: object) -> ConnectionContext:
    config = {
        "host": postfix.host,
        "port": postfix.smtp_port,
        "security": "none",
        "username": f"outrider@{postfix.domain}",
        "password": postfix.password,
        "from_email": f"outrider@{postfix.domain}",
        "from_name": "Outrider",
    }
    return connection_of(Channel.EMAIL, **(config | changes))


def _read_back(postfix: MailPeer, user: str, message_id: str) -> EmailMessage:
    give_up_at = time.monotonic() + 20
    with imaplib.IMAP4(postfix.host, postfix.imap_port, timeout=10) as imap:
        imap.login(user, postfix.password)
        while time.monotonic() < give_up_at:
            imap.select("INBOX")
            _, (found,) = imap.search(None, "HEADER", "Message-ID", f"<{message_id}>")
            if found:
                _, parts = imap.fetch(found.split()[0].decode(), "(RFC822)")
                assert isinstance(parts[0], tuple)
                mail = email.message_from_bytes(parts[0][1], policy=email.policy.default)
                assert isinstance(mail, EmailMessage)
                return mail
            time.sleep(0.1)
    pytest.fail("the mail did not arrive")


async def test_a_mail_is_read_back_with_its_subject_and_both_bodies(
    postfix: MailPeer, smtp: SmtpAdapter
) -> None:
    user = f"ada-{uuid4().hex[:8]}@{postfix.domain}"
    html = "<h1>Fahrplan</h1><p>Die Fähre legt um <b>7:40</b> ab ⛴</p>"
    outbound = text_to(user, html, subject="Fähre nach Föhr ⛴", content_type="text/html")

    outcome = await smtp.send(outbound, _connection(postfix))

    assert isinstance(outcome, Sent)
    mail = await asyncio.to_thread(_read_back, postfix, user, outcome.external_id)
    assert mail["Subject"] == "Fähre nach Föhr ⛴"
    assert mail["From"] == f"Outrider <outrider@{postfix.domain}>"
    bodies = {part.get_content_type(): part.get_content() for part in mail.iter_parts()}
    assert bodies["text/html"].strip() == html
    assert bodies["text/plain"].strip() == "Fahrplan\r\n\r\nDie Fähre legt um 7:40 ab ⛴"


async def _outcome_for(postfix: MailPeer, smtp: SmtpAdapter, user: str, **changes: object) -> Outcome:
    return await smtp.send(text_to(f"{user}@{postfix.domain}"), _connection(postfix, **changes))


async def test_an_unknown_recipient_is_not_found(postfix: MailPeer, smtp: SmtpAdapter) -> None:
    outcome = await _outcome_for(postfix, smtp, "bob")

    assert isinstance(outcome, Rejected)
    assert outcome.code is FailureCode.RECIPIENT_NOT_FOUND
    assert "5.1.1" in outcome.detail


async def test_a_busy_recipient_is_deferred(postfix: MailPeer, smtp: SmtpAdapter) -> None:
    outcome = await _outcome_for(postfix, smtp, "busy")

    assert isinstance(outcome, Deferred)
    assert not outcome.pauses_connection


async def test_a_wrong_password_pauses_the_connection(postfix: MailPeer, smtp: SmtpAdapter) -> None:
    outcome = await _outcome_for(postfix, smtp, "ada", password="wrong")

    assert isinstance(outcome, Deferred)
    assert outcome.pauses_connection
    assert "535" in outcome.detail


async def test_a_mail_over_the_servers_limit_is_refused(postfix: MailPeer, smtp: SmtpAdapter) -> None:
    outcome = await smtp.send(text_to(f"ada@{postfix.domain}", "x" * 2_000_000), _connection(postfix))

    assert isinstance(outcome, Rejected)
    assert outcome.code is FailureCode.CONTENT_REJECTED


async def test_many_mails_in_a_row_and_beside_each_other(postfix: MailPeer, smtp: SmtpAdapter) -> None:
    connection = _connection(postfix)
    users = ["ada", "bob", "busy", "cleo"] * 5

    outcomes = await asyncio.gather(
        *(smtp.send(text_to(f"{user}@{postfix.domain}"), connection) for user in users)
    )

    kinds = {"ada": Sent, "bob": Rejected, "busy": Deferred, "cleo": Sent}
    assert [type(outcome) for outcome in outcomes] == [kinds[user] for user in users]


async def test_a_local_part_beyond_ascii_is_taken(postfix: MailPeer, smtp: SmtpAdapter) -> None:
    assert isinstance(await _outcome_for(postfix, smtp, "jörg"), Sent)
