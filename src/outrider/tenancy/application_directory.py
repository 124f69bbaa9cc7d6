"""Applications as requests need them: in memory, never older than the cache's limit."""

from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Database
from outrider.tenancy.application_settings import DEFAULT_SETTINGS, ApplicationSettings, read_settings
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.cross_tenant import select_application_config


@dataclass(frozen=True, slots=True)
class _Entry:
    application_id: UUID
    organisation_id: UUID
    is_open: bool
    settings: ApplicationSettings


class ApplicationDirectory:
    """Finds the settings of an application by its id."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: LookupCache[UUID, _Entry] = LookupCache(self._load)

    async def get(self, application_id: UUID) -> ApplicationSettings:
        """Tell how an application is set up; one that does not exist has the defaults."""
        entry = await self._cache.get(application_id)
        return entry.settings if entry else DEFAULT_SETTINGS

    async def is_open_to(self, organisation_id: UUID, application_id: UUID) -> bool:
        """Tell whether an organisation has this application, and has not archived it."""
        entry = await self._cache.get(application_id)
        return entry is not None and entry.is_open and entry.organisation_id == organisation_id

    def forget(self, application_id: UUID) -> None:
        """Look an application up anew when it is used next."""
        self._cache.forget(lambda entry: entry.application_id == application_id)

    def clear(self) -> None:
        """Look every application up anew."""
        self._cache.clear()

    async def _load(self, application_id: UUID) -> _Entry | None:
        with faults_as_unavailable():
            row = await select_application_config(self._database.system, application_id)
        if row is None:
            return None
        return _Entry(row.id, row.organisation_id, row.is_open, read_settings(row.config))
