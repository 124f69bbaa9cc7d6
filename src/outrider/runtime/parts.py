"""What one process is made of, and the order in which its parts begin and stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from outrider.core.config import Settings
from outrider.core.database.listening import Listener
from outrider.core.database.pools import Database
from outrider.core.disk import DiskWatch
from outrider.core.metrics import Metrics
from outrider.core.outgoing import OutgoingHttp
from outrider.dispatch.dispatcher import Dispatcher
from outrider.events.appending import Appender
from outrider.events.creating import CreatingContext
from outrider.events.heads import LogHeads
from outrider.events.logs.creating import LoggingContext
from outrider.events.schemas import EventSchemaContext
from outrider.files.links import FileLinks
from outrider.files.storing import FilesContext
from outrider.identity.committing import IdentityContext
from outrider.messaging.sending import SendingContext
from outrider.messaging.submissions.submitting import SubmittingContext
from outrider.messaging.suppressions import SuppressionContext
from outrider.messaging.waiting import Waiters
from outrider.outreach.drafts.context import DraftsContext
from outrider.outreach.drafts.due import DueDrafts
from outrider.outreach.imports import ImportingContext
from outrider.platforms.registry import Registry
from outrider.runtime.directories import Directories
from outrider.templates.rendering import TemplatesContext
from outrider.tenancy.checking_connections import CheckingContext
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.key_uses import KeyUses
from outrider.tenancy.members.context import AccessContext
from outrider.tenancy.rate_limits import RateLimits
from outrider.tenancy.read_limits import ReadLimits
from outrider.webhooks import receiving


class Worker(Protocol):
    """Looks for work of its own, in the background."""

    def start(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Everything that one process is made of."""

    settings: Settings
    process_id: UUID
    database: Database
    metrics: Metrics
    disk: DiskWatch
    http: OutgoingHttp
    registry: Registry
    listener: Listener
    directories: Directories
    read_limits: ReadLimits
    key_uses: KeyUses
    limits: RateLimits
    access: AccessContext
    appender: Appender
    dispatcher: Dispatcher
    waiters: Waiters
    heads: LogHeads
    tenancy: TenancyContext
    checking: CheckingContext
    sending: SendingContext
    creating: CreatingContext
    event_schemas: EventSchemaContext
    templates: TemplatesContext
    logging: LoggingContext
    identity: IdentityContext
    files: FilesContext
    file_links: FileLinks
    submitting: SubmittingContext
    receiving: receiving.ReceivingContext
    suppressions: SuppressionContext
    imports: ImportingContext
    drafts: DraftsContext
    due_drafts: DueDrafts | None
    workers: Sequence[Worker]
    """What looks for work by itself; none in an `api` process."""

    async def start(self) -> None:
        """Begin to work."""
        await self.listener.start()
        self.appender.start()
        self.waiters.start()
        self.heads.start()
        self.key_uses.start()
        await self.dispatcher.start()
        for worker in self.workers:
            worker.start()

    async def close(self) -> None:
        """Stop in order: no new attempts, finish those under way, write what is queued, let go."""
        for worker in self.workers:
            await worker.close()
        await self.dispatcher.close(self.settings.shutdown_seconds)
        await self.waiters.close()
        await self.heads.close()
        await self.key_uses.close()
        await self.appender.close()
        await self.logging.batcher.close()
        await self.sending.suppression_lookup.close()
        await self.listener.close()
        self.templates.close()
        await self.registry.close()
        await self.http.close()
        await self.database.close()
