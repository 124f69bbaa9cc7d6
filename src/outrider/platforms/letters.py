"""A message as a mail: its envelope and its bytes, or why it cannot be one."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from outrider.core.html_text import text_of_html
from outrider.platforms.base import FailureCode, Outbound, Rejected
from outrider.platforms.mail_addresses import MailAddress, read_mail_address, read_named_address

_LONG_TEXT = 16 * 1024
_LONG_IN_LOOP = 32 * 1024
_LONGEST_LINE = 998
_LONGEST_HEADER = 2000
_MESSAGE_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{3,250}")


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail, ready to hand over. `message_id` stands without its angle brackets."""

    message_id: str
    sender: str
    recipient: str
    needs_smtputf8: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Attached:
    """A file with its content."""

    filename: str
    mime_type: str
    content: bytes = field(repr=False)
    is_inline: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a mail says but its files, checked: no part of it can smuggle in a header.

    `message_id` stands without its angle brackets, and so does `answered`, the id of the mail that is answered.
    """

    message_id: str
    sender: MailAddress
    sender_name: str
    recipient: MailAddress
    subject: str
    text: str
    html: str | None
    answered: str | None

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only servers that offer SMTPUTF8 can take it."""
        return self.sender.needs_smtputf8 or self.recipient.needs_smtputf8


def draft_of(outbound: Outbound, config: Mapping[str, object]) -> Draft | Rejected:
    """Read a message as a mail. Whatever could smuggle in a header is refused, never cleaned silently."""
    text = _text_of(outbound.content, has_files=bool(outbound.files))
    if text is None:
        return _unacceptable("only messages with text or files can be sent as mail")
    if any(_has_control(file.filename) for file in outbound.files):
        return _unacceptable("the name of a file holds control characters")
    headers = _headers(outbound, config)
    if isinstance(headers, Rejected):
        return headers
    answered = outbound.reply_to_external_id
    text, is_html = _encodable(text), _is_html(outbound.metadata)
    html = outbound.content.get("html")
    return Draft(
        message_id=f"{outbound.delivery_id}@{headers.sender.ascii_domain}",
        sender=headers.sender,
        sender_name=headers.sender_name,
        recipient=headers.recipient,
        subject=headers.subject,
        text=text_of_html(text) if is_html else text,
        html=text if is_html else _encodable(html) if isinstance(html, str) else None,
        answered=answered if answered is not None and _MESSAGE_ID.fullmatch(answered) else None,
    )


async def read_draft(outbound: Outbound, config: Mapping[str, object]) -> Draft | Rejected:
    """Read a message as a mail; long ones in a thread."""
    text = outbound.content.get("text")
    if isinstance(text, str) and len(text) > _LONG_IN_LOOP:
        return await asyncio.to_thread(draft_of, outbound, config)
    return draft_of(outbound, config)


async def read_attached(outbound: Outbound) -> list[Attached]:
    """Read the files of a message."""
    is_inline = outbound.metadata.get("disposition") == "inline"
    return [
        Attached(file.filename, file.mime_type, await file.read(), is_inline=is_inline)
        for file in outbound.files
    ]


async def write_letter(outbound: Outbound, config: Mapping[str, object]) -> Letter | Rejected:
    """Write a message as a mail with its files; long ones in a thread."""
    draft = await read_draft(outbound, config)
    if isinstance(draft, Rejected):
        return draft
    attached = await read_attached(outbound)
    if attached or len(draft.text) + len(draft.html or "") > _LONG_IN_LOOP:
        return await asyncio.to_thread(letter_of, draft, attached)
    return letter_of(draft)


def letter_of(draft: Draft, attached: Sequence[Attached] = ()) -> Letter:
    """Write a mail."""
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit", utf8=draft.needs_smtputf8))
    _write_headers(mail, draft)
    mail.set_content(draft.text, cte=_encoding_of(draft.text))
    if draft.html is not None:
        mail.add_alternative(draft.html, subtype="html", cte=_encoding_of(draft.html))
    for file in attached:
        _attach(mail, file)
    return Letter(
        message_id=draft.message_id,
        sender=draft.sender.wire,
        recipient=draft.recipient.wire,
        needs_smtputf8=draft.needs_smtputf8,
        body=mail.as_bytes(),
    )


@dataclass(frozen=True, slots=True)
class _Headers:
    sender: MailAddress
    sender_name: str
    recipient: MailAddress
    subject: str


def _text_of(content: Mapping[str, object], *, has_files: bool) -> str | None:
    """The text of the mail: of a message with media its caption, which it need not have."""
    if content.get("type") in {"image", "video", "audio", "document"} and has_files:
        caption = content.get("caption")
        return caption if isinstance(caption, str) else ""
    text = content.get("text")
    is_text = content.get("type") == "text" and isinstance(text, str) and text.strip()
    return text if is_text and isinstance(text, str) else None


def _headers(outbound: Outbound, config: Mapping[str, object]) -> _Headers | Rejected:
    given_subject = outbound.metadata.get("subject")
    subject = "" if given_subject is None else given_subject
    sender_name, sender_email = _sender(outbound.metadata, config)
    if not isinstance(subject, str) or not _is_header_text(subject):
        return _unacceptable(f"the subject must be one line of at most {_LONGEST_HEADER} characters")
    if not isinstance(sender_name, str) or not _is_header_text(sender_name):
        return _unacceptable(f"the sender's name must be one line of at most {_LONGEST_HEADER} characters")
    if _has_control(outbound.recipient):
        return _unacceptable("the recipient's address holds control characters")
    sender = read_mail_address(sender_email) if isinstance(sender_email, str) else None
    if sender is None:
        return Rejected(FailureCode.ACCOUNT_ERROR, "the connection's from_email is no mail address")
    recipient = read_mail_address(outbound.recipient)
    if recipient is None:
        return Rejected(FailureCode.RECIPIENT_NOT_FOUND, "the recipient is no mail address")
    return _Headers(sender, _encodable(sender_name), recipient, _encodable(subject))


def _sender(metadata: Mapping[str, object], config: Mapping[str, object]) -> tuple[object, object]:
    """Name and address of who writes: the message's own `from`, else the connection's."""
    given = metadata.get("from")
    if isinstance(given, str) and not _has_control(given):
        found = read_named_address(given)
        return found if found is not None else ("", given)
    return config.get("from_name") or "", config.get("from_email")


def _write_headers(mail: EmailMessage, draft: Draft) -> None:
    mail["From"] = _address_header(draft.sender_name, draft.sender)
    mail["To"] = _address_header("", draft.recipient)
    mail["Subject"] = draft.subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{draft.message_id}>"
    if draft.answered is not None:
        mail["In-Reply-To"] = mail["References"] = f"<{draft.answered}>"


def _address_header(name: str, address: MailAddress) -> Address:
    return Address(display_name=name, username=address.local_part, domain=address.ascii_domain)


def _attach(mail: EmailMessage, file: Attached) -> None:
    main, _, sub = file.mime_type.partition("/")
    if main in {"message", "multipart"}:
        # these may not be encoded, and would be read as part of the mail
        main, sub = "application", "octet-stream"
    mail.add_attachment(
        file.content,
        maintype=main,
        subtype=sub,
        filename=_encodable(file.filename),
        cte="base64",
        disposition="inline" if file.is_inline else "attachment",
    )


def _encoding_of(text: str) -> str | None:
    """None leaves the choice to the library, which tries them all: too slow for long texts."""
    if len(text) < _LONG_TEXT:
        return None
    is_plain = text.isascii() and all(len(line) < _LONGEST_LINE for line in text.splitlines())
    return "7bit" if is_plain else "base64"


def _is_html(metadata: Mapping[str, object]) -> bool:
    content_type = metadata.get("content_type")
    return isinstance(content_type, str) and content_type.split(";")[0].strip().lower() == "text/html"


def _is_header_text(text: str) -> bool:
    return len(text) <= _LONGEST_HEADER and not _has_control(text)


def _has_control(text: str) -> bool:
    # U+0085, U+2028 and U+2029 end a line for Python's header folding too.
    return any(
        ord(character) < 32 or 127 <= ord(character) < 160 or character in "\u2028\u2029"
        for character in text
    )


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _unacceptable(detail: str) -> Rejected:
    return Rejected(FailureCode.CONTENT_REJECTED, detail)
