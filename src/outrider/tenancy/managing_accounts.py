"""Accounts by themselves: created before any connection uses them, changed for all that do, deleted when none does."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

import asyncpg
import orjson

from outrider.core.database.pools import Connection
from outrider.core.errors import AppError, ErrorKind, NotFound, ResourceExists
from outrider.core.hashing import new_token
from outrider.platforms.base import Channel, JsonObject
from outrider.tenancy import queries, queries_administering, queries_connections
from outrider.tenancy.accounts import change_config, prepare_account
from outrider.tenancy.actors import Author, Configuring, Environment
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission
from outrider.tenancy.naming import checked_identifier
from outrider.tenancy.queries_administering import AccountRow


class AccountInUse(AppError):
    """Connections use the account."""

    kind = ErrorKind.CONFLICT
    code = "ACCOUNT_IN_USE"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOwnAccount:
    """An account to create; without `provider` the channel's usual vendor, without `identifier` a random one."""

    channel: Channel
    provider: str | None = None
    identifier: str | None = None
    config: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """An account as members see it; secrets of the config are masked. `webhook_url` is told once, by its creation."""

    id: UUID
    provider: str
    channel: str
    identifier: str
    config: JsonObject
    webhook_id: UUID
    webhook_url: str | None = field(default=None, repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Operator:
    """Whoever types commands beside the database."""

    organisation_id: UUID
    environment: Environment = Environment.LIVE


async def create_account(context: TenancyContext, member: ActingMember, new: NewOwnAccount) -> AccountView:
    """Create an account that no connection uses yet."""
    member.require(Permission.CONNECTIONS)
    return await _created(context, member, new, by=member)


async def create_account_by_operator(
    context: TenancyContext, organisation_id: UUID, new: NewOwnAccount
) -> AccountView:
    """Create an account at the command line, where whoever can open the database may do anything."""
    return await _created(context, _Operator(organisation_id), new, by=None)


async def list_accounts_of(context: TenancyContext, organisation_id: UUID) -> list[AccountView]:
    """List an organisation's accounts, the oldest first."""
    async with settings_transaction(context, organisation_id) as connection:
        rows = await queries_administering.select_accounts(connection, organisation_id)
    return [_view(row) for row in rows]


async def _created(
    context: TenancyContext, configuring: Configuring, new: NewOwnAccount, *, by: Author | None
) -> AccountView:
    if new.identifier is None:
        identifier = f"{new.channel}-{new_token(6).lower()}"
    else:
        identifier = checked_identifier(new.identifier)
    account = prepare_account(
        context,
        configuring,
        channel=new.channel,
        provider=new.provider,
        identifier=identifier,
        config=new.config,
    )
    account_id = account.insert.id
    try:
        organisation_id = configuring.organisation_id
        async with settings_transaction(context, organisation_id) as connection:
            await queries.insert_account(connection, organisation_id, account.insert)
            row = await _locked(connection, organisation_id, account_id)
            payload = {
                "account_id": account_id,
                "channel": row.channel,
                "provider": row.provider,
                "identifier": identifier,
            }
            await append_audit(context, connection, organisation_id, "system.account.created", payload, by=by)
    except asyncpg.UniqueViolationError:
        raise _taken(identifier) from None
    return _view(row, webhook_url=account.webhook_url)


async def update_account(
    context: TenancyContext,
    member: ActingMember,
    account_id: UUID,
    *,
    identifier: str | None = None,
    config: object = None,
) -> AccountView:
    """Change an account, for every connection that uses it; what is left out of the config stays."""
    member.require(Permission.CONNECTIONS)
    wanted = None if identifier is None else checked_identifier(identifier)
    try:
        async with settings_transaction(context, member.organisation_id) as connection:
            row = await _locked(connection, member.organisation_id, account_id)
            if wanted is not None:
                await queries_administering.rename_account(
                    connection, member.organisation_id, account_id, wanted
                )
            changed = await _reconfigure(context, connection, member, row, config)
            after = await _locked(connection, member.organisation_id, account_id)
            payload = {
                "account_id": account_id,
                "identifier": after.identifier,
                "changed_config": changed,
            }
            await append_audit(
                context, connection, member.organisation_id, "system.account.updated", payload, by=member
            )
    except asyncpg.UniqueViolationError:
        raise _taken(wanted) from None
    return _view(after)


async def delete_account(context: TenancyContext, member: ActingMember, account_id: UUID) -> AccountView:
    """Delete an account that nobody uses, and its secrets; gives it as it was."""
    member.require(Permission.CONNECTIONS)
    organisation_id = member.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        row = await _locked(connection, member.organisation_id, account_id)
        using = await queries_administering.count_connections(connection, organisation_id, account_id)
        if using:
            raise AccountInUse(f"{using} connections use the account; delete them first.", connections=using)
        await queries_administering.delete_account(connection, organisation_id, account_id)
        payload = {"account_id": account_id, "identifier": row.identifier, "provider": row.provider}
        await append_audit(context, connection, organisation_id, "system.account.deleted", payload, by=member)
    return _view(row)


async def list_accounts(context: TenancyContext, member: ActingMember) -> list[AccountView]:
    """List the organisation's accounts, the oldest first."""
    member.require(Permission.READ)
    return await list_accounts_of(context, member.organisation_id)


async def _reconfigure(
    context: TenancyContext, connection: Connection, member: ActingMember, row: AccountRow, changes: object
) -> tuple[str, ...]:
    """Store what changes of the config; returns the names of it."""
    if changes is None:
        return ()
    config = change_config(
        context,
        member,
        provider=row.provider,
        account_id=row.id,
        shown=row.config,
        sealed=row.sealed_config,
        changes=changes,
    )
    using = await queries_connections.update_account_config(
        connection, member.organisation_id, row.id, config=config.shown, sealed_config=config.sealed
    )
    for connection_id in using:
        await tell_change(connection, Changed.CONNECTION, connection_id)
    return config.changed


async def _locked(connection: Connection, organisation_id: UUID, account_id: UUID) -> AccountRow:
    row = await queries_administering.lock_account(connection, organisation_id, account_id)
    if row is None:
        raise NotFound("Account not found.", resource_type="Account", resource_id=str(account_id))
    return row


def _view(row: AccountRow, *, webhook_url: str | None = None) -> AccountView:
    return AccountView(
        id=row.id,
        provider=row.provider,
        channel=row.channel,
        identifier=row.identifier,
        config=cast("JsonObject", orjson.loads(row.config)),
        webhook_id=row.webhook_id,
        webhook_url=webhook_url,
        created_at=row.created_at,
    )


def _taken(identifier: str | None) -> ResourceExists:
    return ResourceExists(
        f"The identifier {identifier!r} is taken.", resource_type="Account", identifier=identifier
    )
