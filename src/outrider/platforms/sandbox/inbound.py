"""The sandbox's own webhook format, documented in its manifest: messages and receipts as plain JSON."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from outrider.platforms.base import (
    FailureCode,
    InboundItem,
    InboundMessage,
    InboundReaction,
    InboundRequest,
    JsonObject,
    ParsedWebhook,
    Sender,
    Unrecognised,
)
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.sandbox.media import MEDIA_KINDS, inbound_file
from outrider.platforms.vendor_contents import LONGEST_EMOJI, contact_of, location_of
from outrider.platforms.vendor_json import as_list, as_name, as_object, as_short_id, as_text, read

SIGNATURE_HEADER = "x-sandbox-signature"


def signature_of(secret: str, body: bytes) -> str:
    """The value of the signature header for this body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_authentic(request: InboundRequest, config: Mapping[str, object]) -> bool:
    """Without a signing secret the secret in the webhook's path, already checked, is enough."""
    secret = config.get("signing_secret")
    if not isinstance(secret, str) or not secret:
        return True
    given = request.headers.get(SIGNATURE_HEADER, "")
    return hmac.compare_digest(given.encode(errors="replace"), signature_of(secret, request.body).encode())


def parse_webhook(body: bytes) -> ParsedWebhook:
    """Read one body; an entry of the wrong shape is kept as unrecognised and spoils no other."""
    try:
        document = read(body)
    except ValueError:
        return ParsedWebhook((Unrecognised(None, "the body is not JSON"),))
    given = as_object(document)
    items: list[InboundItem] = [
        _message(number, as_object(entry)) for number, entry in enumerate(as_list(given.get("messages")))
    ]
    items += [
        _reaction(number, as_object(entry)) for number, entry in enumerate(as_list(given.get("reactions")))
    ]
    items += [
        _receipt(number, as_object(entry)) for number, entry in enumerate(as_list(given.get("receipts")))
    ]
    if not items and not {"messages", "reactions", "receipts"} & given.keys():
        items = [Unrecognised(None, "the body has neither messages nor reactions nor receipts")]
    return ParsedWebhook(tuple(items))


def _message(number: int, entry: JsonObject) -> InboundMessage | Unrecognised:
    sender, content = as_short_id(entry.get("from")), _content(entry)
    if sender is None or content is None:
        return Unrecognised(None, f"messages[{number}] needs `from`, and `text` or something else to say")
    # Two bodies without ids are two messages: that is what somebody with curl in hand means.
    identifier = as_short_id(entry.get("id")) or f"sbxin_{uuid4().hex}"
    return InboundMessage(
        dedupe_key=f"message:{identifier}",
        external_id=identifier,
        sender=Sender(sender, as_name(entry.get("name"))),
        conversation=as_short_id(entry.get("conversation")) or sender,
        content={**content, "role": "user"},
        written_at=_time(entry.get("sent_at")),
        reply_to_external_id=as_short_id(entry.get("reply_to")),
        files=tuple(inbound_file(kind, as_object(entry[kind])) for kind in _kinds(entry)),
    )


def _content(entry: JsonObject) -> JsonObject | None:
    """What is said: of media the first kind that is there, then a place, a contact, a text."""
    text, kinds = as_text(entry.get("text")), _kinds(entry)
    if kinds:
        caption = as_text(entry.get("caption")) or text
        said: JsonObject = {"type": kinds[0]}
        return said if caption is None else said | {"caption": caption}
    for kind, shaped in (("location", location_of), ("contact", contact_of)):
        found = shaped(as_object(entry.get(kind)))
        if found is not None:
            return {"type": kind, kind: found}
    return None if text is None else {"text": text, "type": "text"}


def _kinds(entry: JsonObject) -> list[str]:
    return [kind for kind in MEDIA_KINDS if isinstance(entry.get(kind), dict)]


def _reaction(number: int, entry: JsonObject) -> InboundReaction | Unrecognised:
    sender, message_id = as_short_id(entry.get("from")), as_short_id(entry.get("message_id"))
    emoji = entry.get("emoji")
    if sender is None or message_id is None or not isinstance(emoji, str):
        return Unrecognised(None, f"reactions[{number}] needs `from`, `message_id` and `emoji`")
    identifier = as_short_id(entry.get("id")) or f"sbxin_{uuid4().hex}"
    return InboundReaction(
        dedupe_key=f"reaction:{identifier}",
        external_id=message_id,
        sender=Sender(sender, as_name(entry.get("name"))),
        conversation=as_short_id(entry.get("conversation")) or sender,
        emoji=emoji[:LONGEST_EMOJI],
    )


def _receipt(number: int, entry: JsonObject) -> InboundReceipt | Unrecognised:
    message_id, state = as_short_id(entry.get("message_id")), as_text(entry.get("state"))
    if message_id is None or state not in set(ReceiptState):
        return Unrecognised(None, f"receipts[{number}] needs `message_id` and a known `state`")
    identifier = as_short_id(entry.get("id")) or f"{state}:{message_id}"
    has_failed = state == ReceiptState.FAILED
    return InboundReceipt(
        dedupe_key=f"receipt:{identifier}",
        external_id=message_id,
        state=ReceiptState(state),
        happened_at=_time(entry.get("at")),
        code=FailureCode.UNKNOWN if has_failed else None,
        detail=as_text(entry.get("error")) if has_failed else None,
        is_permanent=entry.get("permanent") is True,
        url=as_text(entry.get("url")),
    )


def _time(value: object) -> datetime | None:
    text = as_text(value)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
