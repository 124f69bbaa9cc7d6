"""What an operation hands to the appender: immutable rows of facts that belong together.

The rows are tuples in the order of the SQL types of `append_batch` (less the item number, which the appender
gives), so that a flush encodes them without a second copy.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct


class MessageState(IntEnum):
    """A message's state; of several facts the greatest holds (design §3.4)."""

    ACCEPTED = 0
    SENT = 1
    FAILED = 2
    DELIVERED = 3
    READ = 4

    @property
    def word(self) -> str:
        """As the contracts say it."""
        return self.name.lower()


class NodeType(StrEnum):
    """What an edge can point to."""

    EVENT = "event"
    USER = "user"
    PLATFORM_USER = "platform_user"
    FILE = "file"


class Target(NamedTuple):
    """Something that must exist in the item's application, else the item is `target_missing`."""

    kind: str
    id: UUID


class NewIdentity(NamedTuple):
    """A platform user and its user, created unless they exist."""

    platform_user_id: UUID
    user_id: UUID
    connection_id: UUID
    external_id: str
    name: str | None
    profile_picture_url: str | None
    is_system: bool
    created_at: datetime


class NewEvent(NamedTuple):
    """One fact. `payload` is JSON text; `fragment` the part of the webhook body that all deliveries share.

    `is_held`: its webhooks wait for the outcome of the message's first attempt.
    """

    application_id: UUID
    id: UUID
    event_type: str
    payload: str
    origin_event_id: UUID | None = None
    ordering_key: int | None = None
    fragment: str | None = None
    is_held: bool = False
    raw: bytes | None = None
    raw_headers: str | None = None


class NewEdge(NamedTuple):
    """An edge from an event of the same item."""

    event_id: UUID
    id: UUID
    edge_type: str
    target_type: str
    target_id: UUID


class NewMessage(NamedTuple):
    """The state row of a `message.outbound` event and the work of sending it."""

    id: UUID
    connection_id: UUID
    platform_user_id: UUID
    shard: int
    ordering_key: int | None
    due_at: datetime | None
    expires_at: datetime | None


class Receipt(NamedTuple):
    """What is known of a platform's message; state None only ties our event to the platform's id.

    `message_id` is None where only the platform's id is known: then the event waits until we know it too.
    `error` is JSON text.
    """

    event_id: UUID | None
    connection_id: UUID
    external_id: str | None
    message_id: UUID | None
    state: int | None
    happened_at: datetime | None
    error: str | None


class DeliveryOutcome(NamedTuple):
    """The end of one attempt, valid while the shard has this epoch and the work is unfinished.

    `final_state` ends the work; else `next_state` (None: as it is) and `due_at` say how it goes on.
    `release_fragment` frees the webhooks that waited for the message's first attempt. epoch None: cancelled
    from outside.
    """

    shard: int
    epoch: int | None
    position: int
    delivery_id: UUID
    number: int
    result: str
    final_state: str | None
    reason: str | None
    next_state: str | None
    due_at: datetime | None
    started_at: datetime | None
    duration_ms: int | None
    status_code: int | None
    detail: str | None
    release_fragment: str | None


class NewFile(NamedTuple):
    """A file. Without content (`sha256` None) it is pending: to be fetched through `connection_id`.

    `event_id` is the message that brought it, in the same item; `reference`, JSON text, is how the adapter finds it.
    """

    id: UUID
    filename: str
    mime_type: str
    size: int | None
    sha256: bytes | None
    source: str
    reference: str | None = None
    connection_id: UUID | None = None
    event_id: UUID | None = None


class FileEnd(NamedTuple):
    """What became of a pending file; without content it has failed."""

    id: UUID
    filename: str
    mime_type: str
    size: int | None
    sha256: bytes | None


class SentPart(NamedTuple):
    """One call of several that a message took, from 0, and how the platform calls what it made."""

    message_id: UUID
    number: int
    external_id: str


class NewSubmission(NamedTuple):
    """Where a transactional message is found by its submitter.

    With `failed_at` it was refused before there was anything to send: its state row is written with it, final.
    """

    organisation_id: UUID
    id: UUID
    id_from_submitter: str | None
    recipient: str
    connection_id: UUID | None = None
    platform_user_id: UUID | None = None
    failed_at: datetime | None = None
    error: str | None = None


class OnceKey(Struct, frozen=True):
    """What must happen once: an idempotency key (scope: operation) or a dedupe key (scope: connection)."""

    scope: str
    key: str
    request_hash: bytes | None
    hours: int


class Append(Struct, frozen=True, kw_only=True):
    """All that one caller wants written, all or nothing.

    `event_id` identifies the item (its first event, or the delivery that ended). `is_new_fact`: refused
    while the disk is nearly full; receipts and outcomes go on.
    """

    application_id: UUID
    event_id: UUID
    events: Sequence[NewEvent] = ()
    edges: Sequence[NewEdge] = ()
    once_key: OnceKey | None = None
    targets: Sequence[Target] = ()
    identities: Sequence[NewIdentity] = ()
    message: NewMessage | None = None
    receipts: Sequence[Receipt] = ()
    outcome: DeliveryOutcome | None = None
    files: Sequence[NewFile] = ()
    file_ends: Sequence[FileEnd] = ()
    parts: Sequence[SentPart] = ()
    submission: NewSubmission | None = None
    is_new_fact: bool = True
    cargo: object = None


class Verdict(IntEnum):
    """What became of an item; ordinary ends, none of them raises."""

    APPENDED = 0
    DUPLICATE = 1
    KEY_CONFLICT = 2
    TARGET_MISSING = 3
    STALE = 4


class Answer(NamedTuple):
    """`stored_id`: the first event of a duplicate, or the target that is missing."""

    verdict: Verdict
    stored_id: UUID | None


class AppendedDelivery(NamedTuple):
    """Outgoing work that a flush put into the queue, or released; of a message with its recipient's name."""

    application_id: UUID
    shard: int
    position: int
    id: UUID
    kind: str
    event_id: UUID
    target_id: UUID
    ordering_key: int | None
    origin_event_id: UUID | None
    due_at: datetime | None
    expires_at: datetime | None
    recipient_name: str | None = None


class Flushed(Struct, frozen=True):
    """One commit: the items that it wrote and the work that it made.

    What was refused (duplicate, conflict, missing target, stale) is not among the items. `previous_position`
    None: there were no events.
    """

    items: Sequence[Append]
    previous_position: int | None
    last_position: int | None
    deliveries: Sequence[AppendedDelivery]
