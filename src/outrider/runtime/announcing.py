"""Tells of commits: this process's parts at once, other processes by a notification when there are any."""

from uuid import UUID

from outrider.dispatch.dispatcher import Dispatcher
from outrider.events.heads import LogHeads
from outrider.events.values import Flushed
from outrider.messaging.waiting import Waiters


class CommitAnnouncer:
    """Tells the parts of this process of each commit, and other processes that there was one."""

    def __init__(self, process_id: UUID, waiters: Waiters, heads: LogHeads) -> None:
        self._name = str(process_id)
        self._waiters = waiters
        self._heads = heads
        self.dispatcher: Dispatcher | None = None

    def on_flushed(self, flushed: Flushed) -> None:
        """A commit of this process."""
        self._waiters.on_flushed(flushed)
        self._heads.on_flushed(flushed)
        if self.dispatcher is not None:
            self.dispatcher.on_flushed(flushed)

    def notify_text(self) -> str | None:
        """What other processes are told; nothing while there are none (a notification locks every commit)."""
        if self.dispatcher is None or self.dispatcher.leases.live_processes <= 1:
            return None
        return self._name

    def heard(self, payload: str) -> None:
        """A commit of some process, possibly this one."""
        name, _, position = payload.partition(" ")
        if name == self._name:
            return
        self._heads.look()
        if self.dispatcher is not None and position.isdigit():
            self.dispatcher.on_appended_elsewhere(int(position))
