"""Applications: the products of a tenant, each with a slug that is unique in its organisation."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ResourceExists
from outrider.tenancy import cross_tenant, queries
from outrider.tenancy.actors import Author
from outrider.tenancy.application_settings import new_config
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.naming import checked_name, checked_slug, slug_of


@dataclass(frozen=True, slots=True)
class Application:
    """An application as operators name it."""

    id: UUID
    slug: str
    name: str


async def create_application(
    context: TenancyContext,
    organisation_id: UUID,
    name: str,
    slug: str | None = None,
    *,
    config: object = None,
    by: Author | None = None,
) -> Application:
    """Create an application; without a slug it gets one made of its name."""
    name = checked_name(name)
    settings = new_config(config)
    slug = slug_of(name) if slug is None else checked_slug(slug)
    created = Application(context.ids.new(), slug, name)
    try:
        async with settings_transaction(context, organisation_id) as connection:
            await queries.insert_application(
                connection,
                organisation_id,
                created.id,
                kind="application",
                slug=slug,
                name=name,
                config=orjson.dumps(settings).decode(),
            )
            payload = {"application_id": created.id, "name": name, "slug": slug, "config": settings}
            await append_audit(
                context, connection, organisation_id, "system.application.created", payload, by=by
            )
    except asyncpg.UniqueViolationError:
        raise _slug_taken(slug) from None
    except asyncpg.ForeignKeyViolationError:
        raise NotFound(resource_type="Organisation", resource_id=str(organisation_id)) from None
    return created


async def archive_application(
    context: TenancyContext, organisation_id: UUID, application_id: UUID, *, by: Author | None = None
) -> None:
    """Put an application away: its keys and connections stop, its slug is free, its data stays."""
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries.select_application_config(
            connection, organisation_id, application_id, is_locked=True
        )
        if row is None:
            raise missing_application(application_id)
        stopped = await queries.archive_application(connection, organisation_id, application_id)
        await _tell_affected(connection, application_id, stopped)
        payload = {"application_id": application_id, "name": row.name, "slug": row.slug}
        await append_audit(
            context, connection, organisation_id, "system.application.archived", payload, by=by
        )


async def restore_application(
    context: TenancyContext,
    organisation_id: UUID,
    application_id: UUID,
    slug: str | None = None,
    *,
    by: Author | None = None,
) -> None:
    """Bring an archived application back, by its former slug or another; what the archiving stopped goes on."""
    slug = None if slug is None else checked_slug(slug)
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries.lock_archived(connection, organisation_id, application_id)
        if row is None:
            raise missing_application(application_id)
        slug = slug or row.archived_slug or slug_of(row.name)
        try:
            going_on = await queries.restore_application(connection, organisation_id, application_id, slug)
        except asyncpg.UniqueViolationError:
            raise _slug_taken(slug) from None
        await _tell_affected(connection, application_id, going_on)
        payload = {"application_id": application_id, "name": row.name, "slug": slug}
        await append_audit(
            context, connection, organisation_id, "system.application.restored", payload, by=by
        )


async def _tell_affected(
    connection: Connection, application_id: UUID, affected: queries.AffectedRows
) -> None:
    await tell_change(connection, Changed.APPLICATION, application_id)
    for key_id in affected.api_keys:
        await tell_change(connection, Changed.API_KEY, key_id)
    for connection_id in affected.connections:
        await tell_change(connection, Changed.CONNECTION, connection_id)


def missing_application(application_id: UUID) -> NotFound:
    """What an application that is missing, archived or foreign answers; to be restored, one that is not archived."""
    return NotFound("Application not found.", resource_type="Application", resource_id=str(application_id))


def _slug_taken(slug: str) -> ResourceExists:
    return ResourceExists(f"An application with the slug {slug!r} exists already.", slug=slug)


async def find_application(context: TenancyContext, organisation_id: UUID, slug: str) -> Application | None:
    """Find an application of a tenant by its slug."""
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries.select_application(connection, organisation_id, slug)
    return Application(row.id, row.slug, row.name) if row else None


async def owner_of_application(context: TenancyContext, application_id: UUID) -> UUID | None:
    """Tell whose application this is; None if there is none of this id."""
    with faults_as_unavailable():
        return await cross_tenant.select_application_owner(context.database.system, application_id)
