"""Builds the process: the only module that names concrete handlers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from outrider.core.config import Settings
from outrider.core.database.batching import Batcher
from outrider.core.database.listening import Listener
from outrider.core.database.pools import STEADY_PLANS, connect
from outrider.dispatch.dispatcher import DispatchEffects, Dispatcher
from outrider.dispatch.lanes import LaneLimits
from outrider.dispatch.leases import LeaseLimits
from outrider.dispatch.starting import StartMarker
from outrider.dispatch.values import Handler
from outrider.events.appending import AppendEffects, Appender, AppendLimits
from outrider.events.creating import CreatingContext
from outrider.events.heads import LogHeads
from outrider.events.logs.creating import LoggingContext
from outrider.events.logs.cross_tenant import LogEntry, write_logs
from outrider.events.schemas import EventSchemaContext
from outrider.files.fetching import MediaHandler
from outrider.files.storing import FilesContext
from outrider.identity.committing import IdentityContext
from outrider.messaging.attaching import Attaching
from outrider.messaging.auto_marking import AutoMarking
from outrider.messaging.delivering import MessageHandler
from outrider.messaging.recording import Recording
from outrider.messaging.sending import SendingContext
from outrider.messaging.submissions.finding import FindingContext
from outrider.messaging.submissions.submitting import SubmittingContext
from outrider.messaging.suppression_lookup import SuppressionLookup
from outrider.messaging.suppressions import SuppressionContext
from outrider.messaging.waiting import Waiters
from outrider.outreach.dossiers.researcher import Researcher
from outrider.outreach.drafts.context import DraftsContext
from outrider.outreach.drafts.due import DueDrafts
from outrider.outreach.importing.working import Importer
from outrider.outreach.imports import ImportingContext
from outrider.runtime.announcing import CommitAnnouncer
from outrider.runtime.directories import Directories, open_directories
from outrider.runtime.ground import Ground, open_ground
from outrider.runtime.parts import Runtime, Worker
from outrider.templates.rendering import TemplatesContext, render
from outrider.tenancy.changes import Both, keep_current
from outrider.tenancy.checking_connections import CheckingContext
from outrider.tenancy.context import Changed
from outrider.tenancy.key_uses import KeyUses
from outrider.tenancy.members.context import open_access
from outrider.tenancy.rate_limits import RateLimits
from outrider.tenancy.read_limits import ReadLimits
from outrider.webhooks import subscriptions
from outrider.webhooks.delivering import WebhookHandler
from outrider.webhooks.patterns import candidate_patterns
from outrider.webhooks.polling import Poller
from outrider.webhooks.receiving import ReceivingContext

APPENDED = "outrider_appended"


@dataclass(frozen=True, slots=True)
class _Log:
    """How this process appends to the log, and who hears of it."""

    process_id: UUID
    facts: AppendEffects
    appender: Appender
    announcer: CommitAnnouncer
    waiters: Waiters
    heads: LogHeads
    listener: Listener


async def open_runtime(
    settings: Settings, dsn: str, *, role: str, lease_limits: LeaseLimits | None = None
) -> Runtime:
    """Open every part on a migrated database and begin to work (role all, api or worker)."""
    ground = await open_ground(settings, dsn)
    database, ids, registry, tenancy = ground.database, ground.ids, ground.registry, ground.tenancy
    access = open_access(tenancy)
    known = open_directories(ground, access.keys)
    log = _open_log(ground, dsn)
    recording = Recording(ids, ground.file_links.url)
    marking = AutoMarking(known.applications, ids, database.system)
    handlers = _handlers(ground, known, log.appender, recording, marking)
    dispatcher = _dispatcher(ground, log, handlers, role, lease_limits)
    identity = IdentityContext(database.system, log.facts, known.connections, registry, ids)
    receiving = _receiving(ground, known, log.appender, identity, marking)
    ground.sandbox.receiving, log.announcer.dispatcher = receiving, dispatcher
    sending = SendingContext(
        log.appender,
        known.connections,
        registry,
        ids,
        log.waiters,
        database.system,
        recording,
        SuppressionLookup(database.system),
    )
    templates = TemplatesContext(tenancy, known.templates)
    rendering = partial(render, templates)
    drafts = DraftsContext(tenancy, sending, known.backends, rendering)
    due_drafts = None if role == "api" else DueDrafts(drafts)
    keep_current(log.listener, {**known.by_change(), Changed.DRAFTS: due_drafts or Both()})
    files = FilesContext(
        ground.storage, log.appender, ids, database.system, ground.http, ground.disk.may_accept_new_facts
    )
    finding = FindingContext(database.reads, known.backends)
    runtime = Runtime(
        settings=settings,
        process_id=log.process_id,
        database=database,
        metrics=ground.metrics,
        disk=ground.disk,
        http=ground.http,
        registry=registry,
        listener=log.listener,
        directories=known,
        limits=RateLimits(database.system, ids.now),
        read_limits=ReadLimits(database.system, ids.now),
        key_uses=KeyUses(database.system, ids.now),
        access=access,
        appender=log.appender,
        dispatcher=dispatcher,
        waiters=log.waiters,
        heads=log.heads,
        tenancy=tenancy,
        checking=CheckingContext(tenancy, known.connections),
        sending=sending,
        creating=CreatingContext(log.appender, ids, database.system, known.event_schemas),
        event_schemas=EventSchemaContext(tenancy, known.event_schemas),
        templates=templates,
        logging=_logging(ground),
        identity=identity,
        files=files,
        file_links=ground.file_links,
        submitting=SubmittingContext(sending, known.backends, files, finding, rendering),
        receiving=receiving,
        suppressions=SuppressionContext(log.appender, registry, ids, database.system),
        imports=ImportingContext(tenancy, ground.storage),
        drafts=drafts,
        due_drafts=due_drafts,
        workers=_workers(ground, receiving, due_drafts),
    )
    await runtime.start()
    return runtime


def _open_log(ground: Ground, dsn: str) -> _Log:
    system, settings = ground.database.system, ground.settings
    waiters, heads, process_id = Waiters(system), LogHeads(system), ground.ids.new()
    announcer = CommitAnnouncer(process_id, waiters, heads)
    facts = AppendEffects(
        connect=lambda: connect(dsn, **STEADY_PLANS, statement_timeout="15s", lock_timeout="10s"),
        candidate_patterns=candidate_patterns,
        on_flushed=announcer.on_flushed,
        notify_text=announcer.notify_text,
        has_disk_space=ground.disk.may_accept_new_facts,
        metrics=ground.metrics,
    )
    limits = AppendLimits(
        flush_items=settings.append_batch,
        flush_bytes=settings.append_batch_bytes,
        queue_items=settings.append_queue_items,
        queue_bytes=settings.append_queue_bytes,
    )
    listener = Listener(dsn).on(APPENDED, announcer.heard).on_gap(heads.look)
    return _Log(process_id, facts, Appender(facts, limits), announcer, waiters, heads, listener)


def _handlers(
    ground: Ground, known: Directories, appender: Appender, recording: Recording, marking: AutoMarking
) -> Mapping[str, Handler]:
    """What carries out each kind of work that is queued."""
    system, ids, registry = ground.database.system, ground.ids, ground.registry

    return {
        "message": MessageHandler(
            known.connections,
            registry,
            ids,
            system,
            StartMarker(system).mark,
            recording,
            Attaching(system, ground.storage, recording, partial(appender.append, patience=None)),
        ),
        "media": MediaHandler(known.connections, registry, ids, system, ground.storage),
        "webhook": WebhookHandler(
            known.subscriptions,
            ground.http,
            ids,
            system,
            partial(subscriptions.disable_subscription, ground.tenancy),
            marking,
        ),
    }


def _dispatcher(
    ground: Ground,
    log: _Log,
    handlers: Mapping[str, Handler],
    role: str,
    lease_limits: LeaseLimits | None,
) -> Dispatcher:
    effects = DispatchEffects(
        pool=ground.database.system,
        heartbeats=ground.database.heartbeats,
        appender=log.appender,
        handlers=handlers,
        candidate_patterns=candidate_patterns,
        set_clock_offset=ground.ids.set_offset,
        database_now=ground.ids.now,
        metrics=ground.metrics,
    )
    slots = ground.settings.dispatch_concurrency
    limits = LaneLimits(slots=slots, retry_slots=slots * 3 // 4)
    return Dispatcher(effects, log.process_id, role=role, lease_limits=lease_limits, limits=limits)


def _receiving(
    ground: Ground, known: Directories, appender: Appender, identity: IdentityContext, marking: AutoMarking
) -> ReceivingContext:
    return ReceivingContext(
        appender,
        known.connections,
        ground.registry,
        ground.ids,
        ground.database.system,
        ground.metrics,
        identity,
        marking,
        ground.file_links.url,
        ground.storage,
    )


def _logging(ground: Ground) -> LoggingContext:
    async def write(entries: Sequence[LogEntry]) -> list[bool]:
        ground.metrics.sqlcalls_total.add("log")
        return await write_logs(ground.database.system, entries)

    return LoggingContext(Batcher("logs", write), ground.ids, ground.disk.may_accept_new_facts)


def _workers(ground: Ground, receiving: ReceivingContext, due_drafts: DueDrafts | None) -> Sequence[Worker]:
    if due_drafts is None:
        return ()
    importer, researcher = Importer(ground.tenancy, ground.storage), Researcher(ground.tenancy)
    return (due_drafts, Poller(receiving), importer, researcher)
