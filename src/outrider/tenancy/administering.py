"""What members do with their organisation, its applications and API keys, each as its role allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from outrider.core.errors import NotFound
from outrider.tenancy import api_keys, applications, message_keys, queries_administering, read_keys
from outrider.tenancy.api_keys import ApiKey, CreatedApiKey, NewApiKey
from outrider.tenancy.application_settings import (
    ApplicationChanges,
    ApplicationSettings,
    read_settings,
    update_application,
)
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember, actor_in
from outrider.tenancy.members.roles import Permission
from outrider.tenancy.message_keys import CreatedMessageKey, MessageKey, NewMessageKey
from outrider.tenancy.naming import checked_name
from outrider.tenancy.queries_administering import OrganisationRow
from outrider.tenancy.read_keys import CreatedReadKey, NewReadKey, ReadKey


@dataclass(frozen=True, slots=True)
class OrganisationView:
    """An organisation as its members see it."""

    id: UUID
    name: str
    tier: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministeredApplication:
    """An application as members see it; archived ones are shown, too."""

    id: UUID
    slug: str
    name: str
    settings: ApplicationSettings
    created_at: datetime
    archived_at: datetime | None


async def get_organisation(context: TenancyContext, member: ActingMember) -> OrganisationView:
    """Show the member's organisation."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        row = await queries_administering.select_organisation(connection, member.organisation_id)
    return _organisation(member, row)


async def rename_organisation(context: TenancyContext, member: ActingMember, name: str) -> OrganisationView:
    """Give the organisation another name."""
    member.require(Permission.ORGANISATION)
    name = checked_name(name)
    organisation_id = member.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        await queries_administering.rename_organisation(connection, organisation_id, name)
        row = await queries_administering.select_organisation(connection, organisation_id)
        payload = {"organisation_id": organisation_id, "name": name}
        await append_audit(
            context, connection, organisation_id, "system.organisation.updated", payload, by=member
        )
    return _organisation(member, row)


async def list_applications(
    context: TenancyContext, member: ActingMember
) -> Sequence[AdministeredApplication]:
    """List the organisation's applications, archived ones too, the oldest first."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        rows = await queries_administering.select_applications(connection, member.organisation_id)
    return [
        AdministeredApplication(
            id=row.id,
            slug=row.slug,
            name=row.name,
            settings=read_settings(row.config),
            created_at=row.created_at,
            archived_at=row.archived_at,
        )
        for row in rows
    ]


async def create_application(
    context: TenancyContext, member: ActingMember, *, name: str, slug: str | None, config: object
) -> UUID:
    """Create an application of the member's organisation."""
    member.require(Permission.APPLICATIONS)
    created = await applications.create_application(
        context, member.organisation_id, name, slug, config=config, by=member
    )
    return created.id


async def change_application(
    context: TenancyContext, member: ActingMember, application_id: UUID, changes: ApplicationChanges
) -> None:
    """Change what an application is called and sets."""
    member.require(Permission.SETTINGS)
    await update_application(context, await actor_in(context, member, application_id), changes)


async def archive_application(context: TenancyContext, member: ActingMember, application_id: UUID) -> None:
    """Put an application away: its keys and connections stop, its data stays."""
    member.require(Permission.APPLICATIONS)
    await applications.archive_application(context, member.organisation_id, application_id, by=member)


async def restore_application(
    context: TenancyContext, member: ActingMember, application_id: UUID, slug: str | None
) -> None:
    """Bring an archived application back."""
    member.require(Permission.APPLICATIONS)
    await applications.restore_application(context, member.organisation_id, application_id, slug, by=member)


async def list_api_keys(context: TenancyContext, member: ActingMember) -> Sequence[ApiKey]:
    """List the keys of all applications, their tokens masked."""
    member.require(Permission.READ)
    return await api_keys.list_api_keys(context, member.organisation_id)


async def create_api_key(context: TenancyContext, member: ActingMember, new: NewApiKey) -> CreatedApiKey:
    """Create a key of an application."""
    member.require(Permission.KEYS)
    return await api_keys.create_api_key(context, member.organisation_id, new, by=member)


async def rotate_api_key(
    context: TenancyContext, member: ActingMember, key_id: UUID, overlap: timedelta
) -> CreatedApiKey:
    """Give a key a successor."""
    member.require(Permission.KEYS)
    return await api_keys.rotate_api_key(context, member.organisation_id, key_id, overlap=overlap, by=member)


async def revoke_api_key(context: TenancyContext, member: ActingMember, key_id: UUID) -> None:
    """Refuse a key from now on."""
    member.require(Permission.KEYS)
    await api_keys.revoke_api_key(context, member.organisation_id, key_id, by=member)


async def list_message_keys(context: TenancyContext, member: ActingMember) -> Sequence[MessageKey]:
    """List the organisation's message keys."""
    member.require(Permission.READ)
    return await message_keys.list_message_keys(context, member.organisation_id)


async def create_message_key(
    context: TenancyContext, member: ActingMember, new: NewMessageKey
) -> CreatedMessageKey:
    """Create a message key."""
    member.require(Permission.KEYS)
    return await message_keys.create_message_key(context, member.organisation_id, new, by=member)


async def revoke_message_key(context: TenancyContext, member: ActingMember, key_id: UUID) -> None:
    """Refuse a message key from now on."""
    member.require(Permission.KEYS)
    await message_keys.revoke_message_key(context, member.organisation_id, key_id, by=member)


async def list_read_keys(context: TenancyContext, member: ActingMember) -> Sequence[ReadKey]:
    """List the organisation's read keys, their tokens masked."""
    member.require(Permission.READ)
    return await read_keys.list_read_keys(context, member.organisation_id)


async def create_read_key(context: TenancyContext, member: ActingMember, new: NewReadKey) -> CreatedReadKey:
    """Create a read key."""
    member.require(Permission.KEYS)
    return await read_keys.create_read_key(context, member.organisation_id, new, by=member)


async def revoke_read_key(context: TenancyContext, member: ActingMember, key_id: UUID) -> None:
    """Refuse a read key from now on."""
    member.require(Permission.KEYS)
    await read_keys.revoke_read_key(context, member.organisation_id, key_id, by=member)


def _organisation(member: ActingMember, row: OrganisationRow | None) -> OrganisationView:
    if row is None:
        raise NotFound(resource_type="Organisation", resource_id=str(member.organisation_id))
    return OrganisationView(row.id, row.name, row.tier, row.created_at)
