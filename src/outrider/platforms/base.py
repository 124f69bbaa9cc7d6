"""The contract between Outrider and the code that speaks to one vendor.

An adapter turns a message into the vendor's request and the vendor's answer into a value; it turns the
vendor's webhooks into inbound items. It keeps no durable state, writes nothing to the database and never
signals "try again" by raising: every expected end of a send is one of the four outcomes below.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias
from uuid import UUID

from outrider.platforms.failure_codes import FailureCode
from outrider.platforms.receipts import InboundReceipt

JsonObject: TypeAlias = dict[str, object]


class Channel(StrEnum):
    """Where a person is reached; the contract's `platformName` in lower case."""

    WHATSAPP = "whatsapp"
    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"
    TELEGRAM = "telegram"
    SLACK = "slack"
    DISCORD = "discord"
    SMS = "sms"
    EMAIL = "email"
    IMESSAGE = "imessage"


CHAT_CHANNELS = frozenset(Channel) - {Channel.SMS, Channel.EMAIL}
"""Channels on which people see messages as one thread, where order matters; never mail or SMS."""


class Capability(StrEnum):
    """What an adapter can do; what is missing is refused loudly before anything is stored."""

    SEND_TEXT = "send_text"
    SEND_HTML = "send_html"
    SEND_MEDIA = "send_media"
    SEND_LOCATION = "send_location"
    SEND_CONTACT = "send_contact"
    SEND_REACTION = "send_reaction"
    SEND_REPLY = "send_reply"
    RECEIVE_MESSAGES = "receive_messages"
    RECEIVE_RECEIPTS = "receive_receipts"
    FIND_OUTCOME = "find_outcome"


class FieldKind(StrEnum):
    """The JSON type of one config value."""

    TEXT = "text"
    URL = "url"
    INTEGER = "integer"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One key of a connection's config; drives validation, sealing, masking and the console's form.

    `minimum` and `maximum` bound an integer.
    """

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    is_secret: bool = False
    is_required: bool = False
    choices: tuple[str, ...] = ()
    default: str | int | bool | None = None
    minimum: int = -(2**53) + 1
    maximum: int = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an adapter is: its name, channels, config, capabilities and limits.

    `ordered_channels`: there, messages of one conversation leave in the order in which they were accepted.
    `text_limit`: characters of text, None where the vendor has none. `caption_limit`: of the text beside a file, None
    where there is no limit, 0 where texts never stand beside files (a mail is its text, with files attached).
    `attachments_limit`: bytes of all files of one message. `contact_fields`: what a contact must have beside its name.
    `lifetime_hours`: how long a deferred message is retried before it fails `EXPIRED`.
    """

    name: str
    label: str
    channels: frozenset[Channel]
    config_fields: tuple[ConfigField, ...]
    capabilities: frozenset[Capability]
    ordered_channels: frozenset[Channel]
    text_limit: int | None
    caption_limit: int | None = None
    attachments_limit: int | None = None
    contact_fields: frozenset[str] = frozenset()
    attempt_seconds: float = 20.0
    lifetime_hours: int = 24
    documentation: str = ""

    def is_ordered_on(self, channel: Channel) -> bool:
        """Whether messages of one conversation must leave in order on this channel."""
        return channel in self.ordered_channels


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """The connection that a call is made for: its config with secrets opened. Never log it.

    `webhook_url` leads to the account's webhook, for vendors that are told with each message where to post.
    """

    application_id: UUID
    connection_id: UUID
    channel: Channel
    config: Mapping[str, object] = field(repr=False)
    webhook_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OutboundFile:
    """A file that goes out with a message; `read` gives its content, read in a thread.

    `url` leads to it for seven days, for vendors that fetch files themselves.
    """

    id: UUID
    filename: str
    mime_type: str
    size: int
    read: Callable[[], Awaitable[bytes]] = field(repr=False, compare=False)
    url: str = field(default="", repr=False, compare=False)


async def _not_recorded(_number: int, _external_id: str) -> None:
    """For messages whose parts nobody remembers."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message to hand to the vendor.

    `delivery_id` is equal on every attempt: vendors that accept an idempotency key get this one.
    `content` is the message object of the contract (`{"type": "text", "text": …, "role": …}`).
    `metadata` is the caller's (mail: `subject`, `content_type`).
    `files` are those of its `attachment` edges; of a message with media the first is the one that `content` names.
    `reply_to_external_id`: the vendor's id of the message that is answered, None where it knows none.

    What takes the vendor several calls is recorded call by call with `record_part(number, external_id)`, from 0, before
    the next one is made; `sent_parts` are the ids of those that went out in an earlier attempt, and are not made again.
    """

    event_id: UUID
    delivery_id: UUID
    attempt: int
    recipient: str
    content: Mapping[str, object]
    metadata: Mapping[str, object]
    files: tuple[OutboundFile, ...] = ()
    reply_to_external_id: str | None = None
    sent_parts: tuple[str, ...] = ()
    record_part: Callable[[int, str], Awaitable[None]] = field(
        default=_not_recorded, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """The vendor took the message and calls it `external_id`; `part_ids` are all its ids if it took several calls."""

    external_id: str
    part_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """The vendor refused for good; trying again cannot help."""

    code: FailureCode
    detail: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now. `retry_after` in seconds as the vendor asked, None for our schedule.

    `pauses_connection` holds everything else of the connection back for `retry_after` too.
    """

    retry_after: float | None
    detail: str
    pauses_connection: bool = False


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The request left and no answer came: the vendor may or may not have the message."""

    detail: str


FETCH_SECONDS = 40.0
"""How long fetching one file may take."""
LARGEST_FILE = 25_000_000
"""Bytes of one file, whichever way it goes."""

Outcome: TypeAlias = Sent | Rejected | Deferred | InDoubt


@dataclass(frozen=True, slots=True)
class Healthy:
    """The vendor knows us; `detail` says as whom, in words for people."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """Nothing could be sent now; `detail` says why, without any secret."""

    detail: str


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """A webhook as it came in: header names in lower case, `body` the raw bytes that were signed.

    `url` is the address as the vendor called it, built from our public URL: some vendors sign it.
    """

    headers: Mapping[str, str]
    body: bytes
    query: str = ""
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as the vendor tells it."""

    external_id: str
    name: str | None = None
    profile_picture_url: str | None = None


@dataclass(frozen=True, slots=True)
class InboundFile:
    """A file that came with a message and is yet to be fetched; `reference` is all that `fetch_file` needs of it.

    Name, type and size are as the vendor tells them, None where it does not.
    """

    reference: JsonObject
    filename: str | None = None
    mime_type: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """The content of a file; name and type only where the vendor tells them better now than with the message."""

    content: bytes = field(repr=False)
    filename: str | None = None
    mime_type: str | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """Somebody wrote. `content` is the contract's message object with `role: "user"`.

    `files` came with it; of content with media, which holds no `media` yet, the first is that.

    `external_id` is the vendor's id of the message, unique in the connection. `conversation` is what a reply
    is addressed to (a group's id; the sender's own id in a direct chat). `dedupe_key` is equal on the
    vendor's repeats and unique otherwise; `written_at` is the vendor's time, None where it sends none.
    """

    dedupe_key: str
    external_id: str
    sender: Sender
    conversation: str
    content: JsonObject
    written_at: datetime | None = None
    reply_to_external_id: str | None = None
    files: tuple[InboundFile, ...] = ()


@dataclass(frozen=True, slots=True)
class InboundReaction:
    """Somebody reacted to a message, ours or theirs; an empty `emoji` takes the reaction back.

    `external_id` is the vendor's id of that message; `conversation` as of a message.
    """

    dedupe_key: str
    external_id: str
    sender: Sender
    conversation: str
    emoji: str


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """Authentic, but nothing that this adapter knows: kept raw as `system.webhook.unrecognised`."""

    dedupe_key: str | None
    note: str


InboundItem: TypeAlias = InboundMessage | InboundReaction | InboundReceipt | Unrecognised


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the vendor wants to read in the 200, sent only after the items are committed."""

    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class ParsedWebhook:
    """All that one webhook body says; an empty `items` is an acknowledged nothing (a handshake).

    `confirm`, where there is one, makes the call that the vendor waits for, once the items are committed; if it gives
    False, the vendor is told to send again.
    """

    items: tuple[InboundItem, ...]
    answer: WebhookAnswer = WebhookAnswer()
    confirm: Callable[[], Awaitable[bool]] | None = field(default=None, repr=False, compare=False)


class Adapter(Protocol):
    """The code that speaks to one vendor. One instance serves every connection of the process."""

    @property
    def manifest(self) -> Manifest:
        """What this adapter is and can do."""
        ...

    def normalise_address(self, address: str) -> str | None:
        """The recipient's canonical external id (E.164, lower-case domain …), None if it cannot be one."""
        ...

    async def send(self, outbound: Outbound, connection: ConnectionContext) -> Outcome:
        """Hand one message to the vendor within `manifest.attempt_seconds`; vendor faults are outcomes."""
        ...

    async def find_outcome(self, outbound: Outbound, connection: ConnectionContext) -> Sent | Rejected | None:
        """Ask the vendor what became of an attempt in doubt; None if it cannot tell."""
        ...

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        """Fetch what came with a message, within `FETCH_SECONDS`; vendor faults are outcomes."""
        ...

    async def check(self, connection: ConnectionContext) -> Healthy | Unhealthy:
        """Ask the vendor whether the config would do, within `manifest.attempt_seconds`; sends nothing."""
        ...

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool | Deferred:
        """Whether the webhook is authentic, over its raw bytes (the path secret was already checked).

        `Deferred`: it cannot be told now (a certificate was not reached), and the vendor must send again.
        """
        ...

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        """Read an authentic webhook; lenient, and never raises for what a vendor may send."""
        ...

    async def close(self) -> None:
        """Give back pooled connections at stop."""
        ...
