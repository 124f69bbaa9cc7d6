"""Mail that Mailgun's routes post: forms with the mail taken apart, or with its raw text in `body-mime`."""

from collections.abc import Mapping
from typing import Final

from outrider.platforms.base import InboundFile, InboundMessage, ParsedWebhook, Sender, Unrecognised
from outrider.platforms.mail_reading import (
    ReadMail,
    address_in,
    answered_in,
    first_id_in,
    inline_file,
    read_mail,
)
from outrider.platforms.mailgun.events import time_of
from outrider.platforms.vendor_forms import Form, read_form
from outrider.platforms.vendor_json import as_list, as_name, as_object, as_short_id, as_text, read

_MOST_FILES: Final = 100


def parse_mail(headers: Mapping[str, str], body: bytes) -> ParsedWebhook:
    """Read one mail."""
    form = read_form(headers, body)
    token = as_short_id(form.text("token"))
    dedupe_key = f"mail:{token}" if token is not None else None
    if form.text("event") is not None:
        return ParsedWebhook((Unrecognised(dedupe_key, "a webhook in Mailgun's legacy format"),))
    if form.text("recipient") is None:
        return ParsedWebhook((Unrecognised(dedupe_key, "a form that is no mail"),))
    raw = form.text("body-mime")
    mail = _of_form(form) if raw is None else read_mail(raw.encode("utf-8", "replace"))
    return ParsedWebhook((_message(form, mail, dedupe_key),))


def _message(form: Form, mail: ReadMail, dedupe_key: str | None) -> InboundMessage | Unrecognised:
    sender = mail.sender or address_in(form.text("sender") or "")[1]
    external_id = mail.message_id or as_short_id(form.text("token"))
    if sender is None or external_id is None:
        return Unrecognised(dedupe_key, "a mail without a sender or an id")
    return InboundMessage(
        dedupe_key=dedupe_key or f"mail:{external_id}",
        external_id=external_id,
        sender=Sender(sender, mail.sender_name),
        conversation=sender,
        content={**mail.content, "role": "user"},
        written_at=time_of(form.text("timestamp")),
        reply_to_external_id=mail.answered,
        files=mail.files,
    )


def _of_form(form: Form) -> ReadMail:
    headers = _headers(form)
    name, sender = address_in(form.text("from") or headers.get("from", ""))
    text = form.text("stripped-text") or form.text("body-plain")
    return ReadMail(
        message_id=first_id_in(form.text("Message-Id") or headers.get("message-id", "")),
        sender=sender,
        sender_name=name,
        subject=form.text("subject") or headers.get("subject") or None,
        text=text,
        html=form.text("body-html") or form.text("stripped-html"),
        answered=answered_in(
            form.text("In-Reply-To") or headers.get("in-reply-to", ""),
            form.text("References") or headers.get("references", ""),
        ),
        written_at=None,
        files=(*_sent_along(form), *_kept(form)),
    )


def _headers(form: Form) -> dict[str, str]:
    """The mail's headers by their names in lower case; the first of each."""
    found: dict[str, str] = {}
    for pair in _json_list(form.text("message-headers")):
        name, value = ([as_text(one) or "" for one in as_list(pair)] + ["", ""])[:2]
        found.setdefault(name.lower(), value)
    return found


def _sent_along(form: Form) -> list[InboundFile]:
    files = form.files[:_MOST_FILES]
    return [inline_file(file.filename, file.mime_type, file.content) for file in files]


def _kept(form: Form) -> list[InboundFile]:
    """Files that Mailgun keeps for some days, as a route with store() tells them."""
    found: list[InboundFile] = []
    for one in _json_list(form.text("attachments"))[:_MOST_FILES]:
        told = as_object(one)
        url, size = as_text(told.get("url")), told.get("size")
        if url is not None:
            found.append(
                InboundFile(
                    {"url": url},
                    filename=as_name(told.get("name")),
                    mime_type=as_text(told.get("content-type")),
                    size=size if isinstance(size, int) and not isinstance(size, bool) else None,
                )
            )
    return found


def _json_list(text: str | None) -> list[object]:
    try:
        return as_list(read((text or "[]").encode("utf-8", "replace")))
    except ValueError:
        return []
