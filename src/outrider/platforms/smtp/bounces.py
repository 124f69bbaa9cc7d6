"""Reports of mail servers (RFC 3464, RFC 5965), and what other machines answer: what they say of a message."""

import re
from dataclasses import dataclass
from email.message import Message
from typing import Final

from outrider.platforms.failure_codes import FailureCode
from outrider.platforms.smtp.mails import parts_of

_STATUS: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY: Final = re.compile(r"(?<![\d.])([45]\d\d)[ \-]")
_NO_SUCH_MAILBOX: Final = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4"})
_NO_SUCH_MAILBOX_REPLIES: Final = frozenset({"550", "551", "553"})
_DISABLED: Final = "5.2.1"
_BAD_CONTENT: Final = frozenset({"5.2.3", "5.3.4"})
_MACHINES: Final = re.compile(r"(mailer-?daemon|mail-?daemon|postmaster|double-bounce)(@|$)", re.IGNORECASE)
_AUTOMATIC_HEADERS: Final = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply-From")
_LONGEST_DETAIL: Final = 500
_READ_CHARACTERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Bounce:
    """A message that was not delivered. Not `is_final`: the server goes on trying."""

    is_final: bool
    code: FailureCode
    is_permanent: bool
    detail: str
    recipient: str | None


def report_type(mail: Message) -> str | None:
    """Which kind of report a mail is (`delivery-status`, `feedback-report`), None for other mails."""
    if mail.get_content_type() != "multipart/report":
        return None
    kind = mail.get_param("report-type")
    if isinstance(kind, str) and kind:
        return kind.lower()
    types = {part.get_content_type() for part in parts_of(mail)}
    return "delivery-status" if "message/delivery-status" in types else ""


def read_report(mail: Message) -> Bounce | None:
    """What a report of delivery says, the worst of several recipients; None if it tells of no failure."""
    found = [bounce for fields in _recipients(mail) if (bounce := _of_fields(fields)) is not None]
    final = [bounce for bounce in found if bounce.is_final]
    return (final or found or [None])[0]


def is_of_a_machine(mail: Message, sender: str) -> bool:
    """Whether a mail server wrote a mail: its postmaster, with no return path that an answer could take."""
    has_return_path = _said(mail, "Return-Path") not in {"", "<>"}
    return not has_return_path and (not sender or _MACHINES.match(sender) is not None)


def is_automatic(mail: Message) -> bool:
    """Whether a program answered, for somebody who is away or to confirm that something came (RFC 3834)."""
    if _said(mail, "Auto-Submitted").lower().startswith("auto-replied"):
        return True
    if _said(mail, "Precedence").lower() in {"auto_reply", "auto-reply"}:
        return True
    return any(mail.get(name) is not None for name in _AUTOMATIC_HEADERS)


def read_words(text: str) -> Bounce | None:
    """What the text of a server's mail says that is no report; None if it names no code."""
    for line in text[:_READ_CHARACTERS].splitlines():
        status, reply = _STATUS.search(line), _REPLY.search(line)
        if status is not None or reply is not None:
            return _bounce(status[1] if status else "", reply[1] if reply else "", line, None)
    return None


def _recipients(mail: Message) -> list[Message]:
    """The fields of each recipient: all blocks of the status part that name an action, or a status."""
    blocks: list[Message] = []
    for part in parts_of(mail):
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}:
            blocks += parts_of(part)
    return [block for block in blocks if block.get("Action") is not None or block.get("Status") is not None]


def _of_fields(fields: Message) -> Bounce | None:
    action = _said(fields, "Action").lower()
    detail = _said(fields, "Diagnostic-Code").partition(";")[2].strip() or _said(fields, "Diagnostic-Code")
    told, named = _STATUS.search(_said(fields, "Status")), _STATUS.search(detail)
    status = told[1] if told else ""
    # 5.0.0 says nothing, and what the server that refused said itself says more
    if named is not None and (not status or status.endswith(".0.0")):
        status = named[1]
    if action in {"delivered", "relayed", "expanded"} or status.startswith("2"):
        return None
    reply = _REPLY.search(f"{detail} ")
    recipient = _said(fields, "Original-Recipient") or _said(fields, "Final-Recipient")
    bounce = _bounce(status, reply[1] if reply else "", detail, recipient.partition(";")[2].strip() or None)
    if action == "failed" and not bounce.is_final:
        # it was tried until the server gave up
        return Bounce(True, FailureCode.EXPIRED, False, bounce.detail, bounce.recipient)
    if action == "delayed":
        return Bounce(False, bounce.code, False, bounce.detail, bounce.recipient)
    return bounce


def _bounce(status: str, reply: str, detail: str, recipient: str | None) -> Bounce:
    is_final = not (status.startswith("4") or (not status and reply.startswith("4")))
    code = _code_of(status, reply)
    shown = " ".join(detail.split())
    if status and status not in shown:
        shown = f"{status} {shown}".strip()
    return Bounce(
        is_final=is_final,
        code=code,
        is_permanent=is_final and (code is FailureCode.RECIPIENT_NOT_FOUND or status == _DISABLED),
        detail=f"The mail came back: {shown}"[:_LONGEST_DETAIL],
        recipient=recipient,
    )


def _code_of(status: str, reply: str) -> FailureCode:
    if status in _NO_SUCH_MAILBOX or (not status and reply in _NO_SUCH_MAILBOX_REPLIES):
        return FailureCode.RECIPIENT_NOT_FOUND
    if status in _BAD_CONTENT or status.startswith("5.6."):
        return FailureCode.CONTENT_REJECTED
    if status.startswith(("5.2.", "5.7.", "5.1.")):
        return FailureCode.RECIPIENT_BLOCKED
    return FailureCode.UNKNOWN


def _said(fields: Message, name: str) -> str:
    value = fields.get(name)
    return "" if value is None else str(value).strip()
