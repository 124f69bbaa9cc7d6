"""What the dispatcher moves: units of outgoing work and the ends of their attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from outrider.events.values import Append, AppendedDelivery

SHARDS = 64
# Work waits in memory with what it needs, but for what is longer than this: that is read again for its attempt.
LONGEST_KEPT = 4 * 1024
ANY_LENGTH = 2**31 - 1


def shard_of(target_id: UUID) -> int:
    """The shard that dispatches a target; the same as the SQL function of this name."""
    return target_id.bytes[15] & (SHARDS - 1)


class QueueRow(NamedTuple):
    """One row of `delivery_queue` as it is read."""

    application_id: UUID
    shard: int
    position: int
    id: UUID
    kind: str
    event_id: UUID
    target_id: UUID
    ordering_key: int | None
    state: str
    attempts: int
    due_at: datetime | None
    expires_at: datetime | None


@dataclass(slots=True)
class Work:
    """One delivery in memory. `cargo` is what the kind's handler needs to attempt it."""

    row: QueueRow
    epoch: int
    cargo: object


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one attempt: what to record, and how the target's other work goes on.

    `retry_at`: the work is not finished. `pause_seconds` holds the whole target back. `is_target_at_fault`:
    the target did not answer as it should; many of these in a row open its circuit breaker.
    """

    append: Append
    retry_at: datetime | None = None
    pause_seconds: float | None = None
    is_target_at_fault: bool = False


class Handler(Protocol):
    """What one kind of delivery (message, webhook) does at each step."""

    def handed(self, item: Append | None, delivery: AppendedDelivery) -> object:
        """The cargo of work that this process just appended or released, None if `attempt` must read it.

        None also for a cargo longer than `LONGEST_KEPT`.
        """
        ...

    async def load(self, rows: Sequence[QueueRow]) -> Sequence[object]:
        """The cargo of each row, read in one statement for all; None for what is longer than `LONGEST_KEPT`."""
        ...

    async def attempt(self, work: Work) -> Ended:
        """Make one attempt within its deadline; never raises for the other side's faults."""
        ...
