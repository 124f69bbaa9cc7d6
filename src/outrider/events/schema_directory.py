"""Event schemas as createEvent needs them: in memory, compiled, never older than the cache's limit.

An event is checked against the version that its process knows: one that is accepted while a new version is being
made may have been checked against the one before. Who made a version sees it hold at once in the same process.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Database
from outrider.core.errors import ValidationError
from outrider.events import queries_schemas as queries
from outrider.events.json_schemas import CheckedSchema, FoundViolation, open_schema
from outrider.tenancy.caching import LookupCache

_MOST_COMPILED: Final = 1_000
_MANY_STEPS: Final = 100_000

_Key = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class CurrentSchema:
    """What holds for an event type of an application: a version of its schema, or (schema None) anything."""

    application_id: UUID
    name: str
    version: int
    schema: CheckedSchema | None


class EventSchemaDirectory:
    """Finds the schema of an event type, and checks payloads against it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # that a type has no schema is an answer too, and looked up anew behind its use like any other
        self._current: LookupCache[_Key, CurrentSchema] = LookupCache(self._load)
        # a version never changes, so what was compiled is only ever dropped for room
        self._compiled: dict[tuple[UUID, str, int], CheckedSchema] = {}

    async def check(self, application_id: UUID, name: str, payload: object, text: bytes) -> None:
        """Raise `ValidationError` if the payload (and `text`, its form as JSON) violates the type's schema."""
        current = await self._current.get((application_id, name))
        if current is None or current.schema is None:
            return
        steps = current.schema.steps_for(payload, text)
        if steps > _MANY_STEPS:
            # a batch of such payloads must not keep everybody else waiting
            await asyncio.sleep(0)
        violations = current.schema.violations(payload, steps)
        if violations:
            raise _refusal(current, violations)

    def forget(self, application_id: UUID) -> None:
        """Look the schemas of an application up anew when they are used next."""
        self._current.forget(lambda current: current.application_id == application_id)

    def clear(self) -> None:
        """Look every schema up anew."""
        self._current.clear()

    async def _load(self, key: _Key) -> CurrentSchema:
        application_id, name = key
        with faults_as_unavailable():
            version = await queries.select_current_version(self._database.system, application_id, name)
            if version is None:
                return CurrentSchema(application_id, name, 0, None)
            known = self._compiled.pop((application_id, name, version), None)
            if known is None:
                found = await queries.select_current(self._database.system, application_id, name)
                assert found is not None, "schemas are never deleted"
                version, text = found
                known = await asyncio.to_thread(open_schema, text)
        self._keep((application_id, name, version), known)
        return CurrentSchema(application_id, name, version, known)

    def _keep(self, key: tuple[UUID, str, int], schema: CheckedSchema) -> None:
        if len(self._compiled) >= _MOST_COMPILED:
            del self._compiled[next(iter(self._compiled))]
        self._compiled[key] = schema


def _refusal(current: CurrentSchema, violations: list[FoundViolation]) -> ValidationError:
    first, *others = violations
    more = f" (and {len(others)} more)" if others else ""
    return ValidationError(
        f"{first.path}: {first.message}{more}",
        path=first.path,
        keyword=first.keyword,
        schema=current.name,
        schema_version=current.version,
        errors=[
            {"path": found.path, "keyword": found.keyword, "message": found.message} for found in violations
        ],
    )
