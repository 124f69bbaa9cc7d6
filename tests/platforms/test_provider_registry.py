"""The registry knows adapters by name and channel."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import CHAT_CHANNELS, Channel
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.registry import Registry, default_provider
from outrider.platforms.sandbox.adapter import SandboxAdapter
from outrider.platforms.smtp.adapter import SmtpAdapter
from outrider.platforms.telegram.adapter import TelegramAdapter


@dataclass
class _Closing:
    inner: SmtpAdapter
    closed: list[str] = field(default_factory=list)

    @property
    def manifest(self) -> object:
        return self.inner.manifest

    async def close(self) -> None:
        self.closed.append(self.inner.manifest.name)


async def _swallow(*_: object) -> None: ...


@pytest.fixture
async def registry(outgoing: OutgoingHttp) -> AsyncGenerator[Registry]:
    made = Registry.of(
        [TelegramAdapter(outgoing), SmtpAdapter(PublicHosts()), SandboxAdapter(outgoing, _swallow)]
    )
    yield made
    await made.close()


def test_adapters_are_found_by_name(registry: Registry) -> None:
    assert registry.names() == ("sandbox", "smtp", "telegram")
    assert isinstance(registry.get("smtp"), SmtpAdapter)
    assert registry.get("carrier_pigeon") is None


def test_adapters_are_found_by_channel(registry: Registry) -> None:
    assert registry.serving(Channel.EMAIL) == ("sandbox", "smtp")
    assert registry.serving(Channel.TELEGRAM) == ("sandbox", "telegram")
    assert registry.serving(Channel.SLACK) == ("sandbox",)


def test_two_adapters_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two adapters are called 'smtp'"):
        Registry.of([SmtpAdapter(PublicHosts()), SmtpAdapter(PublicHosts())])


async def test_closing_closes_every_adapter() -> None:
    adapter = _Closing(SmtpAdapter(PublicHosts()))

    await Registry.of([adapter]).close()

    assert adapter.closed == ["smtp"]


def test_every_channel_has_a_default_provider() -> None:
    assert {channel: default_provider(channel) for channel in Channel}[Channel.EMAIL] == "maileroo"
    assert default_provider(Channel.SMS) == "twilio"
    assert default_provider(Channel.TELEGRAM) == "telegram"


def test_order_holds_on_chat_channels_and_never_for_mail_or_sms(registry: Registry) -> None:
    sandbox = registry.adapters["sandbox"].manifest

    assert {channel for channel in Channel if sandbox.is_ordered_on(channel)} == CHAT_CHANNELS
    assert Channel.SMS not in CHAT_CHANNELS
    assert not registry.adapters["smtp"].manifest.is_ordered_on(Channel.EMAIL)
    assert registry.adapters["telegram"].manifest.is_ordered_on(Channel.TELEGRAM)
