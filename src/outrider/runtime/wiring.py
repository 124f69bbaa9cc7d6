"""Builds the process: the only module that names concrete handlers and pools."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from outrider.core.config import Settings
from outrider.core.database.batching import Batcher
from outrider.core.database.listening import Listener
from outrider.core.database.pools import STEADY_PLANS, Database, connect, open_database
from outrider.core.disk import DiskWatch
from outrider.core.ids import IdClock
from outrider.core.metrics import Metrics
from outrider.core.outgoing import OutgoingHttp
from outrider.core.sealing import Sealer, open_sealer
from outrider.dispatch.dispatcher import DispatchEffects, Dispatcher
from outrider.dispatch.lanes import LaneLimits
from outrider.dispatch.leases import LeaseLimits
from outrider.dispatch.starting import StartMarker
from outrider.events.appending import AppendEffects, Appender, AppendLimits
from outrider.events.creating import CreatingContext
from outrider.events.heads import LogHeads
from outrider.events.logs.creating import LoggingContext
from outrider.events.logs.cross_tenant import LogEntry, write_logs
from outrider.events.schema_directory import EventSchemaDirectory
from outrider.events.schemas import EventSchemaContext
from outrider.files.fetching import MediaHandler
from outrider.files.links import PURPOSE, FileLinks
from outrider.files.storage import ContentStorage
from outrider.files.storing import FilesContext
from outrider.identity.committing import IdentityContext
from outrider.messaging.attaching import Attaching
from outrider.messaging.auto_marking import AutoMarking
from outrider.messaging.delivering import MessageHandler
from outrider.messaging.recording import Recording
from outrider.messaging.sending import SendingContext
from outrider.messaging.submissions.finding import FindingContext
from outrider.messaging.submissions.submitting import SubmittingContext
from outrider.messaging.suppressions import SuppressionContext
from outrider.messaging.waiting import Waiters
from outrider.outreach.dossiers.researcher import Researcher
from outrider.outreach.drafts.context import DraftsContext
from outrider.outreach.drafts.due import DueDrafts
from outrider.outreach.importing.working import Importer
from outrider.outreach.imports import ImportingContext
from outrider.platforms.registry import Registry
from outrider.runtime.adapters import open_adapters
from outrider.runtime.announcing import CommitAnnouncer
from outrider.runtime.master_key import check_master_key
from outrider.runtime.parts import Runtime
from outrider.templates.directory import TemplateDirectory
from outrider.templates.rendering import TemplatesContext, render
from outrider.tenancy import callback_addresses
from outrider.tenancy.api_keys import ApiKeyDirectory
from outrider.tenancy.application_directory import ApplicationDirectory
from outrider.tenancy.backends import BackendDirectory
from outrider.tenancy.callback_addresses import CallbackAddresses
from outrider.tenancy.changes import Both, keep_current
from outrider.tenancy.checking_connections import CheckingContext
from outrider.tenancy.connection_directory import ConnectionDirectory
from outrider.tenancy.context import Changed, TenancyContext
from outrider.tenancy.key_uses import KeyUses
from outrider.tenancy.members.context import AccessContext, open_access
from outrider.tenancy.members.directory import MemberDirectory
from outrider.tenancy.message_keys import MessageKeyDirectory
from outrider.tenancy.rate_limits import RateLimits
from outrider.tenancy.read_keys import ReadKeyDirectory
from outrider.tenancy.read_limits import ReadLimits
from outrider.webhooks import receiving, subscriptions
from outrider.webhooks.delivering import WebhookHandler
from outrider.webhooks.patterns import candidate_patterns
from outrider.webhooks.polling import Poller
from outrider.webhooks.subscription_directory import SubscriptionDirectory

APPENDED = "outrider_appended"


async def open_runtime(
    settings: Settings, dsn: str, *, role: str, lease_limits: LeaseLimits | None = None
) -> Runtime:
    """Open every part on a migrated database and begin to work (role all, api or worker)."""
    sealer = open_sealer(settings)
    database = await _opened_database(dsn, sealer)
    ids, metrics, disk = IdClock(), Metrics(), DiskWatch(settings.data_dir)
    file_links, storage = _files(settings, sealer, ids)
    recording = Recording(ids, file_links.url)
    http = OutgoingHttp(allow_private_targets=settings.allow_private_targets)
    sandbox, registry = open_adapters(settings, http, sealer)
    connections = ConnectionDirectory(
        database,
        sealer,
        registry,
        CallbackAddresses(settings.public_url, sealer.derived_keys(callback_addresses.PURPOSE)),
    )
    tenancy = _tenancy(settings, database, sealer, registry, ids)
    subscription_directory, applications, schemas = (
        SubscriptionDirectory(database, sealer),
        ApplicationDirectory(database),
        EventSchemaDirectory(database),
    )
    waiters, heads = Waiters(database.system), LogHeads(database.system)
    announcer = CommitAnnouncer(process_id := ids.new(), waiters, heads)
    facts = AppendEffects(
        connect=lambda: connect(dsn, **STEADY_PLANS, statement_timeout="15s", lock_timeout="10s"),
        candidate_patterns=candidate_patterns,
        on_flushed=announcer.on_flushed,
        notify_text=announcer.notify_text,
        has_disk_space=disk.may_accept_new_facts,
        metrics=metrics,
    )
    appender = Appender(facts, _append_limits(settings))
    marking = AutoMarking(applications, ids, database.system)
    handlers = {
        "message": MessageHandler(
            connections,
            registry,
            ids,
            database.system,
            StartMarker(database.system).mark,
            recording,
            Attaching(database.system, storage, recording, partial(appender.append, patience=None)),
        ),
        "media": MediaHandler(connections, registry, ids, database.system, storage),
        "webhook": WebhookHandler(
            subscription_directory,
            http,
            ids,
            database.system,
            lambda application_id, subscription_id, reason: subscriptions.disable_subscription(
                tenancy, application_id, subscription_id, reason
            ),
            marking,
        ),
    }
    dispatcher = _dispatcher(
        settings,
        DispatchEffects(
            pool=database.system,
            heartbeats=database.heartbeats,
            appender=appender,
            handlers=handlers,
            candidate_patterns=candidate_patterns,
            set_clock_offset=ids.set_offset,
            database_now=ids.now,
            metrics=metrics,
        ),
        process_id,
        role,
        lease_limits,
    )
    api_keys, read_keys, access, members = _credentials(tenancy)
    message_keys, backends, templates = _submitters(tenancy)
    listener = Listener(dsn).on(APPENDED, announcer.heard).on_gap(heads.look)
    sending = SendingContext(appender, connections, registry, ids, waiters, database.system, recording)
    drafts, due_drafts = _drafts(tenancy, sending, backends, templates, role)
    keep_current(
        listener,
        {
            Changed.API_KEY: api_keys,
            Changed.MESSAGE_KEY: message_keys,
            Changed.READ_KEY: read_keys,
            Changed.MEMBER: members,
            Changed.APPLICATION: Both(applications, backends),
            Changed.CONNECTION: Both(connections, backends),
            Changed.BACKENDS: backends,
            Changed.SUBSCRIPTION: subscription_directory,
            Changed.EVENT_SCHEMAS: schemas,
            Changed.TEMPLATES: templates.directory,
            Changed.DRAFTS: due_drafts or Both(),
        },
    )
    identity = IdentityContext(database.system, facts, connections, registry, ids)
    receiving_context = receiving.ReceivingContext(
        appender,
        connections,
        registry,
        ids,
        database.system,
        metrics,
        identity,
        marking,
        file_links.url,
        storage,
    )
    sandbox.receiving, announcer.dispatcher = receiving_context, dispatcher
    files = FilesContext(storage, appender, ids, database.system, http, disk.may_accept_new_facts)
    runtime = Runtime(
        settings=settings,
        process_id=process_id,
        database=database,
        metrics=metrics,
        disk=disk,
        http=http,
        registry=registry,
        listener=listener,
        api_keys=api_keys,
        message_keys=message_keys,
        read_keys=read_keys,
        read_limits=ReadLimits(database.system, ids.now),
        key_uses=KeyUses(database.system, ids.now),
        backends=backends,
        limits=RateLimits(database.system, ids.now),
        members=members,
        access=access,
        applications=applications,
        connections=connections,
        subscriptions=subscription_directory,
        appender=appender,
        dispatcher=dispatcher,
        waiters=waiters,
        heads=heads,
        tenancy=tenancy,
        checking=CheckingContext(tenancy, connections),
        sending=sending,
        creating=CreatingContext(appender, ids, database.system, schemas),
        event_schemas=EventSchemaContext(tenancy, schemas),
        templates=templates,
        logging=_logging(database, ids, disk, metrics),
        identity=identity,
        files=files,
        file_links=file_links,
        submitting=SubmittingContext(
            sending, backends, files, FindingContext(database.reads, backends), partial(render, templates)
        ),
        receiving=receiving_context,
        suppressions=SuppressionContext(appender, registry, ids, database.system),
        imports=ImportingContext(tenancy, storage),
        drafts=drafts,
        due_drafts=due_drafts,
        workers=()
        if due_drafts is None
        else (due_drafts, Poller(receiving_context), Importer(tenancy, storage), Researcher(tenancy)),
    )
    await runtime.start()
    return runtime


def _append_limits(settings: Settings) -> AppendLimits:
    return AppendLimits(
        flush_items=settings.append_batch,
        flush_bytes=settings.append_batch_bytes,
        queue_items=settings.append_queue_items,
        queue_bytes=settings.append_queue_bytes,
    )


def _dispatcher(
    settings: Settings,
    effects: DispatchEffects,
    process_id: UUID,
    role: str,
    lease_limits: LeaseLimits | None,
) -> Dispatcher:
    slots = settings.dispatch_concurrency
    limits = LaneLimits(slots=slots, retry_slots=slots * 3 // 4)
    return Dispatcher(effects, process_id, role=role, lease_limits=lease_limits, limits=limits)


async def _opened_database(dsn: str, sealer: Sealer) -> Database:
    database = await open_database(dsn)
    try:
        await check_master_key(database, sealer)
    except BaseException:
        await database.close()
        raise
    return database


def _files(settings: Settings, sealer: Sealer, ids: IdClock) -> tuple[FileLinks, ContentStorage]:
    links = FileLinks(settings.public_url, sealer.derived_keys(PURPOSE), ids)
    return links, ContentStorage(settings.files_dir)


def _tenancy(
    settings: Settings, database: Database, sealer: Sealer, registry: Registry, ids: IdClock
) -> TenancyContext:
    return TenancyContext(
        database=database,
        sealer=sealer,
        registry=registry,
        ids=ids,
        public_url=settings.public_url,
        default_tier=settings.default_tier,
        allow_private_targets=settings.allow_private_targets,
    )


def _logging(database: Database, ids: IdClock, disk: DiskWatch, metrics: Metrics) -> LoggingContext:
    async def write(entries: Sequence[LogEntry]) -> list[bool]:
        metrics.sqlcalls_total.add("log")
        return await write_logs(database.system, entries)

    return LoggingContext(Batcher("logs", write), ids, disk.may_accept_new_facts)


def _credentials(
    tenancy: TenancyContext,
) -> tuple[ApiKeyDirectory, ReadKeyDirectory, AccessContext, MemberDirectory]:
    """Who keys and access tokens belong to."""
    database, ids, access = tenancy.database, tenancy.ids, open_access(tenancy)
    keys = ApiKeyDirectory(database, ids), ReadKeyDirectory(database, ids)
    return *keys, access, MemberDirectory(database, access.keys, ids)


def _submitters(tenancy: TenancyContext) -> tuple[MessageKeyDirectory, BackendDirectory, TemplatesContext]:
    """Who submits transactional messages, what sends them, and what renders them."""
    keys = MessageKeyDirectory(tenancy.database, tenancy.sealer)
    templates = TemplatesContext(tenancy, TemplateDirectory(tenancy.database))
    return keys, BackendDirectory(tenancy), templates


def _drafts(
    tenancy: TenancyContext,
    sending: SendingContext,
    backends: BackendDirectory,
    templates: TemplatesContext,
    role: str,
) -> tuple[DraftsContext, DueDrafts | None]:
    """What drafts need, and what sends them when they are due."""
    drafts = DraftsContext(tenancy, sending, backends, partial(render, templates))
    return drafts, DueDrafts(drafts) if role != "api" else None
