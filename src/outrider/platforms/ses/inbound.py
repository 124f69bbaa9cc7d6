"""What SNS posts: the confirmation of a subscription, events of our mails, and mail that a receipt rule hands on."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from outrider.platforms.base import (
    InboundMessage,
    JsonObject,
    ParsedWebhook,
    Sender,
    Unrecognised,
)
from outrider.platforms.mail_reading import address_in, read_mail
from outrider.platforms.ses.events import items_of
from outrider.platforms.ses.notifications import CONFIRMATION, NOTIFICATION, envelope_in, subscribe_url_in
from outrider.platforms.vendor_json import as_object, as_short_id, as_text, read

_SES_IDS: Final = ".amazonses.com"


def parse_webhook(body: bytes, confirm: Callable[[str], Awaitable[bool]]) -> ParsedWebhook:
    """Read one envelope; `confirm` is how a subscription is confirmed."""
    envelope = envelope_in(body)
    kind, identifier = as_text(envelope.get("Type")), as_short_id(envelope.get("MessageId"))
    dedupe_key = None if identifier is None else f"sns:{identifier}"
    url = subscribe_url_in(envelope)
    if kind == CONFIRMATION and url is not None:
        return ParsedWebhook((), confirm=partial(confirm, url))
    if kind != NOTIFICATION:
        return ParsedWebhook((Unrecognised(dedupe_key, f"an envelope of type {(kind or 'none')[:60]}"),))
    event = _event_in(envelope)
    if not event:
        return ParsedWebhook((Unrecognised(dedupe_key, "a notification that is no event of SES"),))
    if event.get("notificationType") == "Received":
        return ParsedWebhook((_mail(event, dedupe_key),))
    return ParsedWebhook(items_of(event, identifier))


def _event_in(envelope: JsonObject) -> JsonObject:
    try:
        return as_object(read((as_text(envelope.get("Message")) or "").encode("utf-8", "replace")))
    except ValueError:
        return {}


def _mail(event: JsonObject, dedupe_key: str | None) -> InboundMessage | Unrecognised:
    raw = _raw_mail(event)
    if raw is None:
        return Unrecognised(
            dedupe_key, "a mail whose content is not here: let the rule's SNS action encode it"
        )
    told = as_object(event.get("mail"))
    mail = read_mail(raw)
    sender = mail.sender or address_in(as_text(told.get("source")) or "")[1]
    external_id = mail.message_id or as_short_id(told.get("messageId"))
    if sender is None or external_id is None:
        return Unrecognised(dedupe_key, "a mail without a sender or an id")
    return InboundMessage(
        dedupe_key=dedupe_key or f"mail:{external_id}",
        external_id=external_id,
        sender=Sender(sender, mail.sender_name),
        conversation=sender,
        content={**mail.content, "role": "user"},
        written_at=mail.written_at,
        reply_to_external_id=_as_sent(mail.answered),
        files=mail.files,
    )


def _raw_mail(event: JsonObject) -> bytes | None:
    content = as_text(event.get("content"))
    if content is None:
        return None
    action = as_object(as_object(event.get("receipt")).get("action"))
    if as_text(action.get("encoding")) != "BASE64":
        return content.encode("utf-8", "replace")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None


def _as_sent(answered: str | None) -> str | None:
    """SES made a Message-ID of the id by which we know a mail of ours."""
    identifier, _, domain = (answered or "").rpartition("@")
    return identifier if identifier and domain.endswith(_SES_IDS) else answered
