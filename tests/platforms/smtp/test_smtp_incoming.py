"""Mails as servers and people really send them, and as somebody sends them who wants to fool us."""

from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest

from outrider.core.ids import IdClock
from outrider.platforms.base import Channel, ConnectionContext, InboundItem, InboundMessage, Unrecognised
from outrider.platforms.failure_codes import FailureCode
from outrider.platforms.mail_addresses import read_mail_address
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.smtp.incoming import read_incoming
from outrider.platforms.smtp.return_paths import ReturnPaths, return_address

_IDS = IdClock()
_DESK = "desk@ferry.example"
PATHS = ReturnPaths((b"k" * 32,))
MESSAGE = _IDS.new()
CONNECTION = ConnectionContext(
    _IDS.new(), _IDS.new(), Channel.EMAIL, {"from_email": _DESK, "imap_host": "imap.ferry.example"}
)


def _path(message: UUID = MESSAGE, connection: ConnectionContext = CONNECTION, **config: object) -> str:
    sender = read_mail_address(_DESK)
    assert sender is not None
    path = PATHS.make(connection.connection_id, message, sender, {**connection.config, **config})
    assert path is not None
    return path


def _read(raw: bytes | str, paths: ReturnPaths = PATHS) -> tuple[InboundItem, ...]:
    body = raw.encode() if isinstance(raw, str) else raw
    return read_incoming(body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), CONNECTION, paths)


def _one(raw: bytes | str) -> InboundItem:
    (item,) = _read(raw)
    return item


def _report(fields: Iterable[str], *, to: str | None = None, preamble: str = "") -> str:
    status = "\n".join(fields)
    return f"""Return-Path: <>
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: {_path() if to is None else to}
Subject: Undelivered Mail
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

{preamble}
--b1
Content-Type: text/plain

Sorry.
--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

{status}

--b1
Content-Type: text/rfc822-headers

Message-ID: <{MESSAGE}@ferry.example>
--b1--
"""


# --- reports of several servers


@pytest.mark.parametrize(
    ("fields", "code", "is_permanent", "told"),
    [
        pytest.param(
            [
                "Final-Recipient: rfc822; ada@a.example",
                "Action: failed",
                "Status: 5.1.1",
                "Diagnostic-Code: smtp; 550 5.1.1 <ada@a.example>: no such user",
            ],
            FailureCode.RECIPIENT_NOT_FOUND,
            True,
            "no such user",
            id="postfix",
        ),
        pytest.param(
            [
                "Original-Recipient: rfc822;ada@a.example",
                "Action: failed",
                "Status: 5.0.0",
                "Diagnostic-Code: smtp; 550-5.1.1 The account does not exist.",
                " 550 5.1.1 Try again",
            ],
            FailureCode.RECIPIENT_NOT_FOUND,
            True,
            "does not exist",
            id="exim",
        ),
        pytest.param(
            [
                "Final-Recipient: rfc822;ada@a.example",
                "Action: failed",
                "Status: 5.1.10",
                "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; by address lookup",
            ],
            FailureCode.RECIPIENT_NOT_FOUND,
            True,
            "RecipientNotFound",
            id="exchange",
        ),
        pytest.param(
            ["Final-Recipient: rfc822; ada@a.example", "Action: failed", "Status: 4.4.7"],
            FailureCode.EXPIRED,
            False,
            "4.4.7",
            id="given-up",
        ),
        pytest.param(
            ["Final-Recipient: rfc822; ada@a.example", "Action: Failed", "Status: 5.2.2 (over quota)"],
            FailureCode.RECIPIENT_BLOCKED,
            False,
            "5.2.2",
            id="full-mailbox",
        ),
        pytest.param(
            ["Final-Recipient: rfc822; ada@a.example", "Action: failed", "Status: 5.2.1"],
            FailureCode.RECIPIENT_BLOCKED,
            True,
            "5.2.1",
            id="closed-mailbox",
        ),
        pytest.param(
            ["Final-Recipient: rfc822; ada@a.example", "Action: failed", "Status: 5.3.4"],
            FailureCode.CONTENT_REJECTED,
            False,
            "5.3.4",
            id="too-large",
        ),
        pytest.param(
            ["Final-Recipient: rfc822; ada@a.example", "Action: failed", "Status: 5.7.1"],
            FailureCode.RECIPIENT_BLOCKED,
            False,
            "5.7.1",
            id="policy",
        ),
        pytest.param(
            [
                "Final-Recipient: rfc822; ada@a.example",
                "Action: failed",
                "Diagnostic-Code: X-Unix; 67 nobody here \x00 x",
            ],
            FailureCode.UNKNOWN,
            False,
            "nobody here",
            id="no-status",
        ),
        pytest.param(
            [
                "Final-Recipient: rfc822; b@a.example",
                "Action: relayed",
                "Status: 2.0.0",
                "",
                "Final-Recipient: rfc822; ada@a.example",
                "Action: failed",
                "Status: 5.1.1",
            ],
            FailureCode.RECIPIENT_NOT_FOUND,
            True,
            "5.1.1",
            id="of-two-the-one-that-failed",
        ),
    ],
)
def test_a_report_fails_the_message_that_it_names(
    fields: list[str], code: FailureCode, is_permanent: bool, told: str
) -> None:
    item = _one(_report(fields))

    assert isinstance(item, InboundReceipt)
    assert (item.state, item.event_id) == (ReceiptState.FAILED, MESSAGE)
    assert (item.code, item.is_permanent) == (code, is_permanent)
    assert item.detail is not None
    assert told in item.detail


@pytest.mark.parametrize(
    "fields",
    [
        ["Final-Recipient: rfc822; ada@a.example", "Action: delayed", "Status: 4.4.1"],
        ["Final-Recipient: rfc822; ada@a.example", "Action: delivered", "Status: 2.1.5"],
        ["Final-Recipient: rfc822; ada@a.example"],
        [],
    ],
)
def test_what_is_only_delayed_or_has_arrived_changes_nothing(fields: list[str]) -> None:
    assert _read(_report(fields)) == ()


def test_a_server_that_writes_no_report_is_understood_by_its_words() -> None:
    def mail(text: str, to: str) -> str:
        return f"From: <postmaster@old.example>\nTo: {to}\nSubject: failure notice\n\nHi.\n{text}\n"

    item = _one(mail("<ada@a.example>:\n 10.0.0.1 said: 550 5.1.1 unknown user (#5.1.1)", _path()))
    assert isinstance(item, InboundReceipt)
    assert (item.code, item.event_id) == (FailureCode.RECIPIENT_NOT_FOUND, MESSAGE)
    assert _read(mail("451 4.3.0 will try again", _path())) == ()
    assert _read(mail("it did not work", _path())) == ()
    assert isinstance(_one(mail("550 5.1.1 unknown user", _DESK)), Unrecognised)


def test_a_complaint_names_the_mail_by_its_return_path() -> None:
    def report(path: str) -> str:
        return f"""From: <fbl@big.example>
To: abuse@ferry.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
--b1
Content-Type: message/rfc822

Return-Path: <{path}>
From: {_DESK}

Hi
--b1--
"""

    item = _one(report(_path()))
    assert isinstance(item, InboundReceipt)
    assert (item.state, item.event_id, item.is_permanent) == (ReceiptState.COMPLAINED, MESSAGE, True)
    assert isinstance(_one(report("desk+b-x@ferry.example")), Unrecognised)


# --- forgeries and loops


def _failed(to: str) -> str:
    return _report(["Final-Recipient: rfc822; ada@a.example", "Action: failed", "Status: 5.1.1"], to=to)


def _token(path: str) -> str:
    return path.split("+")[1].split("@", maxsplit=1)[0]


def test_nobody_can_make_other_peoples_messages_fail() -> None:
    good = _path()
    token = _token(good)
    other = ConnectionContext(_IDS.new(), _IDS.new(), Channel.EMAIL, CONNECTION.config)
    stranger = ReturnPaths((b"x" * 32,))
    sender = read_mail_address(_DESK)
    assert sender is not None
    forged = [
        good.replace(token, token[:28] + "".join("b" if one == "a" else "a" for one in token[28:])),
        good.replace(token[2:6], "aaaa"),
        f"desk+{_token(_path(_IDS.new()))[:28]}{token[28:]}@ferry.example",
        _path(connection=other),
        stranger.make(CONNECTION.connection_id, MESSAGE, sender, CONNECTION.config) or "",
        f"desk+b-{MESSAGE}@ferry.example",
        _DESK,
        "",
    ]
    for to in forged:
        item = _one(_failed(to))
        assert isinstance(item, Unrecognised), to


def test_return_paths_survive_what_mail_servers_do_to_them() -> None:
    path = _path()
    assert len(path.split("@")[0]) <= 64
    for to in (path.upper(), f"<{path}>", f'"Desk" <{path}>', f"x@y.example, {path}"):
        assert isinstance(_one(_failed(to)), InboundReceipt)
    rotated = ReturnPaths((b"n" * 32, b"k" * 32))
    (item,) = _read(_failed(path), rotated)
    assert isinstance(item, InboundReceipt)
    whole_domain = _path(verp_domain="bounces.ferry.example")
    assert whole_domain.endswith("@bounces.ferry.example")
    assert isinstance(_one(_failed(whole_domain)), InboundReceipt)
    assert _path(return_path="back@ferry.example").startswith("back+b-")


def test_an_address_with_no_room_for_a_token_goes_without() -> None:
    sender = read_mail_address(f"{'d' * 40}@ferry.example")
    assert sender is not None
    assert PATHS.make(CONNECTION.connection_id, MESSAGE, sender, CONNECTION.config) is None
    assert PATHS.make(CONNECTION.connection_id, MESSAGE, sender, {}) is None
    assert return_address(sender, {"return_path": "back@ferry.example"}).wire == "back@ferry.example"


def test_our_own_mail_that_comes_round_is_not_taken_for_somebodys() -> None:
    assert _read(f"From: Desk <{_DESK.upper()}>\nTo: ada@a.example\nSubject: x\n\nHi\n") == ()
    assert _read(f"Return-Path: <{_path()}>\nFrom: list@a.example\nTo: {_DESK}\n\nHi\n") == ()


@pytest.mark.parametrize(
    "header", ["Auto-Submitted: auto-replied (vacation)", "Precedence: auto_reply", "X-Autoreply: yes"]
)
def test_an_automatic_reply_is_no_reply(header: str) -> None:
    raw = f"From: ada@a.example\nTo: {_path()}\n{header}\nIn-Reply-To: <{MESSAGE}@ferry.example>\n\nI am away.\n"

    item = _one(raw)

    assert isinstance(item, Unrecognised)
    assert "automatic" in item.note


# --- what people write


def test_a_reply_names_what_it_answers() -> None:
    item = _one(
        "From: =?utf-8?q?Ad=C3=A9la?= <Ada@A.Example>\nMessage-ID: <r1@a.example>\nSubject: =?utf-8?b?w4RoCg==?=\n"
        "In-Reply-To: <two@ferry.example>\nReferences: <one@ferry.example>\n <two@ferry.example>\n"
        "Date: Sat, 28 Nov 2026 10:00:00 +0100\n\nYes\n"
    )

    assert isinstance(item, InboundMessage)
    assert (item.sender.external_id, item.sender.name) == ("Ada@a.example", "Adéla")
    assert item.external_id == "r1@a.example"
    assert (item.reply_to_external_id, item.reply_to_others) == (
        "two@ferry.example",
        ("two@ferry.example", "one@ferry.example"),
    )
    assert item.content == {"type": "text", "text": "Yes", "role": "user", "subject": "Äh"}
    assert item.written_at is not None
    assert item.written_at.isoformat() == "2026-11-28T09:00:00+00:00"


def test_html_alone_has_a_text_made_from_it() -> None:
    item = _one("From: ada@a.example\nContent-Type: text/html\n\n<p>Dear <b>desk</b></p>")

    assert isinstance(item, InboundMessage)
    assert item.content["text"] == "Dear desk"
    assert item.content["html"] == "<p>Dear <b>desk</b></p>"


def test_a_file_alone_is_a_document_with_its_content() -> None:
    item = _one(
        "From: ada@a.example\nMIME-Version: 1.0\nContent-Type: image/png; name*=utf-8''F%C3%A4hre.png\n"
        "Content-Transfer-Encoding: base64\n\niVBORw0K\n"
    )

    assert isinstance(item, InboundMessage)
    assert item.content["type"] == "image"
    (file,) = item.files
    assert (file.filename, file.mime_type, file.content) == ("Fähre.png", "image/png", b"\x89PNG\r\n")


BROKEN = [
    b"",
    b"\0\0\0",
    b"no header at all",
    b"From: ada@a.example\nDate: yesterday\nContent-Type: text/plain; charset=klingon\n\n\xff\xfe hi",
    b"From: ada@a.example\nContent-Type: multipart/mixed\n\n--x\nwithout a boundary",
    b'From: ada@a.example\nContent-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nopen end',
    b"From: ada@a.example\nSubject: =?utf-8?b?!!!?=\nContent-Transfer-Encoding: base64\n\n$$$$",
    b"From: ada@a.example\nContent-Type: text/plain; charset=utf-7\n\n+ADw-",
    b"From: =?x?q?y?= <ada@a.example>\nSubject: \xe4\xf6\nContent-Type: \xff/\xff\n\nx",
    b"From: \"\\\" <<>>,,;:\nContent-Disposition: attachment; filename*=klingon''%zz\n\nx",
    b"From: ada@a.example\nDate: Mon, 99 Foo 99999 99:99:99 +9999\nIn-Reply-To: <<>>\n\nx\0y",
    b"From: ada@a.example\nContent-Type: message/rfc822\n\nFrom: bob@b.example\n\nin a mail",
]


@pytest.mark.parametrize("raw", BROKEN)
def test_whatever_is_broken_gives_something(raw: bytes) -> None:
    assert len(_read(raw)) == 1


def test_mails_in_mails_in_mails_end_somewhere() -> None:
    raw = "From: ada@a.example\n"
    for number in range(500):
        raw += f'Content-Type: multipart/mixed; boundary="b{number}"\n\n--b{number}\n'
    assert len(_read(raw + "\n\nhello")) == 1


def test_a_mail_of_ten_megabytes_is_read() -> None:
    line = b"A" * 76 + b"\r\n"
    raw = (
        b'From: ada@a.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\n'
        b"See the file.\r\n--x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=big.pdf\r\n\r\n" + line * 130_000 + b"--x--\r\n"
    )

    (item,) = read_incoming(raw, CONNECTION, PATHS)

    assert isinstance(item, InboundMessage)
    assert item.content["text"] == "See the file."
    assert [len(file.content or b"") for file in item.files] == [130_000 * 57]


def test_the_same_mail_has_the_same_key_and_another_one_another() -> None:
    keys = {
        item.dedupe_key
        for text in ("one", "two", "one")
        for item in _read(f"From: ada@a.example\n\n{text}")
        if isinstance(item, InboundMessage)
    }
    assert len(keys) == 2


def test_a_token_is_worth_nothing_without_a_key() -> None:
    assert ReturnPaths().read(uuid4(), [_path()]) is None
