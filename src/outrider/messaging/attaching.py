"""What an attempt needs of a message beyond its content: its files, what it answers, and how far it came before."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final
from uuid import UUID

from outrider.core.database.pools import Pool
from outrider.core.turns import Turns
from outrider.dispatch.values import QueueRow
from outrider.events.bodies import EdgeView
from outrider.events.values import Answer, Append
from outrider.files.storage import ContentStorage
from outrider.files.storing import known_files
from outrider.messaging import queries
from outrider.messaging.recording import Recording, part_sent
from outrider.messaging.values import OutboundCargo
from outrider.platforms.base import Deferred, Outbound, OutboundFile

# Contents are in memory while they are sent, as slowly as the platform takes them: not many at once.
_AT_ONCE: Final = 16
_AT_ONCE_EACH: Final = 8
_TURN_SECONDS: Final = 1.0
_ANSWERED, _ATTACHED = "reply_to", "attachment"
_COMPLETED_BY: Final = frozenset({_ANSWERED, _ATTACHED})


@dataclass(frozen=True, slots=True)
class Attaching:
    """Completes outbound messages; `append` records their parts as they end."""

    pool: Pool
    storage: ContentStorage
    recording: Recording
    append: Callable[[Append], Awaitable[Answer]]
    turns: Turns = field(default_factory=lambda: Turns(_AT_ONCE, _AT_ONCE_EACH))

    @staticmethod
    def is_whole(cargo: OutboundCargo) -> bool:
        """Whether a message is nothing but its content, as most are: then nothing has to be attached."""
        return all(edge.edge_type not in _COMPLETED_BY for edge in cargo.edges)

    @asynccontextmanager
    async def attached(
        self, row: QueueRow, cargo: OutboundCargo, outbound: Outbound
    ) -> AsyncGenerator[Outbound | Deferred]:
        """The message with all that belongs to it while its attempt lasts.

        Put off while a file cannot be read, or too many messages with files are on their way.
        """
        answered = _target(cargo.edges, _ANSWERED)
        if answered is not None:
            found = await queries.select_answered(self.pool, row.application_id, answered, row.target_id)
            outbound = replace(outbound, reply_to_external_id=found)
        if _target(cargo.edges, _ATTACHED) is None:
            yield outbound
            return
        if not await self.turns.take(row.application_id, within=_TURN_SECONDS):
            yield Deferred(_TURN_SECONDS, "Too many files are being sent at once.")
            return
        try:
            yield await self._with_files(row, cargo, outbound)
        finally:
            self.turns.give_back(row.application_id)

    async def _with_files(
        self, row: QueueRow, cargo: OutboundCargo, outbound: Outbound
    ) -> Outbound | Deferred:
        ids = [edge.target_id for edge in cargo.edges if edge.edge_type == _ATTACHED]
        found = await known_files(self.pool, row.application_id, ids)
        files: list[OutboundFile] = []
        for file_id in ids:
            file = found.get(file_id)
            if file is None or file.sha256 is None or not self.storage.path_of(file.sha256).is_file():
                return Deferred(None, f"The content of the file {file_id} cannot be read.")
            read = partial(self.storage.read, file.sha256)
            url = self.recording.file_url(row.application_id, file_id)
            files.append(OutboundFile(file_id, file.filename, file.mime_type, file.size or 0, read, url))
        parts = await queries.select_parts(self.pool, row.application_id, row.event_id)
        return replace(
            outbound, files=tuple(files), sent_parts=parts, record_part=partial(self._record_part, row)
        )

    async def _record_part(self, row: QueueRow, number: int, external_id: str) -> None:
        await self.append(part_sent(self.recording, row, number, external_id))


def _target(edges: tuple[EdgeView, ...], edge_type: str) -> UUID | None:
    return next((edge.target_id for edge in edges if edge.edge_type == edge_type), None)
