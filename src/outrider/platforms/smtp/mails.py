"""A mail as it came in, read leniently: whatever a mail server may hold gives something."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final, cast

from outrider.core.html_text import text_of_html

_ID: Final = re.compile(r"<([^<>\s]{3,250})>")
_MOST_PARTS: Final = 300
_MOST_FILES: Final = 50
_DEEPEST: Final = 20
_LONGEST_TEXT: Final = 200_000
_LONGEST_HTML: Final = 500_000
_MOST_IDS: Final = 30


@dataclass(frozen=True, slots=True)
class MailFile:
    """A file in a mail."""

    filename: str | None
    mime_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bodies:
    """What a mail says, and what came with it."""

    text: str
    html: str | None
    files: tuple[MailFile, ...]


def parse_mail(raw: bytes) -> Message:
    """Read a mail."""
    return BytesParser(policy=compat32).parsebytes(raw)


def header_text(mail: Message, name: str) -> str:
    """A header as people read it, on one line; empty if it is missing."""
    value = mail.get(name)
    if value is None:
        return ""
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        text = str(value)
    return " ".join(text.encode("utf-8", "replace").decode().split())


def address_of(mail: Message, name: str) -> tuple[str, str]:
    """Name and address of the first mailbox that a header names, both empty if there is none."""
    for shown, address in getaddresses([str(value) for value in mail.get_all(name, [])]):
        if address:
            return _decoded(shown), address
    return "", ""


def named_ids(mail: Message, name: str) -> tuple[str, ...]:
    """The Message-IDs that a header names, without their angle brackets; of many the last ones."""
    return tuple(_ID.findall(" ".join(str(value) for value in mail.get_all(name, []))))[-_MOST_IDS:]


def written_at(mail: Message) -> datetime | None:
    """The mail's own date, None if it has none that can be read."""
    try:
        told = parsedate_to_datetime(str(mail.get("Date") or ""))
        return told.replace(tzinfo=told.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def bodies_of(mail: Message) -> Bodies:
    """The text that a reader sees first, the HTML beside it, and the files."""
    text: str | None = None
    html: str | None = None
    files: list[MailFile] = []
    for part in _leaves(mail):
        kind = part.get_content_type()
        is_file = part.get_content_disposition() == "attachment" or part.get_filename() is not None
        if not is_file and kind == "text/plain" and text is None:
            text = _text_of(part)
        elif not is_file and kind == "text/html" and html is None:
            html = _text_of(part)
        elif len(files) < _MOST_FILES and (content := _content_of(part)):
            files.append(MailFile(_filename_of(part), kind, content))
    if html is not None and len(html) > _LONGEST_HTML:
        files.append(MailFile("message.html", "text/html", html.encode()))
        text = text or text_of_html(html[:_LONGEST_HTML])
        html = None
    if text is None or not text.strip():
        text = text_of_html(html) if html is not None else ""
    return Bodies(text.strip()[:_LONGEST_TEXT], html, tuple(files))


def parts_of(part: Message) -> list[Message]:
    """The parts that a part holds."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return []
    return [one for one in cast("list[object]", payload) if isinstance(one, Message)]


def _leaves(mail: Message) -> Iterator[Message]:
    """The parts that hold no others; a mail in a mail is a file."""
    waiting, seen = [(mail, 0)], 0
    while waiting and seen < _MOST_PARTS:
        part, depth = waiting.pop()
        seen += 1
        if part.get_content_maintype() != "multipart" or not part.is_multipart():
            yield part
        elif depth < _DEEPEST:
            waiting += [(one, depth + 1) for one in reversed(parts_of(part))]


def _content_of(part: Message) -> bytes:
    if part.is_multipart():
        return b"\n".join(one.as_bytes() for one in parts_of(part))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text_of(part: Message) -> str:
    content = _content_of(part)
    charset = part.get_content_charset() or "utf-8"
    try:
        text = content.decode(charset, "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").encode("utf-8", "replace").decode()


def _filename_of(part: Message) -> str | None:
    name = part.get_filename()
    return _decoded(name) or None if name is not None else None


def _decoded(text: str) -> str:
    try:
        shown = str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        shown = text
    return " ".join(shown.encode("utf-8", "replace").decode().split())
