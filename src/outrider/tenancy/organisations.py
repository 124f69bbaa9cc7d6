"""Organisations: the tenants. Each has one hidden application, whose log holds the organisation-wide facts."""

from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.tenancy import cross_tenant, queries
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.naming import checked_name

HIDDEN_SLUG = "_organisation"
"""No application of a customer can have it: their slugs begin with a letter or digit."""


@dataclass(frozen=True, slots=True)
class CreatedOrganisation:
    """A new tenant and the application of its own log."""

    id: UUID
    hidden_application_id: UUID


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant as operators name it."""

    id: UUID
    name: str


async def find_organisations(
    context: TenancyContext, *, name: str | None = None, limit: int = 20
) -> list[Organisation]:
    """Find the tenants of a name, or any, the oldest first."""
    with faults_as_unavailable():
        rows = await cross_tenant.select_organisations(context.database.system, limit, name=name)
    return [Organisation(row.id, row.name) for row in rows]


async def create_organisation(context: TenancyContext, name: str) -> CreatedOrganisation:
    """Create a tenant on the default tier, with its hidden application."""
    name = checked_name(name)
    created = CreatedOrganisation(context.ids.new(), context.ids.new())
    async with settings_transaction(context, created.id) as connection:
        await queries.insert_organisation(connection, created.id, name, context.default_tier)
        await queries.insert_application(
            connection,
            created.id,
            created.hidden_application_id,
            kind="organisation",
            slug=HIDDEN_SLUG,
            name=name,
        )
        payload = {"organisation_id": created.id, "name": name, "tier": context.default_tier}
        await append_audit(context, connection, created.id, "system.organisation.created", payload, by=None)
    return created
