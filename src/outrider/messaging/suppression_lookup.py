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
"""What one who waits for an answer takes, with the longest address: bounds the queue before the statement."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a message is to go to; `once_key` is the message's."""

    application_id: UUID
    channel: Channel
    address: str
    once_key: OnceKey | None


class SuppressionLookup:
    """Looks addressees up in the suppression lists; on other channels than mail and SMS there is none."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._batcher = Batcher("suppressions", self._select)

    async def refuse(self, addressee: Addressee) -> None:
        """Raise `RecipientSuppressed` if nothing may be sent there, `Unavailable` if that cannot be known."""
        (refusal,) = await self.refusals([addressee])
        if refusal is not None:
            raise refusal

    async def refusals(self, addressees: Sequence[Addressee | None]) -> list[RecipientSuppressed | None]:
        """Why nothing may be sent to each of them, None where something may, and for None.

        A repeat of what was accepted before answers as that did.
        """
        asked = {
            number: one
            for number, one in enumerate(addressees)
            if one is not None and one.channel in SUPPRESSED_CHANNELS
        }
        refusals: list[RecipientSuppressed | None] = [None] * len(addressees)
        if asked:
            entries = await self._batcher.put(list(asked.values()), _BYTES * len(asked))
            for (number, one), entry in zip(asked.items(), entries, strict=True):
                refusals[number] = None if entry is None else await self._refusal(one, entry)
        return refusals

    async def close(self) -> None:
        """Answer who asked."""
        await self._batcher.close()

    async def _refusal(self, addressee: Addressee, found: Suppression) -> RecipientSuppressed | None:
        if await self._is_repeat(addressee):
            return None
        return RecipientSuppressed(
            f"Nothing is sent to this recipient any more: {found.reason}.",
            reason=found.reason,
            since=shown_time(time_of(found.id)),
            event_id=str(found.id),
            channel=found.channel,
            address=found.address,
        )

    async def _is_repeat(self, addressee: Addressee) -> bool:
        key = addressee.once_key
        if key is None:
            return False
        with faults_as_unavailable():
            return await is_key_taken(self._pool, addressee.application_id, key.scope, key.key)

    async def _select(self, batches: Sequence[Sequence[Addressee]]) -> list[list[Suppression | None]]:
        found = iter(
            await select_suppressed(
                self._pool,
                [(one.application_id, one.channel.value, one.address) for batch in batches for one in batch],
            )
        )
        return [[next(found) for _ in batch] for batch in batches]
