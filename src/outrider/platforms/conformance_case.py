"""What an adapter's tests tell the conformance suite about the adapter and its vendor; only tests import it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Protocol
from uuid import uuid4

from outrider.platforms.base import Adapter, ConnectionContext, InboundRequest, Outbound


class Mood(StrEnum):
    """How the fake vendor treats the next sends."""

    TAKES = auto()
    REFUSES = auto()
    LIMITS = auto()
    FAILS = auto()
    HANGS = auto()
    HANGS_UP = auto()
    IS_AWAY = auto()


class FakeVendor(Protocol):
    """The other side of an adapter under test."""

    async def set_mood(self, mood: Mood) -> None:
        """Treat sends like this from now on."""
        ...

    def idempotency_ids(self) -> list[str]:
        """What the vendor could recognise a repeated message by, one for each message that reached it."""
        ...


@dataclass(frozen=True, slots=True)
class AdapterCase:
    """One adapter and what the suite must know about its vendor.

    `pause_seconds`: what the vendor in mood `LIMITS` asks to wait. `webhooks`: authentic for `connection`, each
    known to the adapter. `forged`: not authentic for it. `addresses`: as given, and as normalised (None: refused).
    `asks_vendor`: a check of the connection's health asks somebody who can be away.
    """

    adapter: Adapter
    connection: ConnectionContext
    vendor: FakeVendor
    recipient: str
    secrets: tuple[str, ...]
    pause_seconds: float | None
    has_idempotency: bool
    addresses: Mapping[str, str | None]
    webhooks: tuple[InboundRequest, ...] = ()
    forged: tuple[InboundRequest, ...] = ()
    content: Mapping[str, object] | None = None
    asks_vendor: bool = True

    def outbound(self, *, attempt: int = 1) -> Outbound:
        """A message of its own."""
        content = self.content or {"type": "text", "text": "Grüße 👋 from the suite", "role": "assistant"}
        metadata = {"subject": "Suite"}
        return Outbound(uuid4(), uuid4(), attempt, self.recipient, content, metadata)
