"""Targets with more work than memory has room for: what of it was left in the queue, and where to read on.

Work that is ready at once is left behind a cursor and read on in its order; until then nothing newer of the
target comes in. A target that does not get rid of its work, or of much of it, so takes no other's room.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.dispatch.lanes import Lanes
from outrider.dispatch.values import QueueRow

FIRST_ID = UUID(int=0)
LAST_ID = UUID(int=(1 << 128) - 1)


@dataclass(slots=True)
class Backlog:
    """What one target has in the queue beyond its room: ready work behind a cursor, retries and scheduled work."""

    target_id: UUID
    shard: int
    position: int | None = None
    last_id: UUID = FIRST_ID
    has_due: bool = False

    def stand_behind(self, row: QueueRow) -> None:
        """Read on after this row."""
        self.position, self.last_id = row.position, row.id


class Backlogs:
    """The backlogs of one process's targets."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._by_target: dict[UUID, Backlog] = {}

    def with_room(self, rows: Sequence[QueueRow]) -> list[QueueRow]:
        """The rows that may come into memory and are not there yet; the rest joins its target's backlog."""
        kept: list[QueueRow] = []
        coming: dict[UUID, int] = {}
        for row in rows:
            count = coming.get(row.target_id, 0)
            if row.id not in self._lanes.loaded and self.has_room_for(row, count):
                kept.append(row)
                coming[row.target_id] = count + 1
        return kept

    def has_room_for(self, row: QueueRow, coming: int = 0) -> bool:
        """Whether a row may come into memory, beside others that are `coming`; else it joins the backlog."""
        known = self._by_target.get(row.target_id)
        is_full = self._lanes.is_full(row.target_id, coming)
        if row.due_at is None and known is not None and known.position is not None:
            # what was left behind comes first
            return False
        if not is_full:
            return True
        backlog = self._by_target.setdefault(row.target_id, Backlog(row.target_id, row.shard))
        if row.due_at is None:
            backlog.position, backlog.last_id = row.position - 1, LAST_ID
        else:
            backlog.has_due = True
        return False

    def readable(self) -> list[Backlog]:
        """The backlogs of targets that have much room again."""
        return [
            backlog for backlog in self._by_target.values() if self._lanes.has_much_room(backlog.target_id)
        ]

    def is_readable(self, target_id: UUID) -> bool:
        """Whether this target has a backlog, and much room again."""
        return target_id in self._by_target and self._lanes.has_much_room(target_id)

    def settle(self, backlog: Backlog) -> None:
        """Forget a backlog of which nothing is left."""
        is_empty = backlog.position is None and not backlog.has_due
        if is_empty and self._by_target.get(backlog.target_id) is backlog:
            del self._by_target[backlog.target_id]

    def forget_shard(self, shard: int) -> None:
        """The shard is read anew, or by somebody else."""
        for backlog in [one for one in self._by_target.values() if one.shard == shard]:
            del self._by_target[backlog.target_id]
