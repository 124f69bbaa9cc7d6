"""Connections that exist: shown with their secrets masked, changed, deleted.

A config belongs to the account: changing it through one connection changes it for all that use the account.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

import orjson

from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ValidationError
from outrider.platforms.base import JsonObject
from outrider.tenancy import queries_connections as queries
from outrider.tenancy.accounts import change_config, require_reachable
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.connections import checked_policy
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.naming import checked_name
from outrider.tenancy.queries_connections import ManagedRow

_STATUSES = ("active", "disabled")
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Health:
    """What the last check found, and when; `unknown` before the first, and after a change of the config."""

    status: Literal["healthy", "unhealthy", "unknown"] = "unknown"
    message: str | None = None
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionView:
    """A connection that was not deleted, as its application sees it; secrets of the config are masked."""

    id: UUID
    account_id: UUID
    identifier: str
    name: str
    channel: str
    provider: str
    status: str
    in_doubt_policy: str
    config: JsonObject
    health: Health
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChanges:
    """What to change; None leaves it. In `config` what is left out or masked stays, and null removes."""

    name: str | None = None
    config: object = field(default=None, repr=False)
    in_doubt_policy: str | None = None
    status: str | None = None


async def get_connection(context: TenancyContext, actor: Actor, connection_id: UUID) -> ConnectionView:
    """Show a connection."""
    actor.require(Scope.EVENTS_READ)
    async with settings_transaction(context, actor.organisation_id) as connection:
        row = await queries.select_connection(
            connection, actor.organisation_id, actor.application_id, connection_id
        )
    if row is None:
        raise missing_connection(connection_id)
    return _view(row)


async def list_connections(
    context: TenancyContext, actor: Actor, *, limit: int = 20, before: UUID | None = None
) -> Sequence[ConnectionView]:
    """List the newest connections, or those made before one of them."""
    actor.require(Scope.EVENTS_READ)
    async with settings_transaction(context, actor.organisation_id) as connection:
        rows = await queries.select_connections(
            connection,
            actor.organisation_id,
            actor.application_id,
            limit=min(max(limit, 1), MOST_LISTED),
            before=before,
        )
    return [_view(row) for row in rows]


async def update_connection(
    context: TenancyContext, actor: Actor, connection_id: UUID, changes: ConnectionChanges
) -> ConnectionView:
    """Change a connection; messages and webhooks from now on go by what is stored then."""
    actor.require(Scope.ALL)
    name = None if changes.name is None else checked_name(changes.name)
    policy = None if changes.in_doubt_policy is None else checked_policy(changes.in_doubt_policy)
    if changes.status not in {None, *_STATUSES}:
        raise ValidationError("status must be active or disabled.", path="status")
    async with settings_transaction(context, actor.organisation_id) as connection:
        row = await queries.lock_connection(
            connection, actor.organisation_id, actor.application_id, connection_id
        )
        if row is None:
            raise missing_connection(connection_id)
        require_reachable(actor, row.provider)
        await queries.update_connection(
            connection,
            actor.organisation_id,
            connection_id,
            name=name or row.name,
            in_doubt_policy=policy or row.in_doubt_policy,
            status=changes.status or row.status,
        )
        changed = await _reconfigure(context, connection, actor, row, changes.config)
        after = await queries.select_connection(
            connection, actor.organisation_id, actor.application_id, connection_id
        )
        assert after is not None, "it is locked"
        await tell_change(connection, Changed.CONNECTION, connection_id)
        payload: dict[str, object] = {
            "connection_id": connection_id,
            "application_id": actor.application_id,
            "name": after.name,
            "status": after.status,
            "in_doubt_policy": after.in_doubt_policy,
            "changed_config": changed,
        }
        await append_audit(
            context, connection, actor.organisation_id, "system.connection.updated", payload, by=actor
        )
    return _view(after)


async def _reconfigure(
    context: TenancyContext, connection: Connection, actor: Actor, row: ManagedRow, changes: object
) -> tuple[str, ...]:
    """Store what changes of the account's config; returns the names of it."""
    if changes is None:
        return ()
    config = change_config(
        context,
        actor,
        provider=row.provider,
        account_id=row.account_id,
        shown=row.config,
        sealed=row.sealed_config,
        changes=changes,
    )
    using = await queries.update_account_config(
        connection,
        actor.organisation_id,
        row.account_id,
        config=config.shown,
        sealed_config=config.sealed,
    )
    for connection_id in using:
        await tell_change(connection, Changed.CONNECTION, connection_id)
    return config.changed


async def delete_connection(context: TenancyContext, actor: Actor, connection_id: UUID) -> None:
    """Delete a connection: what waits to be sent fails, its webhook address is nobody's, its history stays."""
    actor.require(Scope.ALL)
    async with settings_transaction(context, actor.organisation_id) as connection:
        row = await queries.lock_connection(
            connection, actor.organisation_id, actor.application_id, connection_id
        )
        if row is None:
            raise missing_connection(connection_id)
        await queries.delete_connection(connection, actor.organisation_id, row)
        await tell_change(connection, Changed.CONNECTION, connection_id)
        payload = {
            "connection_id": connection_id,
            "application_id": actor.application_id,
            "identifier": row.identifier,
        }
        await append_audit(
            context, connection, actor.organisation_id, "system.connection.deleted", payload, by=actor
        )


def missing_connection(connection_id: UUID) -> NotFound:
    """What a connection that is missing, deleted or foreign answers."""
    return NotFound(
        "Platform connection not found.",
        resource_type="PlatformConnection",
        resource_id=str(connection_id),
    )


def _view(row: ManagedRow) -> ConnectionView:
    return ConnectionView(
        id=row.id,
        account_id=row.account_id,
        identifier=row.identifier,
        name=row.name,
        channel=row.channel,
        provider=row.provider,
        status=row.status,
        in_doubt_policy=row.in_doubt_policy,
        config=cast("JsonObject", orjson.loads(row.config)),
        health=Health(
            cast('Literal["healthy", "unhealthy", "unknown"]', row.health_status or "unknown"),
            row.health_message,
            row.health_checked_at,
        ),
        created_at=row.created_at,
    )
