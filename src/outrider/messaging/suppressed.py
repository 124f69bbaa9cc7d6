"""Who is not written to any more, asked before a message is accepted: one statement for all that ask at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core.database.batching import Batcher
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.ids import time_of
from outrider.events.bodies import shown_time
from outrider.events.values import OnceKey
from outrider.messaging.cross_tenant import select_suppressed
from outrider.messaging.errors import RecipientSuppressed
from outrider.messaging.queries_suppressions import Suppression, is_key_taken
from outrider.platforms.base import Channel

SUPPRESSED_CHANNELS: Final = frozenset({Channel.EMAIL, Channel.SMS})
_BYTES: Final = 400


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a message is to go to; `once_key` is the message's."""

    application_id: UUID
    channel: Channel
    address: str
    once_key: OnceKey | None


class Suppressed:
    """Looks recipients up; on other channels than mail and SMS there is no list."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._batcher = Batcher("suppressions", self._select)

    async def refuse(self, recipient: Addressee) -> None:
        """Raise `RecipientSuppressed` if nothing may be sent there, `Unavailable` if that cannot be known."""
        (refusal,) = await self.refusals([recipient])
        if refusal is not None:
            raise refusal

    async def refusals(self, recipients: Sequence[Addressee | None]) -> list[RecipientSuppressed | None]:
        """Why nothing may be sent to each of them, None where something may, and for a recipient that is None.

        A repeat of what was accepted before answers as that did.
        """
        asked = [one for one in recipients if one is not None and one.channel in SUPPRESSED_CHANNELS]
        if not asked:
            return [None] * len(recipients)
        entries = await self._batcher.put(asked, _BYTES * len(asked))
        found = {id(one): entry for one, entry in zip(asked, entries, strict=True) if entry is not None}
        return [await self._refusal(one, found.get(id(one))) for one in recipients]

    async def close(self) -> None:
        """Answer who asked."""
        await self._batcher.close()

    async def _refusal(
        self, recipient: Addressee | None, found: Suppression | None
    ) -> RecipientSuppressed | None:
        if recipient is None or found is None or await self._is_repeat(recipient):
            return None
        return RecipientSuppressed(
            f"Nothing is sent to this recipient any more: {found.reason}.",
            reason=found.reason,
            since=shown_time(time_of(found.id)),
            event_id=str(found.id),
            channel=found.channel,
            address=found.address,
        )

    async def _is_repeat(self, recipient: Addressee) -> bool:
        key = recipient.once_key
        if key is None:
            return False
        with faults_as_unavailable():
            return await is_key_taken(self._pool, recipient.application_id, key.scope, key.key)

    async def _select(self, batches: Sequence[Sequence[Addressee]]) -> list[list[Suppression | None]]:
        found = iter(
            await select_suppressed(
                self._pool,
                [(one.application_id, one.channel.value, one.address) for batch in batches for one in batch],
            )
        )
        return [[next(found) for _ in batch] for batch in batches]
