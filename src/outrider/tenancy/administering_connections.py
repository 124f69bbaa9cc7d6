"""Connections of all applications of an organisation, seen and changed by members.

The operations are those of API keys: a member becomes the actor that it is in the connection's application.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

import orjson

from outrider.platforms.base import Channel, JsonObject
from outrider.platforms.config import MASK
from outrider.tenancy import backends, managing_connections, queries_administering
from outrider.tenancy.actors import Actor
from outrider.tenancy.checking_connections import CheckingContext, ConnectionCheck, check_connection
from outrider.tenancy.connections import CreatedConnection, NewConnection, create_connection
from outrider.tenancy.context import TenancyContext, settings_transaction
from outrider.tenancy.managing_connections import ConnectionChanges, Health, missing_connection
from outrider.tenancy.members.acting import ActingMember, actor_in
from outrider.tenancy.members.roles import Permission
from outrider.tenancy.queries_administering import ConnectionRow
from outrider.tenancy.queries_backends import DefaultRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministeredConnection:
    """A connection as members see it; secrets of the config, and of the address, are masked."""

    id: UUID
    application_id: UUID
    account_id: UUID
    identifier: str
    name: str
    channel: str
    provider: str
    status: str
    in_doubt_policy: str
    config: JsonObject
    webhook_url: str = field(repr=False)
    health: Health
    created_at: datetime


async def list_connections(context: TenancyContext, member: ActingMember) -> Sequence[AdministeredConnection]:
    """List the connections of all applications, the oldest first."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        rows = await queries_administering.select_connections(connection, member.organisation_id)
    return [_view(context, row) for row in rows]


async def get_connection(
    context: TenancyContext, member: ActingMember, connection_id: UUID
) -> AdministeredConnection:
    """Show a connection."""
    member.require(Permission.READ)
    return _view(context, await _found(context, member, connection_id))


async def connect(
    context: TenancyContext, member: ActingMember, application_id: UUID, new: NewConnection
) -> CreatedConnection:
    """Create a connection of an application."""
    member.require(Permission.CONNECTIONS)
    return await create_connection(context, await actor_in(context, member, application_id), new)


async def change_connection(
    context: TenancyContext, member: ActingMember, connection_id: UUID, changes: ConnectionChanges
) -> None:
    """Change a connection, whichever application's it is."""
    actor = await _actor_at(context, member, connection_id)
    await managing_connections.update_connection(context, actor, connection_id, changes)


async def disconnect(
    context: TenancyContext, member: ActingMember, connection_id: UUID
) -> AdministeredConnection:
    """Delete a connection, whichever application's it is; gives it as it was."""
    member.require(Permission.CONNECTIONS)
    row = await _found(context, member, connection_id)
    # also of an archived application, whose secrets somebody may want to be gone
    actor = member.in_application(row.application_id)
    await managing_connections.delete_connection(context, actor, connection_id)
    return replace(_view(context, row), status="deleted")


async def try_connection(
    context: CheckingContext, member: ActingMember, connection_id: UUID
) -> ConnectionCheck:
    """Ask a connection's vendor whether it would do."""
    actor = await _actor_at(context.tenancy, member, connection_id)
    return await check_connection(context, actor, connection_id)


async def _actor_at(context: TenancyContext, member: ActingMember, connection_id: UUID) -> Actor:
    member.require(Permission.CONNECTIONS)
    row = await _found(context, member, connection_id)
    return await actor_in(context, member, row.application_id)


async def _found(context: TenancyContext, member: ActingMember, connection_id: UUID) -> ConnectionRow:
    async with settings_transaction(context, member.organisation_id) as connection:
        row = await queries_administering.select_connection(connection, member.organisation_id, connection_id)
    if row is None:
        raise missing_connection(connection_id)
    return row


def _view(context: TenancyContext, row: ConnectionRow) -> AdministeredConnection:
    status = cast('Literal["healthy", "unhealthy", "unknown"]', row.health_status or "unknown")
    return AdministeredConnection(
        id=row.id,
        application_id=row.application_id,
        account_id=row.account_id,
        identifier=row.identifier,
        name=row.name,
        channel=row.channel,
        provider=row.provider,
        status=row.status,
        in_doubt_policy=row.in_doubt_policy,
        config=cast("JsonObject", orjson.loads(row.config)),
        webhook_url=f"{context.public_url}/webhooks/{row.webhook_id}/{MASK}",
        health=Health(status, row.health_message, row.health_checked_at),
        created_at=row.created_at,
    )


async def list_default_backends(context: TenancyContext, member: ActingMember) -> Sequence[DefaultRow]:
    """List the default backends of all applications."""
    member.require(Permission.READ)
    return await backends.list_default_backends(context, member.organisation_id)


async def set_default_backend(
    context: TenancyContext,
    member: ActingMember,
    application_id: UUID,
    *,
    channel: Channel,
    account_id: UUID | None,
) -> None:
    """Let an account send an application's messages of a type; None takes the default away."""
    member.require(Permission.CONNECTIONS)
    await backends.set_default_backend(
        context, member.organisation_id, application_id, channel=channel, account_id=account_id, by=member
    )
