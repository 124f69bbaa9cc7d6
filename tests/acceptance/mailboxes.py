"""What tests with a real Postfix and Dovecot share: addresses there, mail read and mail posted."""

import email
import email.policy
import imaplib
import smtplib
import time
from email.message import EmailMessage
from uuid import uuid4

import pytest

from tests.peers import MailPeer


def new_desk(postfix: MailPeer) -> str:
    """An address to send from that nobody else uses."""
    return f"desk-{uuid4().hex[:6]}@{postfix.domain}"


def new_person(postfix: MailPeer) -> str:
    """An address to send to that nobody else uses."""
    return f"ada-{uuid4().hex[:8]}@{postfix.domain}"


def bouncing(postfix: MailPeer) -> str:
    """An address that Postfix takes, and Dovecot refuses afterwards."""
    return f"ada!{uuid4().hex[:6]}@{postfix.domain}"


def config_of(postfix: MailPeer, desk: str, **more: object) -> dict[str, object]:
    """The configuration of a connection that sends from an address there, and reads its mailbox."""
    return {
        "host": postfix.host,
        "port": postfix.smtp_port,
        "security": "none",
        "from_email": desk,
        "from_name": "Ferry desk",
        "imap_host": postfix.host,
        "imap_port": postfix.imap_port,
        "imap_security": "none",
        "imap_password": postfix.password,
        "imap_poll_seconds": 1,
        **more,
    }


def received_by(postfix: MailPeer, user: str) -> EmailMessage:
    """The newest mail of a mailbox, once there is one."""
    give_up_at = time.monotonic() + 20
    with imaplib.IMAP4(postfix.host, postfix.imap_port, timeout=10) as imap:
        imap.login(user, postfix.password)
        while time.monotonic() < give_up_at:
            imap.select("INBOX")
            _, (found,) = imap.search(None, "ALL")
            if found:
                _, parts = imap.fetch(found.split()[-1].decode(), "(RFC822)")
                assert isinstance(parts[0], tuple)
                mail = email.message_from_bytes(parts[0][1], policy=email.policy.default)
                assert isinstance(mail, EmailMessage)
                return mail
            time.sleep(0.1)
    pytest.fail("the mail did not arrive")


def post(postfix: MailPeer, mail: EmailMessage, sender: str, recipient: str) -> None:
    """Send a mail as other people do."""
    with smtplib.SMTP(postfix.host, postfix.smtp_port, timeout=10) as smtp:
        smtp.send_message(mail, sender, [recipient])


def written(sender: str, recipient: str, subject: str, text: str) -> EmailMessage:
    """A mail by Ada."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Ada <{sender}>", recipient, subject
    mail["Message-ID"] = f"<{uuid4()}@ada.example>"
    mail.set_content(text)
    return mail
