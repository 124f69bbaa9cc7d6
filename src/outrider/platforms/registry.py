"""Which providers this process has, by name; wiring fills it, nothing else names a concrete adapter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from outrider.platforms.base import Adapter, Channel

_DEFAULT_PROVIDERS: Mapping[Channel, str] = MappingProxyType(
    {
        Channel.WHATSAPP: "whatsapp",
        Channel.INSTAGRAM: "instagram",
        Channel.FACEBOOK: "facebook",
        Channel.TELEGRAM: "telegram",
        Channel.SLACK: "slack",
        Channel.DISCORD: "discord",
        Channel.SMS: "twilio",
        Channel.EMAIL: "maileroo",
        Channel.IMESSAGE: "loopmessage",
    }
)


@dataclass(frozen=True, slots=True)
class Registry:
    """The adapters of this process by their manifest's name."""

    adapters: Mapping[str, Adapter]

    @classmethod
    def of(cls, adapters: Iterable[Adapter]) -> "Registry":
        """Build a registry; two adapters of one name are a mistake of the wiring."""
        by_name: dict[str, Adapter] = {}
        for adapter in adapters:
            name = adapter.manifest.name
            if name in by_name:
                raise ValueError(f"two adapters are called {name!r}")
            by_name[name] = adapter
        return cls(MappingProxyType(by_name))

    def get(self, name: str) -> Adapter | None:
        """The adapter of this name, None if this process has none."""
        return self.adapters.get(name)

    def names(self) -> tuple[str, ...]:
        """Every provider's name, sorted."""
        return tuple(sorted(self.adapters))

    def serving(self, channel: Channel) -> tuple[str, ...]:
        """The names of the providers that serve this channel, sorted."""
        return tuple(name for name in self.names() if channel in self.adapters[name].manifest.channels)

    async def close(self) -> None:
        """Close every adapter at stop."""
        for adapter in self.adapters.values():
            await adapter.close()


def default_provider(channel: Channel) -> str:
    """The provider of a connection that names none: the contract's vendor, whether or not it is there."""
    return _DEFAULT_PROVIDERS[channel]
