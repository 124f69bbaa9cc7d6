"""Event schemas: what payloads of a customer's event types must look like. Created, changed, listed.

Every change is a new version; versions are kept and never changed. Events are checked when they are created,
against the version that holds then; what is in the log stays.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import orjson
from msgspec import UNSET, UnsetType

from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.core.storable import storable_text
from outrider.events import queries_schemas as queries
from outrider.events.built_in_schemas import BUILT_IN_SCHEMAS, BuiltInSchema
from outrider.events.event_names import check_event_name, event_type_id
from outrider.events.json_schemas import check_schema
from outrider.events.queries_schemas import SchemaRow
from outrider.events.schema_directory import EventSchemaDirectory
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.context import Changed, TenancyContext, append_audit, settings_transaction, tell_change

MOST_SCHEMAS: Final = 1_000
"""Of one application."""
LONGEST_DESCRIPTION: Final = 2_000
CUSTOM: Final = "custom"


@dataclass(frozen=True, slots=True)
class EventSchemaContext:
    """What operations on event schemas need of the process."""

    tenancy: TenancyContext
    directory: EventSchemaDirectory


@dataclass(frozen=True, slots=True)
class NewEventSchema:
    """A schema for an event type that has none."""

    name: str
    json_schema: object
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSchemaChange:
    """A new version of the schema that has this id or this name (one of them); what is unset stays as it is."""

    schema_id: UUID | None = None
    name: str | None = None
    json_schema: object | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSchema:
    """A schema in one version; `json_schema` is JSON text. Built-in ones have no times."""

    id: UUID
    name: str
    category: str
    description: str | None
    required_fields: tuple[str, ...]
    json_schema: str
    version: int
    is_built_in: bool
    created_at: datetime | None
    updated_at: datetime | None


async def create_event_schema(context: EventSchemaContext, actor: Actor, new: NewEventSchema) -> EventSchema:
    """Declare what an event type's payloads look like, from now on."""
    actor.require(Scope.EVENTS_WRITE)
    check_event_name(new.name, path="name")
    description = _checked_description(new.description)
    schema = await asyncio.to_thread(check_schema, new.json_schema)
    tenancy, owner = context.tenancy, (actor.organisation_id, actor.application_id)
    schema_id = event_type_id(actor.application_id, new.name)
    try:
        async with settings_transaction(tenancy, actor.organisation_id) as connection:
            if await queries.count_schemas(connection, *owner) >= MOST_SCHEMAS:
                raise ValidationError(
                    f"An application has at most {MOST_SCHEMAS} event schemas.", path="name"
                )
            row = await queries.insert_schema(
                connection,
                *owner,
                schema_id,
                name=new.name,
                description=description,
                json_schema=schema.text,
            )
            await tell_change(connection, Changed.EVENT_SCHEMAS, actor.application_id)
            await append_audit(
                tenancy,
                connection,
                actor.organisation_id,
                "system.event_schema.created",
                _told(actor, row),
                by=actor,
            )
    except asyncpg.UniqueViolationError:
        raise ResourceExists(f"The event type {new.name} has a schema already.", name=new.name) from None
    # not only when the notification comes back: the caller may create an event next
    context.directory.forget(actor.application_id)
    return _own(row)


async def update_event_schema(
    context: EventSchemaContext, actor: Actor, change: EventSchemaChange
) -> EventSchema:
    """Make a new version of a schema; it holds for events created from now on."""
    actor.require(Scope.EVENTS_WRITE)
    schema_id = _changed_id(actor, change)
    if change.json_schema is UNSET and change.description is UNSET:
        raise ValidationError("Give jsonSchema, description or both.", path="jsonSchema")
    description = (
        None if isinstance(change.description, UnsetType) else _checked_description(change.description)
    )
    text = None
    if change.json_schema is not UNSET:
        text = (await asyncio.to_thread(check_schema, change.json_schema)).text
    tenancy = context.tenancy
    async with settings_transaction(tenancy, actor.organisation_id) as connection:
        row = await queries.update_schema(
            connection,
            actor.organisation_id,
            actor.application_id,
            schema_id,
            json_schema=text,
            is_described=change.description is not UNSET,
            description=description,
        )
        if row is None:
            raise _missing(schema_id)
        await tell_change(connection, Changed.EVENT_SCHEMAS, actor.application_id)
        await append_audit(
            tenancy,
            connection,
            actor.organisation_id,
            "system.event_schema.updated",
            _told(actor, row),
            by=actor,
        )
    context.directory.forget(actor.application_id)
    return _own(row)


async def list_event_schemas(context: EventSchemaContext, actor: Actor) -> list[EventSchema]:
    """The built-in schemas, then the application's own by name, each in the version that holds."""
    actor.require(Scope.EVENTS_READ)
    async with settings_transaction(context.tenancy, actor.organisation_id) as connection:
        rows = await queries.select_schemas(connection, actor.organisation_id, actor.application_id)
    return [*_built_ins(actor.application_id), *map(_own, rows)]


async def get_event_schema(context: EventSchemaContext, actor: Actor, schema_id: UUID) -> EventSchema:
    """A schema in the version that holds."""
    actor.require(Scope.EVENTS_READ)
    for built_in in _built_ins(actor.application_id):
        if built_in.id == schema_id:
            return built_in
    async with settings_transaction(context.tenancy, actor.organisation_id) as connection:
        row = await queries.select_schema(connection, actor.organisation_id, actor.application_id, schema_id)
    if row is None:
        raise _missing(schema_id)
    return _own(row)


async def list_event_schema_versions(
    context: EventSchemaContext, actor: Actor, schema_id: UUID
) -> list[EventSchema]:
    """Every version of a schema, the newest first."""
    actor.require(Scope.EVENTS_READ)
    built_in = [one for one in _built_ins(actor.application_id) if one.id == schema_id]
    if built_in:
        return built_in
    async with settings_transaction(context.tenancy, actor.organisation_id) as connection:
        rows = await queries.select_versions(
            connection, actor.organisation_id, actor.application_id, schema_id
        )
    if not rows:
        raise _missing(schema_id)
    return [_own(row) for row in rows]


def _changed_id(actor: Actor, change: EventSchemaChange) -> UUID:
    if (change.schema_id is None) == (change.name is None):
        raise ValidationError("Give the schema's id or its name, and not both.", path="id")
    if change.name is not None:
        check_event_name(change.name, path="name")
        return event_type_id(actor.application_id, change.name)
    assert change.schema_id is not None
    if any(one.id == change.schema_id for one in _built_ins(actor.application_id)):
        raise ValidationError("A built-in schema cannot be changed.", path="id")
    return change.schema_id


def _checked_description(text: str | None) -> str | None:
    if text is None:
        return None
    if len(text) > LONGEST_DESCRIPTION:
        raise ValidationError(
            f"description has at most {LONGEST_DESCRIPTION} characters.", path="description"
        )
    return storable_text(text, name="description")


def _built_ins(application_id: UUID) -> Sequence[EventSchema]:
    return [_built_in(application_id, one) for one in BUILT_IN_SCHEMAS]


def _built_in(application_id: UUID, schema: BuiltInSchema) -> EventSchema:
    return EventSchema(
        id=event_type_id(application_id, schema.name),
        name=schema.name,
        category=schema.category,
        description=schema.description,
        required_fields=schema.required_fields,
        json_schema=schema.json_schema,
        version=1,
        is_built_in=True,
        created_at=None,
        updated_at=None,
    )


def _own(row: SchemaRow) -> EventSchema:
    return EventSchema(
        id=row.id,
        name=row.name,
        category=CUSTOM,
        description=row.description,
        required_fields=tuple(orjson.loads(row.json_schema).get("required", ())),
        json_schema=row.json_schema,
        version=row.version,
        is_built_in=False,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _told(actor: Actor, row: SchemaRow) -> dict[str, object]:
    return {
        "schema_id": row.id,
        "application_id": actor.application_id,
        "name": row.name,
        "version": row.version,
    }


def _missing(schema_id: UUID) -> NotFound:
    return NotFound("Event schema not found.", resource_type="EventSchema", resource_id=str(schema_id))
