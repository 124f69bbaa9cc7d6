"""Organisations: the tenants. Each has one hidden application, whose log holds the organisation-wide facts."""

from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound, ValidationError
from outrider.tenancy import cross_tenant, queries
from outrider.tenancy.actors import Author
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.members.queries import select_members
from outrider.tenancy.naming import checked_name
from outrider.tenancy.tiers import TIERS, UNLIMITED

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


async def change_tier(
    context: TenancyContext, organisation_id: UUID, tier: str, *, by: Author | None = None
) -> None:
    """Limit an organisation's keys by another tier; processes hear of it at once."""
    allowed = (*TIERS, UNLIMITED)
    if tier not in allowed:
        raise ValidationError(f"tier must be one of: {', '.join(allowed)}.", path="tier")
    async with settings_transaction(context, organisation_id) as connection:
        if not await queries.update_tier(connection, organisation_id, tier):
            raise NotFound(resource_type="Organisation", resource_id=str(organisation_id))
        for key in await queries.select_api_keys(connection, organisation_id):
            if key.revoked_at is None:
                await tell_change(connection, Changed.API_KEY, key.id)
        for member in await select_members(connection, organisation_id):
            await tell_change(connection, Changed.MEMBER, member.id)
        payload = {"organisation_id": organisation_id, "tier": tier}
        await append_audit(
            context, connection, organisation_id, "system.organisation.tier_changed", payload, by=by
        )


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
