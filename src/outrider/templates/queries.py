"""The statements on templates. Versions are written once and never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection, Pool

_TEMPLATE = """select t.organisation_id, t.application_id, t.id, t.identifier, t.name, v.version, t.created_at,
  t.updated_at, t.archived_at, v.sender, v.subject, v.text_body, v.html_body, v.styles,
  v.locals::text as locals, v.is_strict
from templates t join template_versions v on v.application_id = t.application_id and v.template_id = t.id"""
_CURRENT = f"{_TEMPLATE} and v.version = t.version"
COUNT_TEMPLATES = """
select count(*) from templates where organisation_id = $1 and application_id = $2 and archived_at is null
"""
INSERT_TEMPLATE = """
insert into templates (organisation_id, application_id, id, identifier, name) values ($1, $2, $3, $4, $5)
"""
INSERT_VERSION = """
insert into template_versions (organisation_id, application_id, template_id, version, sender, subject, text_body,
  html_body, styles, locals, is_strict)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11)
"""
UPDATE_TEMPLATE = """
update templates set identifier = $3, name = $4, version = $5, updated_at = now()
where organisation_id = $1 and id = $2
"""
ARCHIVE_TEMPLATE = "update templates set archived_at = now() where organisation_id = $1 and id = $2"
LOCK_TEMPLATE = f"{_CURRENT} where t.organisation_id = $1 and t.id = $2 for update of t"
SELECT_TEMPLATE = f"{_CURRENT} where t.organisation_id = $1 and t.id = $2"
SELECT_TEMPLATES = f"{_CURRENT} where t.organisation_id = $1 order by t.created_at, t.id"
SELECT_VERSIONS = f"{_TEMPLATE} where t.organisation_id = $1 and t.id = $2 order by v.version desc limit 1000"
FIND_BY_ID = f"{_CURRENT} where t.application_id = $1 and t.id = $2 and t.archived_at is null"
FIND_BY_IDENTIFIER = f"{_CURRENT} where t.application_id = $1 and t.identifier = $2 and t.archived_at is null"
FIND_VERSION = f"{_TEMPLATE} where t.application_id = $1 and t.id = $2 and v.version = $3"
SELECT_LOCALS = """
select application_id, locals::text as locals from template_locals
where organisation_id = $1 and (application_id is null or application_id = $2)
"""
SELECT_ALL_LOCALS = (
    "select application_id, locals::text as locals from template_locals where organisation_id = $1"
)
PUT_LOCALS = """
insert into template_locals (organisation_id, application_id, locals) values ($1, $2, $3::text::json)
on conflict (organisation_id, application_id) do update set locals = excluded.locals, updated_at = now()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """A stored template in one of its versions; `locals` is JSON text."""

    organisation_id: UUID
    application_id: UUID
    id: UUID
    identifier: str
    name: str
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    sender: str | None
    subject: str | None
    text_body: str | None
    html_body: str | None
    styles: str | None
    locals: str
    is_strict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """What a new version consists of."""

    application_id: UUID
    template_id: UUID
    version: int
    sender: str | None
    subject: str | None
    text_body: str | None
    html_body: str | None
    styles: str | None
    locals: str
    is_strict: bool


async def count_templates(connection: Connection, organisation_id: UUID, application_id: UUID) -> int:
    return await connection.fetchval(COUNT_TEMPLATES, organisation_id, application_id)


async def insert_template(
    connection: Connection, organisation_id: UUID, version: VersionRow, *, identifier: str, name: str
) -> None:
    """Make a template and its first version; an identifier that is taken is a `UniqueViolationError`."""
    await connection.execute(
        INSERT_TEMPLATE, organisation_id, version.application_id, version.template_id, identifier, name
    )
    await insert_version(connection, organisation_id, version)


async def insert_version(connection: Connection, organisation_id: UUID, version: VersionRow) -> None:
    await connection.execute(
        INSERT_VERSION,
        organisation_id,
        version.application_id,
        version.template_id,
        version.version,
        version.sender,
        version.subject,
        version.text_body,
        version.html_body,
        version.styles,
        version.locals,
        version.is_strict,
    )


async def update_template(
    connection: Connection,
    organisation_id: UUID,
    template_id: UUID,
    *,
    identifier: str,
    name: str,
    version: int,
) -> None:
    await connection.execute(UPDATE_TEMPLATE, organisation_id, template_id, identifier, name, version)


async def archive_template(connection: Connection, organisation_id: UUID, template_id: UUID) -> None:
    await connection.execute(ARCHIVE_TEMPLATE, organisation_id, template_id)


async def select_template(
    connection: Connection, organisation_id: UUID, template_id: UUID, *, is_locked: bool = False
) -> TemplateRow | None:
    statement = LOCK_TEMPLATE if is_locked else SELECT_TEMPLATE
    return _row(await connection.fetchrow(statement, organisation_id, template_id))


async def select_templates(connection: Connection, organisation_id: UUID) -> Sequence[TemplateRow]:
    return [TemplateRow(**row) for row in await connection.fetch(SELECT_TEMPLATES, organisation_id)]


async def select_versions(
    connection: Connection, organisation_id: UUID, template_id: UUID
) -> Sequence[TemplateRow]:
    """Every version of a template, the newest first."""
    rows = await connection.fetch(SELECT_VERSIONS, organisation_id, template_id)
    return [TemplateRow(**row) for row in rows]


async def find_by_id(pool: Pool, application_id: UUID, template_id: UUID) -> TemplateRow | None:
    return _row(await pool.fetchrow(FIND_BY_ID, application_id, template_id))


async def find_by_identifier(pool: Pool, application_id: UUID, identifier: str) -> TemplateRow | None:
    return _row(await pool.fetchrow(FIND_BY_IDENTIFIER, application_id, identifier))


async def find_version(
    pool: Pool, application_id: UUID, template_id: UUID, version: int
) -> TemplateRow | None:
    return _row(await pool.fetchrow(FIND_VERSION, application_id, template_id, version))


async def select_locals(
    pool: Pool, organisation_id: UUID, application_id: UUID
) -> Sequence[tuple[UUID | None, str]]:
    """The locals of an organisation (of no application) and of one application of it, where there are any."""
    rows = await pool.fetch(SELECT_LOCALS, organisation_id, application_id)
    return [(row["application_id"], row["locals"]) for row in rows]


async def select_all_locals(
    connection: Connection, organisation_id: UUID
) -> Sequence[tuple[UUID | None, str]]:
    rows = await connection.fetch(SELECT_ALL_LOCALS, organisation_id)
    return [(row["application_id"], row["locals"]) for row in rows]


async def put_locals(
    connection: Connection, organisation_id: UUID, application_id: UUID | None, text: str
) -> None:
    await connection.execute(PUT_LOCALS, organisation_id, application_id, text)


def _row(row: "asyncpg.Record | None") -> TemplateRow | None:
    return TemplateRow(**row) if row else None
