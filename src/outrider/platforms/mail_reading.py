"""Mail that comes in, as its raw bytes: who wrote, what, in answer to what, with which files. Nothing here raises."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final, TypeAlias, cast

from outrider.core.html_text import text_of_html
from outrider.core.storable import shown_json
from outrider.platforms.base import InboundFile, JsonObject
from outrider.platforms.mail_addresses import read_mail_address
from outrider.platforms.vendor_json import LONGEST_ID, as_name

_MESSAGE_ID: Final = re.compile(r"<([^<>\s]{1,250})>")
_MOST_PARTS: Final = 200
_DEEPEST: Final = 20
_Mail: TypeAlias = "Message[str, str]"


@dataclass(frozen=True, slots=True)
class ReadMail:
    """One mail; ids stand without their angle brackets."""

    message_id: str | None
    sender: str | None
    sender_name: str | None
    subject: str | None
    text: str | None
    html: str | None
    answered: str | None
    written_at: datetime | None
    files: tuple[InboundFile, ...]

    @property
    def content(self) -> JsonObject:
        """The message object without its role."""
        return mail_content(self.subject, self.text, self.html)


def mail_content(subject: str | None, text: str | None, html: str | None) -> JsonObject:
    """A mail as a text message: `subject` and `html` stand beside the text where there are any."""
    said = text if text and text.strip() else text_of_html(html).strip() if html else ""
    beside: JsonObject = {"subject": subject, "html": html}
    return {"type": "text", "text": said, **{name: value for name, value in beside.items() if value}}


def read_mail(raw: bytes) -> ReadMail:
    """Read a mail as leniently as mail programs do."""
    mail = message_from_bytes(raw)
    name, address = address_in(_header(mail, "From"))
    parts = _Parts()
    _walk(mail, parts, 0)
    return ReadMail(
        message_id=first_id_in(_header(mail, "Message-ID")),
        sender=address,
        sender_name=name,
        subject=_header(mail, "Subject") or None,
        text=parts.text,
        html=parts.html,
        answered=answered_in(_header(mail, "In-Reply-To"), _header(mail, "References")),
        written_at=_time(_header(mail, "Date")),
        files=tuple(parts.files),
    )


def address_in(header: str) -> tuple[str | None, str | None]:
    """The name and the address of the first mailbox that a header names."""
    for name, address in getaddresses([header[:2_000]]):
        read = read_mail_address(address)
        if read is not None and len(read.shown) <= LONGEST_ID:
            return as_name(name), read.shown
    return None, None


def first_id_in(header: str) -> str | None:
    """The first Message-ID in a header, None if it holds none."""
    found = _MESSAGE_ID.search(header)
    return found[1] if found is not None else None


def answered_in(in_reply_to: str, references: str) -> str | None:
    """The id of the mail that is answered: what `In-Reply-To` says, else the last of `References`."""
    told = first_id_in(in_reply_to)
    if told is not None:
        return told
    return next(reversed(_MESSAGE_ID.findall(references)), None)


def inline_file(filename: str | None, mime_type: str | None, content: bytes) -> InboundFile:
    """A file whose bytes came with the mail: they are kept as its reference until they are fetched."""
    encoded = base64.b64encode(content).decode()
    return InboundFile({"base64": encoded}, as_name(filename), mime_type, len(content))


class _Parts:
    """What was found in a mail so far."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.html: str | None = None
        self.files: list[InboundFile] = []
        self.seen = 0


def _walk(part: _Mail, parts: _Parts, depth: int) -> None:
    parts.seen += 1
    if parts.seen > _MOST_PARTS or depth > _DEEPEST:
        return
    kind = part.get_content_type()
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        for inner in cast("list[_Mail]", part.get_payload()):
            _walk(inner, parts, depth + 1)
        return
    filename = _filename(part)
    is_file = bool(filename) or part.get_content_disposition() == "attachment"
    if kind == "text/plain" and not is_file and parts.text is None:
        parts.text = _text(part)
    elif kind == "text/html" and not is_file and parts.html is None:
        parts.html = _text(part)
    else:
        parts.files.append(inline_file(filename, kind, _bytes(part)))


def _bytes(part: _Mail) -> bytes:
    if part.is_multipart():  # a mail within the mail
        inner = cast("list[_Mail]", part.get_payload())
        try:
            return inner[0].as_bytes() if inner else b""
        except (ValueError, LookupError, TypeError, AttributeError):
            return b""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text(part: _Mail) -> str:
    content = _bytes(part)
    try:
        text = content.decode(str(part.get_content_charset("utf-8")), "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    return _shown(text.replace("\r\n", "\n").strip("\n"))


def _filename(part: _Mail) -> str | None:
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return _decoded(name) or None if name else None


def _header(mail: _Mail, name: str) -> str:
    try:
        value = mail.get(name)
    except (ValueError, LookupError, TypeError):
        return ""
    return "" if value is None else _decoded(str(value))


def _decoded(value: str) -> str:
    """The text of a header with its encoded words, on one line."""
    try:
        pieces = cast("list[tuple[bytes | str, str | None]]", decode_header(value))
    except (HeaderParseError, ValueError, LookupError):
        pieces = [(value, None)]
    return _shown(" ".join("".join(_piece(text, charset) for text, charset in pieces).split()))


def _piece(text: bytes | str, charset: str | None) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return text.decode("utf-8", "replace")


def _time(header: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _shown(text: str) -> str:
    shown = shown_json(text)
    return shown if isinstance(shown, str) else ""
