"""What vendors tell of messages that we sent."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outrider.platforms.failure_codes import FailureCode


class ReceiptState(StrEnum):
    """What a receipt says of a message that we sent.

    The first four move the message's state. The others are told as events beside it and move nothing: a mail
    that was opened may have been opened by a machine that checks it, and one that was complained about has arrived.
    """

    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


@dataclass(frozen=True, slots=True)
class InboundReceipt:
    """The vendor tells what became of a message that we sent, possibly before it answered the send.

    `is_permanent`: nothing should be sent to this recipient again; of a failure, that the address is bad or takes
    nothing, not that this message was. `recipient` is who it is about and `url` what was clicked, where the
    vendor tells it.
    """

    dedupe_key: str
    external_id: str
    state: ReceiptState
    happened_at: datetime | None = None
    code: FailureCode | None = None
    detail: str | None = None
    is_permanent: bool = False
    recipient: str | None = None
    url: str | None = None
