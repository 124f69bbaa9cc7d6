"""What every part of a process stands on: its settings and secrets, the database, the clock, files and providers."""

from dataclasses import dataclass

from outrider.core.config import Settings
from outrider.core.database.pools import Database, open_database
from outrider.core.disk import DiskWatch
from outrider.core.ids import IdClock
from outrider.core.metrics import Metrics
from outrider.core.outgoing import OutgoingHttp
from outrider.core.sealing import Sealer, open_sealer
from outrider.files.links import PURPOSE, FileLinks
from outrider.files.storage import ContentStorage
from outrider.platforms.registry import Registry
from outrider.runtime.adapters import SandboxDoor, open_adapters
from outrider.runtime.master_key import check_master_key
from outrider.tenancy.context import TenancyContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The same for all parts of a process."""

    settings: Settings
    sealer: Sealer
    database: Database
    ids: IdClock
    metrics: Metrics
    disk: DiskWatch
    http: OutgoingHttp
    sandbox: SandboxDoor
    registry: Registry
    storage: ContentStorage
    file_links: FileLinks
    tenancy: TenancyContext


async def open_ground(settings: Settings, dsn: str) -> Ground:
    """Open it on a migrated database; raises `ConfigError` if the database was sealed with another master key."""
    sealer = open_sealer(settings)
    database = await _opened_database(dsn, sealer)
    ids = IdClock()
    http = OutgoingHttp(allow_private_targets=settings.allow_private_targets)
    sandbox, registry = open_adapters(settings, http, sealer)
    return Ground(
        settings=settings,
        sealer=sealer,
        database=database,
        ids=ids,
        metrics=Metrics(),
        disk=DiskWatch(settings.data_dir),
        http=http,
        sandbox=sandbox,
        registry=registry,
        storage=ContentStorage(settings.files_dir),
        file_links=FileLinks(settings.public_url, sealer.derived_keys(PURPOSE), ids),
        tenancy=TenancyContext(
            database=database,
            sealer=sealer,
            registry=registry,
            ids=ids,
            public_url=settings.public_url,
            default_tier=settings.default_tier,
            allow_private_targets=settings.allow_private_targets,
        ),
    )


async def _opened_database(dsn: str, sealer: Sealer) -> Database:
    database = await open_database(dsn)
    try:
        await check_master_key(database, sealer)
    except BaseException:
        await database.close()
        raise
    return database
