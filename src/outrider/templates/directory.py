"""Templates and locals as rendering needs them: in memory, never older than the cache's limit, compiled once."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final
from uuid import UUID

import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Database
from outrider.templates import queries
from outrider.templates.handlebars.compiling import compile_template
from outrider.templates.handlebars.programs import Compiled
from outrider.templates.queries import TemplateRow
from outrider.templates.values import JsonObject, Template, TemplateContent
from outrider.tenancy.caching import LookupCache

_MOST_VERSIONS: Final = 2_000
_MOST_COMPILED_CHARACTERS: Final = 8_000_000
_MOST_COMPILED: Final = 4_000

_Key = tuple[UUID, UUID | str]


@dataclass(frozen=True, slots=True)
class SharedLocals:
    """What the organisation and the application set for all templates."""

    organisation_id: UUID
    application_id: UUID
    of_organisation: JsonObject
    of_application: JsonObject


class TemplateDirectory:
    """Finds templates by identifier or id, and the locals around them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._current: LookupCache[_Key, Template] = LookupCache(self._load, capacity=5_000)
        self._locals: LookupCache[tuple[UUID, UUID], SharedLocals] = LookupCache(self._load_locals)
        # a version never changes, so it is only ever dropped for room
        self._versions: dict[tuple[UUID, UUID, int], Template] = {}

    async def get(self, application_id: UUID, name: UUID | str) -> Template | None:
        """Find a template of an application by its id or identifier, in the version in use."""
        return await self._current.get((application_id, name))

    async def version(self, application_id: UUID, template_id: UUID, version: int) -> Template | None:
        """Find a version, whether or not it is in use."""
        key = (application_id, template_id, version)
        found = self._versions.get(key)
        if found is None:
            with faults_as_unavailable():
                row = await queries.find_version(self._database.system, *key)
            if row is None:
                return None
            if len(self._versions) >= _MOST_VERSIONS:
                del self._versions[next(iter(self._versions))]
            found = self._versions[key] = template_of(row)
        return found

    async def shared_locals(self, organisation_id: UUID, application_id: UUID) -> SharedLocals:
        """Give what the organisation and the application set."""
        found = await self._locals.get((organisation_id, application_id))
        return found or SharedLocals(organisation_id, application_id, {}, {})

    def forget(self, changed_id: UUID) -> None:
        """Look what belongs to an application or an organisation up anew."""
        self._current.forget(lambda template: template.application_id == changed_id)
        self._locals.forget(lambda found: changed_id in {found.application_id, found.organisation_id})

    def clear(self) -> None:
        """Look everything up anew."""
        self._current.clear()
        self._locals.clear()

    async def _load(self, key: _Key) -> Template | None:
        application_id, name = key
        with faults_as_unavailable():
            if isinstance(name, UUID):
                row = await queries.find_by_id(self._database.system, application_id, name)
            else:
                row = await queries.find_by_identifier(self._database.system, application_id, name)
        return template_of(row) if row else None

    async def _load_locals(self, key: tuple[UUID, UUID]) -> SharedLocals:
        with faults_as_unavailable():
            rows = await queries.select_locals(self._database.system, *key)
        found: dict[UUID | None, JsonObject] = {owner: orjson.loads(text) for owner, text in rows}
        return SharedLocals(*key, found.get(None, {}), found.get(key[1], {}))


class CompiledTemplates:
    """Compiled templates by their text, so that a change needs no notice; shared by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._compiled: OrderedDict[tuple[str, str | None, bool, bool], Compiled] = OrderedDict()
        self._characters = 0

    def get(self, text: str, *, name: str | None, is_escaped: bool, is_strict: bool) -> Compiled:
        """Compile a template unless it is here; raises `TemplateProblem`."""
        key = (text, name, is_escaped, is_strict)
        with self._lock:
            found = self._compiled.get(key)
            if found is not None:
                self._compiled.move_to_end(key)
                return found
        compiled = compile_template(text, name=name, is_escaped=is_escaped, is_strict=is_strict)
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = compiled
                self._characters += compiled.size
            while self._characters > _MOST_COMPILED_CHARACTERS or len(self._compiled) > _MOST_COMPILED:
                _, dropped = self._compiled.popitem(last=False)
                self._characters -= dropped.size
        return compiled


def template_of(row: TemplateRow) -> Template:
    """A template as it is stored."""
    return Template(
        id=row.id,
        application_id=row.application_id,
        identifier=row.identifier,
        name=row.name,
        version=row.version,
        content=TemplateContent(
            sender=row.sender,
            subject=row.subject,
            text_body=row.text_body,
            html_body=row.html_body,
            styles=row.styles,
            locals=orjson.loads(row.locals),
            is_strict=row.is_strict,
        ),
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )
