"""The providers of a process: the only module that names a concrete adapter."""

from outrider.core.config import Settings
from outrider.core.errors import Unavailable
from outrider.core.outgoing import OutgoingHttp
from outrider.core.sealing import Sealer
from outrider.messaging.sending import SANDBOX
from outrider.platforms.base import ConnectionContext, InboundRequest
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.mailgun.adapter import MailgunAdapter
from outrider.platforms.registry import Registry
from outrider.platforms.sandbox.adapter import SandboxAdapter
from outrider.platforms.ses.adapter import SesAdapter
from outrider.platforms.smtp import return_paths
from outrider.platforms.smtp.adapter import SmtpAdapter
from outrider.platforms.smtp.return_paths import ReturnPaths
from outrider.platforms.telegram.adapter import TelegramAdapter
from outrider.platforms.twilio.adapter import TwilioAdapter
from outrider.webhooks import receiving


class SandboxDoor:
    """The sandbox's way to its own webhooks: the same operation that real platforms reach."""

    def __init__(self) -> None:
        self.receiving: receiving.ReceivingContext | None = None

    async def deliver(self, context: ConnectionContext, request: InboundRequest) -> None:
        """Hand a simulated webhook in; raises if it was not taken."""
        if self.receiving is None:
            raise Unavailable
        entry = await self.receiving.connections.get(context.application_id, context.connection_id)
        if entry is not None:
            await receiving.receive_for(self.receiving, entry, self.receiving.registry.get(SANDBOX), request)


def open_adapters(settings: Settings, http: OutgoingHttp, sealer: Sealer) -> tuple[SandboxDoor, Registry]:
    """Every provider that Outrider speaks to."""
    sandbox = SandboxDoor()
    paths = ReturnPaths(sealer.derived_keys(return_paths.PURPOSE))
    smtp = SmtpAdapter(PublicHosts(settings.allow_private_targets), paths)
    return sandbox, Registry.of(
        [
            SandboxAdapter(http, sandbox.deliver),
            MailgunAdapter(http),
            SesAdapter(http),
            smtp,
            TelegramAdapter(http),
            TwilioAdapter(http),
        ]
    )
