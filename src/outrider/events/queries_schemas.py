"""The statements on event schemas. Versions are written once and never changed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outrider.core.database.pools import Connection, Pool

COUNT_SCHEMAS = "select count(*) from event_schemas where organisation_id = $1 and application_id = $2"
INSERT_SCHEMA = """
insert into event_schemas (organisation_id, application_id, id, name, description, json_schema)
values ($1, $2, $3, $4, $5, $6)
returning id, name, description, version, json_schema, created_at, updated_at
"""
UPDATE_SCHEMA = """
update event_schemas set version = version + 1, json_schema = coalesce($4, json_schema),
  description = case when $5 then $6 else description end, updated_at = now()
where organisation_id = $1 and application_id = $2 and id = $3
returning id, name, description, version, json_schema, created_at, updated_at
"""
INSERT_VERSION = """
insert into event_schema_versions (organisation_id, application_id, schema_id, version, description, json_schema,
  created_at)
select s.organisation_id, s.application_id, s.id, s.version, s.description, s.json_schema, s.updated_at
from event_schemas s where s.organisation_id = $1 and s.application_id = $2 and s.id = $3
"""
SELECT_SCHEMAS = """
select id, name, description, version, json_schema, created_at, updated_at from event_schemas
where organisation_id = $1 and application_id = $2 order by name
"""
SELECT_SCHEMA = """
select id, name, description, version, json_schema, created_at, updated_at from event_schemas
where organisation_id = $1 and application_id = $2 and id = $3
"""
SELECT_VERSIONS = """
select s.id, s.name, v.description, v.version, v.json_schema, s.created_at, v.created_at as updated_at
from event_schemas s join event_schema_versions v using (organisation_id, application_id)
where s.organisation_id = $1 and s.application_id = $2 and s.id = $3 and v.schema_id = s.id
order by v.version desc limit 1000
"""
SELECT_CURRENT_VERSION = "select version from event_schemas where application_id = $1 and name = $2"
SELECT_CURRENT = "select version, json_schema from event_schemas where application_id = $1 and name = $2"


@dataclass(frozen=True, slots=True)
class SchemaRow:
    """A schema in one of its versions; `updated_at` is when that version was made."""

    id: UUID
    name: str
    description: str | None
    version: int
    json_schema: str
    created_at: datetime
    updated_at: datetime


async def count_schemas(connection: Connection, organisation_id: UUID, application_id: UUID) -> int:
    return int(await connection.fetchval(COUNT_SCHEMAS, organisation_id, application_id))


async def insert_schema(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    schema_id: UUID,
    *,
    name: str,
    description: str | None,
    json_schema: str,
) -> SchemaRow:
    """Insert a schema with its first version; the name must be free."""
    row = await connection.fetchrow(
        INSERT_SCHEMA, organisation_id, application_id, schema_id, name, description, json_schema
    )
    assert row is not None
    await connection.execute(INSERT_VERSION, organisation_id, application_id, schema_id)
    return SchemaRow(**row)


async def update_schema(
    connection: Connection,
    organisation_id: UUID,
    application_id: UUID,
    schema_id: UUID,
    *,
    json_schema: str | None,
    is_described: bool,
    description: str | None,
) -> SchemaRow | None:
    """Make a new version of a schema, what is not given staying as it is; None if there is no such schema."""
    row = await connection.fetchrow(
        UPDATE_SCHEMA, organisation_id, application_id, schema_id, json_schema, is_described, description
    )
    if row is None:
        return None
    await connection.execute(INSERT_VERSION, organisation_id, application_id, schema_id)
    return SchemaRow(**row)


async def select_schemas(
    connection: Connection, organisation_id: UUID, application_id: UUID
) -> list[SchemaRow]:
    return [
        SchemaRow(**row) for row in await connection.fetch(SELECT_SCHEMAS, organisation_id, application_id)
    ]


async def select_schema(
    connection: Connection, organisation_id: UUID, application_id: UUID, schema_id: UUID
) -> SchemaRow | None:
    row = await connection.fetchrow(SELECT_SCHEMA, organisation_id, application_id, schema_id)
    return SchemaRow(**row) if row else None


async def select_versions(
    connection: Connection, organisation_id: UUID, application_id: UUID, schema_id: UUID
) -> list[SchemaRow]:
    """The versions of a schema, the newest first."""
    rows = await connection.fetch(SELECT_VERSIONS, organisation_id, application_id, schema_id)
    return [SchemaRow(**row) for row in rows]


async def select_current_version(pool: Pool, application_id: UUID, name: str) -> int | None:
    """Which version of a type's schema holds; on the system pool, since it is asked while events come in."""
    found: int | None = await pool.fetchval(SELECT_CURRENT_VERSION, application_id, name)
    return found


async def select_current(pool: Pool, application_id: UUID, name: str) -> tuple[int, str] | None:
    """The version of a type's schema that holds, and its text."""
    row = await pool.fetchrow(SELECT_CURRENT, application_id, name)
    return (row["version"], row["json_schema"]) if row else None
