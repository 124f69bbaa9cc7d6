"""What a mail in the mailbox says: somebody wrote, one of our mails came back, or nothing that anybody needs.

A failure is told only for a mail that came to the return path of that very message: all else could be forged.
"""

import hashlib
from email.message import Message
from typing import Final
from uuid import UUID

from outrider.core import log
from outrider.platforms.base import (
    ConnectionContext,
    InboundFile,
    InboundItem,
    InboundMessage,
    JsonObject,
    Sender,
    Unrecognised,
)
from outrider.platforms.mail_addresses import read_mail_address
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.smtp.bounces import (
    Bounce,
    is_automatic,
    is_of_a_machine,
    read_report,
    read_words,
    report_type,
)
from outrider.platforms.smtp.mails import (
    Bodies,
    MailFile,
    address_of,
    bodies_of,
    header_text,
    named_ids,
    parse_mail,
    written_at,
)
from outrider.platforms.smtp.return_paths import ReturnPaths

_ADDRESSED: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To")
_DELIVERY, _COMPLAINT = "delivery-status", "feedback-report"
_SEARCHED_BYTES: Final = 200_000
_KINDS: Final = {"image": "image", "video": "video", "audio": "audio"}


def read_incoming(raw: bytes, connection: ConnectionContext, paths: ReturnPaths) -> tuple[InboundItem, ...]:
    """Read one mail; never raises for what a mail may hold. CPU only: long ones belong into a thread."""
    key = hashlib.sha256(raw).hexdigest()
    try:
        return _read(raw, key, connection, paths)
    except Exception as error:  # noqa: BLE001 -- one mail that nobody can read must not keep back those behind it
        log.exception("mail.unreadable", error, connection_id=connection.connection_id)
        return (Unrecognised(key, f"a mail that could not be read ({type(error).__name__})"),)


def _read(raw: bytes, key: str, connection: ConnectionContext, paths: ReturnPaths) -> tuple[InboundItem, ...]:
    mail = parse_mail(raw)
    sender_name, sender = address_of(mail, "From")
    if _is_our_own(mail, sender, connection, paths):
        log.info("mail.came_round", outcome="ignored", connection_id=connection.connection_id)
        return ()
    kind = report_type(mail)
    told_of = paths.read(
        connection.connection_id, [str(one) for name in _ADDRESSED for one in _all(mail, name)]
    )
    if kind == _COMPLAINT:
        return (_complaint(raw, key, connection, paths),)
    if kind == _DELIVERY:
        return _bounced(read_report(mail), key, told_of, connection)
    if is_of_a_machine(mail, sender):
        return _bounced(read_words(bodies_of(mail).text), key, told_of, connection)
    if is_automatic(mail):
        return (Unrecognised(key, "an automatic reply"),)
    return (_written(mail, key, sender_name, sender),)


def _is_our_own(mail: Message, sender: str, connection: ConnectionContext, paths: ReturnPaths) -> bool:
    """Whether one of our mails came round to us: an answer to it would come round, too."""
    ours, theirs = read_mail_address(str(connection.config.get("from_email"))), read_mail_address(sender)
    if ours is not None and theirs is not None and ours.shown.lower() == theirs.shown.lower():
        return True
    return paths.read(connection.connection_id, [str(one) for one in _all(mail, "Return-Path")]) is not None


def _bounced(
    bounce: Bounce | None, key: str, message_id: UUID | None, connection: ConnectionContext
) -> tuple[InboundItem, ...]:
    if message_id is None:
        return (Unrecognised(key, "a mail server's report that is of none of our messages for certain"),)
    if bounce is None or not bounce.is_final:
        log.info(
            "mail.delayed",
            outcome="ignored",
            connection_id=connection.connection_id,
            event_id=message_id,
            detail=bounce.detail if bounce is not None else "no failure",
        )
        return ()
    return (
        InboundReceipt(
            key,
            "",
            ReceiptState.FAILED,
            code=bounce.code,
            detail=bounce.detail,
            is_permanent=bounce.is_permanent,
            recipient=bounce.recipient,
            event_id=message_id,
        ),
    )


def _complaint(raw: bytes, key: str, connection: ConnectionContext, paths: ReturnPaths) -> InboundItem:
    """Somebody called a mail of ours spam; the report holds that mail, and with it its return path."""
    text = raw[:_SEARCHED_BYTES].decode("ascii", "replace")
    message_id = paths.read(connection.connection_id, [text])
    if message_id is None:
        return Unrecognised(key, "a complaint that is of none of our messages for certain")
    return InboundReceipt(key, "", ReceiptState.COMPLAINED, is_permanent=True, event_id=message_id)


def _written(mail: Message, key: str, sender_name: str, sender: str) -> InboundMessage | Unrecognised:
    read = read_mail_address(sender)
    if read is None:
        return Unrecognised(key, "a mail without a sender that could be answered")
    bodies = bodies_of(mail)
    own_ids, in_reply_to, references = (
        named_ids(mail, name) for name in ("Message-ID", "In-Reply-To", "References")
    )
    threads = [*in_reply_to, *reversed(references)]
    return InboundMessage(
        dedupe_key=key,
        external_id=own_ids[0] if own_ids else f"{key}@unnamed",
        sender=Sender(read.shown, sender_name or None),
        conversation=read.shown,
        content=_content(mail, bodies),
        written_at=written_at(mail),
        reply_to_external_id=threads[0] if threads else None,
        reply_to_others=tuple(dict.fromkeys(threads[1:])),
        files=tuple(_file(one) for one in bodies.files),
    )


def _content(mail: Message, bodies: Bodies) -> JsonObject:
    """The contract's message object; subject and HTML stand beside the text."""
    extras: JsonObject = {"role": "user"}
    if subject := header_text(mail, "Subject"):
        extras["subject"] = subject
    if bodies.html is not None:
        extras["html"] = bodies.html
    if bodies.text or not bodies.files:
        return {"type": "text", "text": bodies.text, **extras}
    return {"type": _KINDS.get(bodies.files[0].mime_type.partition("/")[0], "document"), **extras}


def _file(file: MailFile) -> InboundFile:
    return InboundFile({}, file.filename, file.mime_type, len(file.content), file.content)


def _all(mail: Message, name: str) -> list[object]:
    return list(mail.get_all(name, []))
