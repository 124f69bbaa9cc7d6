"""What an adapter's tests tell the conformance suite about the adapter and its vendor; only tests import it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Protocol
from uuid import uuid4

from outrider.platforms.base import (
    Adapter,
    Capability,
    ConnectionContext,
    InboundRequest,
    Outbound,
    OutboundFile,
)
from outrider.platforms.polling import Polling


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
    `takes_missing_files`: media whose file is not there is no matter (a sandbox).
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
    takes_missing_files: bool = False

    @property
    def has_webhooks(self) -> bool:
        """Whether the vendor tells of messages by itself, and is not asked for them."""
        manifest = self.adapter.manifest
        return Capability.RECEIVE_MESSAGES in manifest.capabilities and not isinstance(self.adapter, Polling)

    def outbound(self, *, attempt: int = 1) -> Outbound:
        """A message of its own."""
        content = self.content or {"type": "text", "text": "Grüße 👋 from the suite", "role": "assistant"}
        metadata = {"subject": "Suite"}
        return Outbound(uuid4(), uuid4(), attempt, self.recipient, content, metadata)

    def outbound_with_files(self, *names: str) -> Outbound:
        """A message with files of these names, the first of them its media."""
        files = tuple(file_of(name) for name in names)
        media = {"id": str(files[0].id), "mime_type": files[0].mime_type}
        content = {"media": media, "type": "document", "caption": "Two pages", "role": "assistant"}
        return replace(self.outbound(), content=content, files=files)


def file_of(filename: str, content: bytes = b"%PDF") -> OutboundFile:
    """A document."""

    async def read() -> bytes:
        return content

    return OutboundFile(uuid4(), filename, "application/pdf", len(content), read)
