"""How a message becomes a mail, and what is refused instead of being smuggled into one."""

import email
import email.policy
import time
from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.core.html_text import text_of_html
from outrider.platforms.base import FailureCode, Outbound, Rejected
from outrider.platforms.conformance_case import file_of
from outrider.platforms.letters import Attached, Letter, draft_of, letter_of
from tests.platforms.connections import text_to

CONFIG: dict[str, object] = {"from_email": "hello@sender.example", "from_name": "Sender & Söhne"}


def write_letter(
    outbound: Outbound, config: dict[str, object], attached: Sequence[Attached] = ()
) -> Letter | Rejected:
    files = [replace(file_of(file.filename, file.content), mime_type=file.mime_type) for file in attached]
    draft = draft_of(replace(outbound, files=tuple(files)), config)
    return draft if isinstance(draft, Rejected) else letter_of(draft, attached)


def _letter(outbound: Outbound, **config: object) -> Letter:
    letter = write_letter(outbound, CONFIG | config)
    assert isinstance(letter, Letter)
    return letter


def _mail(letter: Letter) -> EmailMessage:
    parsed = email.message_from_bytes(letter.body, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return body.get_content()


def test_a_text_is_a_plain_mail() -> None:
    outbound = text_to("ada@example.com", "Zwölf Boxkämpfer\n.\n..dots", subject="Prüfung 📬")

    mail = _mail(_letter(outbound))

    assert mail["From"] == "Sender & Söhne <hello@sender.example>"
    assert mail["To"] == "ada@example.com"
    assert mail["Subject"] == "Prüfung 📬"
    assert mail["Date"].datetime.tzinfo is not None
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content() == "Zwölf Boxkämpfer\r\n.\r\n..dots\r\n"


def test_html_is_sent_with_a_readable_text_beside_it() -> None:
    outbound = text_to(
        "ada@example.com", "<p>Hi <b>Ada</b></p>", subject="s", content_type="text/html; charset=utf-8"
    )

    mail = _mail(_letter(outbound))

    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert _part(mail, "plain") == "Hi Ada\r\n"
    assert _part(mail, "html") == "<p>Hi <b>Ada</b></p>\r\n"


def test_the_message_id_is_the_deliverys_so_that_a_retry_carries_the_same() -> None:
    outbound = text_to("ada@example.com")
    expected = f"{outbound.delivery_id}@sender.example"

    letters = [_letter(replace(outbound, attempt=attempt)) for attempt in (1, 2)]

    assert [letter.message_id for letter in letters] == [expected, expected]
    assert [_mail(letter)["Message-ID"] for letter in letters] == [f"<{expected}>"] * 2


def test_every_line_is_ascii_and_short_enough_for_any_server() -> None:
    letter = _letter(text_to("ada@example.com", "ü" * 5000 + "x" * 5000, subject="ü" * 2000))

    assert letter.body.isascii()
    assert max(len(line) for line in letter.body.split(b"\r\n")) <= 998
    assert b"\n" not in letter.body.replace(b"\r\n", b"")


def test_a_domain_beyond_ascii_goes_out_as_idna() -> None:
    letter = _letter(text_to("ada@münchen.de"), from_email="info@bücher.example")

    assert (letter.sender, letter.recipient) == ("info@xn--bcher-kva.example", "ada@xn--mnchen-3ya.de")
    assert not letter.needs_smtputf8
    assert letter.message_id.endswith("@xn--bcher-kva.example")


def test_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    letter = _letter(text_to("jörg@münchen.de"))

    assert letter.needs_smtputf8
    assert _mail(letter)["To"] == "jörg@xn--mnchen-3ya.de"


@pytest.mark.parametrize(
    "evil", ["a\r\nBcc: eve@example.com", "a\nb", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "\x1b[2J"]
)
def test_a_line_break_in_a_header_is_refused(evil: str) -> None:
    attempts = [
        write_letter(text_to("ada@example.com", subject=evil), CONFIG),
        write_letter(text_to(f"ada@example.com{evil}"), CONFIG),
        write_letter(text_to("ada@example.com"), CONFIG | {"from_name": evil}),
    ]

    for refused in attempts:
        assert isinstance(refused, Rejected)
        assert refused.code is FailureCode.CONTENT_REJECTED
    bad_sender = write_letter(text_to("ada@example.com"), CONFIG | {"from_email": f"a@b.example{evil}"})
    assert isinstance(bad_sender, Rejected)


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("ada", FailureCode.RECIPIENT_NOT_FOUND),
        ("Ada <ada@example.com>", FailureCode.RECIPIENT_NOT_FOUND),
        ("ada@example.com,eve@example.com", FailureCode.RECIPIENT_NOT_FOUND),
        ("ada@example.com> SIZE=1", FailureCode.RECIPIENT_NOT_FOUND),
    ],
)
def test_only_one_bare_address_is_a_recipient(recipient: str, code: FailureCode) -> None:
    refused = write_letter(text_to(recipient), CONFIG)

    assert isinstance(refused, Rejected)
    assert refused.code is code


@settings(max_examples=300, deadline=None)
@given(
    subject=st.text(st.characters(codec=None, exclude_categories=()), max_size=200),
    name=st.text(st.characters(codec=None, exclude_categories=()), max_size=100),
    text=st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=200),
    kind=st.sampled_from(["text/html", "text/plain", None, 7]),
)
def test_no_text_adds_a_header_or_breaks_the_mail(subject: str, name: str, text: str, kind: object) -> None:
    letter = write_letter(
        text_to("ada@example.com", text, subject=subject, content_type=kind), CONFIG | {"from_name": name}
    )

    if isinstance(letter, Letter):
        mail = _mail(letter)
        multipart = {"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
        assert set(mail.keys()) - multipart == {"From", "To", "Subject", "Date", "Message-ID"}
        assert [address.addr_spec for address in mail["To"].addresses] == ["ada@example.com"]
        assert [address.addr_spec for address in mail["From"].addresses] == ["hello@sender.example"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>Order</h1><p>Two  boxes<br>of tea</p><p>Bye</p>", "Order\n\nTwo boxes\nof tea\n\nBye\n"),
        ("<ul><li>one</li><li>two &amp; three</li></ul>", "- one\n- two & three\n"),
        ('<a href="https://x.example/a?b=1">Track it</a>', "Track it (https://x.example/a?b=1)\n"),
        ('<a href="https://x.example">https://x.example</a>', "https://x.example\n"),
        ('<a href="mailto:a@b.example">write</a>', "write (a@b.example)\n"),
        ('<a href="javascript:x()">click</a>', "click\n"),
        ("<head><title>t</title><style>p{}</style></head><body>seen<script>x</script></body>", "seen\n"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3\n"),
        ('<img src="cid:1" alt="A harbour">', "A harbour\n"),
        ("plain", "plain\n"),
        ("<b>unclosed <i>deep", "unclosed deep\n"),
        ("a &lt;b&gt; &nbsp;c", "a <b> c\n"),
    ],
)
def test_the_readable_text_of_html(html: str, text: str) -> None:
    assert text_of_html(html) == text


@pytest.mark.parametrize(
    "piece", ["<!--", "<a href='", "<a ", "<script>", "<", "&#", '<b "', "</p", "<li>", "alt=", "<![CDATA["]
)
def test_no_html_takes_long_to_read(piece: str) -> None:
    started = time.perf_counter()

    text_of_html(f"<img {piece * (1_000_000 // len(piece))}")
    text_of_html(piece * (1_000_000 // len(piece)))

    assert time.perf_counter() - started < 10


@given(st.text(alphabet="<>/!-'\"=& abpscriptdvl\n", max_size=200))
def test_every_text_reads_as_some_text(source: str) -> None:
    assert text_of_html(source).endswith("\n")


@pytest.mark.parametrize("field", ["subject", "from_name"])
def test_a_header_of_any_length_is_not_folded_for_minutes(field: str) -> None:
    outbound = text_to("ada@example.com", subject="x" * 2001 if field == "subject" else "s")

    refused = write_letter(outbound, CONFIG | ({"from_name": "x" * 2001} if field == "from_name" else {}))

    assert isinstance(refused, Rejected)


@pytest.mark.parametrize("text", ["x" * 100_000, "ü" * 50_000, "short lines\r\n" * 5000])
def test_long_texts_arrive_whole(text: str) -> None:
    assert _mail(_letter(text_to("ada@example.com", text))).get_content().strip() == text.strip()


def _attachments(mail: EmailMessage) -> list[tuple[str, str | None, bytes]]:
    return [
        (part.get_content_type(), part.get_filename(), part.get_payload(decode=True))
        for part in mail.iter_attachments()
    ]


def test_files_are_attached_with_their_names() -> None:
    files = [
        Attached("Grüße, 1. Entwurf.pdf", "application/pdf", b"%PDF" * 50_000),
        Attached('a "b" \U0001f44b.txt', "text/plain", "ä\r\n.\r\n".encode()),
        Attached("m.eml", "message/rfc822", b"Subject: x\r\n\r\n"),
    ]
    outbound = text_to("ada@example.com", "<p>Hi</p>", subject="s", content_type="text/html")

    letter = write_letter(outbound, CONFIG, files)

    assert isinstance(letter, Letter)
    mail = _mail(letter)
    assert mail.get_content_type() == "multipart/mixed"
    assert _part(mail, "html").strip() == "<p>Hi</p>"
    assert _attachments(mail) == [
        ("application/pdf", files[0].filename, files[0].content),
        ("text/plain", files[1].filename, files[1].content),
        ("application/octet-stream", "m.eml", files[2].content),
    ]
    assert b"filename*" in letter.body
    assert all(len(line) < 998 and line.isascii() for line in letter.body.split(b"\r\n"))


@pytest.mark.parametrize(("caption", "text"), [("Look", "Look"), (None, "")])
def test_the_caption_of_media_is_the_text_of_the_mail(caption: str | None, text: str) -> None:
    content = {"type": "image", "media": {"id": "x"}} | ({} if caption is None else {"caption": caption})
    outbound = replace(text_to("ada@example.com"), content=content)

    letter = write_letter(outbound, CONFIG, [Attached("a.png", "image/png", b"png")])

    assert isinstance(letter, Letter)
    assert _part(_mail(letter), "plain").strip() == text
    assert _attachments(_mail(letter)) == [("image/png", "a.png", b"png")]
    assert isinstance(write_letter(outbound, CONFIG), Rejected)


@pytest.mark.parametrize(
    ("answered", "header"), [("1@b.example", "<1@b.example>"), ("a\r\nBcc: x@y", None), ("<a>", None)]
)
def test_a_reply_names_what_it_answers(answered: str, header: str | None) -> None:
    mail = _mail(_letter(replace(text_to("ada@example.com"), reply_to_external_id=answered)))

    assert (mail["In-Reply-To"], mail["References"], mail["Bcc"]) == (header, header, None)


@pytest.mark.parametrize("name", ["a\r\nBcc: eve@example.com", "a\n.pdf", "a\x00.pdf", "a\u2028b.pdf"])
def test_a_line_break_in_the_name_of_a_file_is_refused(name: str) -> None:
    refused = write_letter(text_to("ada@example.com"), CONFIG, [Attached(name, "text/plain", b"x")])

    assert isinstance(refused, Rejected)
    assert refused.code is FailureCode.CONTENT_REJECTED
