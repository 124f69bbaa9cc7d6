"""A message as a mail: its envelope and its bytes, or why it cannot be one."""

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
from outrider.platforms.mail_addresses import MailAddress, read_mail_address

_LONG_TEXT = 16 * 1024
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
class _Headers:
    sender: MailAddress
    sender_name: str
    recipient: MailAddress
    subject: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A file with its content."""

    filename: str
    mime_type: str
    content: bytes = field(repr=False)


def write_letter(
    outbound: Outbound, config: Mapping[str, object], attached: Sequence[Attached] = ()
) -> Letter | Rejected:
    """Write the mail. Whatever could smuggle in a header is refused, never cleaned silently."""
    text = _text_of(outbound.content, has_files=bool(attached))
    if text is None:
        return _unacceptable("only messages with text or files can be sent as mail")
    headers = _headers(outbound, config)
    if isinstance(headers, Rejected):
        return headers
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit", utf8=_needs_utf8(headers)))
    message_id = f"{outbound.delivery_id}@{headers.sender.ascii_domain}"
    _write_headers(mail, headers, message_id, outbound.reply_to_external_id)
    _write_parts(mail, _encodable(text), is_html=_is_html(outbound.metadata))
    for file in attached:
        _attach(mail, file)
    return Letter(
        message_id=message_id,
        sender=headers.sender.wire,
        recipient=headers.recipient.wire,
        needs_smtputf8=_needs_utf8(headers),
        body=mail.as_bytes(),
    )


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
    sender_name, sender_email = config.get("from_name") or "", config.get("from_email")
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


def _write_headers(mail: EmailMessage, headers: _Headers, message_id: str, answered: str | None) -> None:
    mail["From"] = _address_header(headers.sender_name, headers.sender)
    mail["To"] = _address_header("", headers.recipient)
    mail["Subject"] = headers.subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message_id}>"
    if answered is not None and _MESSAGE_ID.fullmatch(answered):
        mail["In-Reply-To"] = mail["References"] = f"<{answered}>"


def _address_header(name: str, address: MailAddress) -> Address:
    return Address(display_name=name, username=address.local_part, domain=address.ascii_domain)


def _write_parts(mail: EmailMessage, text: str, *, is_html: bool) -> None:
    plain = text_of_html(text) if is_html else text
    mail.set_content(plain, cte=_encoding_of(plain))
    if is_html:
        mail.add_alternative(text, subtype="html", cte=_encoding_of(text))


def _attach(mail: EmailMessage, file: Attached) -> None:
    main, _, sub = file.mime_type.partition("/")
    if main in {"message", "multipart"}:
        # these may not be encoded, and would be read as part of the mail
        main, sub = "application", "octet-stream"
    mail.add_attachment(
        file.content, maintype=main, subtype=sub, filename=_encodable(file.filename), cte="base64"
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


def _needs_utf8(headers: _Headers) -> bool:
    return headers.sender.needs_smtputf8 or headers.recipient.needs_smtputf8


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
