"""Connections and messages for tests of providers, made up with as little as matters."""

from uuid import uuid4

from outrider.platforms.base import Channel, ConnectionContext, Outbound


def connection_of(channel: Channel, **config: object) -> ConnectionContext:
    """A connection with this config."""
    return ConnectionContext(uuid4(), uuid4(), channel, config, "https://outrider.example/webhooks/1/secret")


def text_to(recipient: str, text: str = "Hello", *, attempt: int = 1, **metadata: object) -> Outbound:
    """A text message."""
    content = {"type": "text", "text": text, "role": "assistant"}
    return Outbound(uuid4(), uuid4(), attempt, recipient, content, metadata)
