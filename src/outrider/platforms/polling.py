"""Vendors that call nobody: what has come is asked for, and told by the same values as a webhook tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from outrider.platforms.base import ConnectionContext, Deferred, InboundItem, JsonObject

POLL_SECONDS = 90.0
"""How long one poll may take."""


@dataclass(frozen=True, slots=True)
class PolledItem:
    """One thing that has come; `raw` is kept beside its event, None for nothing."""

    item: InboundItem
    raw: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Polled:
    """What has come since the cursor. The new one is kept only after the items are committed.

    `has_more`: there is more than one poll takes, so that the next one is due at once.
    """

    items: tuple[PolledItem, ...]
    cursor: JsonObject
    has_more: bool = False


@runtime_checkable
class Polling(Protocol):
    """What an adapter has beside the rest of `Adapter` if it is to be asked."""

    @property
    def polled_with(self) -> str:
        """The config field without which a connection is not polled."""
        ...

    def poll_seconds(self, connection: ConnectionContext) -> float | None:
        """How often to ask for this connection, None for never."""
        ...

    async def poll(
        self, cursor: Mapping[str, object] | None, connection: ConnectionContext
    ) -> Polled | Deferred:
        """Ask what has come since the cursor, within `POLL_SECONDS`; vendor faults are outcomes.

        Items may come again, with the same dedupe keys: the process may end before the new cursor is kept.
        """
        ...
