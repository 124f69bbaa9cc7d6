"""Connections: an application's use of an account at a provider, created together with it.

Every connection has a system user, in whose name it sends.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.core.hashing import new_token
from outrider.platforms.base import Channel
from outrider.tenancy import derived_ids, queries
from outrider.tenancy.accounts import NewAccount, prepare_account, require_reachable
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.naming import checked_identifier, checked_name

SYSTEM_EXTERNAL_ID = "system"
"""What a connection's own platform user is called, since no vendor names it."""

_IN_DOUBT_POLICIES = ("retry", "hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection:
    """A connection to create. With `account_id` it joins an existing account and brings no config.

    Without `provider` it is the channel's usual vendor (with `account_id`: the account's); without
    `identifier` it gets a random one.
    """

    channel: Channel
    name: str
    provider: str | None = None
    identifier: str | None = None
    account_id: UUID | None = None
    config: object = field(default=None, repr=False)
    in_doubt_policy: str = "retry"


@dataclass(frozen=True, slots=True)
class CreatedConnection:
    """A new connection. `webhook_url` cannot be read again; None when an existing account was joined."""

    id: UUID
    account_id: UUID
    provider: str
    identifier: str
    created_at: datetime
    webhook_url: str | None = field(repr=False)


async def create_connection(context: TenancyContext, actor: Actor, new: NewConnection) -> CreatedConnection:
    """Create a connection of the actor's application, and its account unless it names one."""
    actor.require(Scope.ALL)
    name = checked_name(new.name)
    checked_policy(new.in_doubt_policy)
    if new.identifier is None:
        identifier = f"{new.channel}-{new_token(6).lower()}"
    else:
        identifier = checked_identifier(new.identifier)
    if new.account_id is None:
        account = prepare_account(
            context,
            actor,
            channel=new.channel,
            provider=new.provider,
            identifier=identifier,
            config=new.config,
        )
    elif new.config:
        raise ValidationError("config belongs to the account; leave it out with account_id.", path="config")
    else:
        account = new.account_id
    try:
        async with settings_transaction(context, actor.organisation_id) as connection:
            provider = await _provide_account(connection, actor, new, account)
            account_id = account.insert.id if isinstance(account, NewAccount) else account
            insert = _insert(
                context,
                actor,
                new,
                name=name,
                identifier=identifier,
                account_id=account_id,
                provider=provider,
            )
            created_at = await _store(context, connection, actor, insert)
    except asyncpg.UniqueViolationError:
        raise ResourceExists(
            f"The identifier {identifier!r} is taken.",
            resource_type="PlatformConnection",
            identifier=identifier,
        ) from None
    webhook_url = account.webhook_url if isinstance(account, NewAccount) else None
    return CreatedConnection(insert.id, account_id, provider, identifier, created_at, webhook_url)


def checked_policy(text: str) -> str:
    """Give what to do with messages in doubt as it is, or refuse it."""
    if text not in _IN_DOUBT_POLICIES:
        raise ValidationError("in_doubt_policy must be retry or hold.", path="in_doubt_policy")
    return text


async def _provide_account(
    connection: Connection, actor: Actor, new: NewConnection, account: NewAccount | UUID
) -> str:
    """Store the new account, or look at the one to join; returns its provider."""
    if isinstance(account, NewAccount):
        await queries.insert_account(connection, actor.organisation_id, account.insert)
        return account.insert.provider
    joined = await queries.select_account(connection, actor.organisation_id, account)
    if joined is None:
        raise NotFound("Account not found.", resource_type="Account", resource_id=str(account))
    if joined.channel != new.channel or new.provider not in {None, joined.provider}:
        raise ValidationError(
            f"The account is one of {joined.provider} for {joined.channel}.", path="account_id"
        )
    require_reachable(actor, joined.provider)
    return joined.provider


def _insert(
    context: TenancyContext,
    actor: Actor,
    new: NewConnection,
    *,
    name: str,
    identifier: str,
    account_id: UUID,
    provider: str,
) -> queries.ConnectionInsert:
    connection_id = context.ids.new()
    identity_key = context.sealer.identity_key(actor.organisation_id)
    return queries.ConnectionInsert(
        application_id=actor.application_id,
        id=connection_id,
        account_id=account_id,
        identifier=identifier,
        name=name,
        channel=new.channel,
        provider=provider,
        in_doubt_policy=new.in_doubt_policy,
        system_platform_user_id=derived_ids.platform_user_id(identity_key, connection_id, SYSTEM_EXTERNAL_ID),
    )


async def _store(
    context: TenancyContext, connection: Connection, actor: Actor, insert: queries.ConnectionInsert
) -> datetime:
    created_at = await queries.insert_connection(connection, actor.organisation_id, insert)
    identity_key = context.sealer.identity_key(actor.organisation_id)
    await queries.create_system_user(
        connection,
        actor.organisation_id,
        insert.id,
        user_id=derived_ids.user_id(identity_key, insert.id, SYSTEM_EXTERNAL_ID),
        platform_user_id=insert.system_platform_user_id,
        external_id=SYSTEM_EXTERNAL_ID,
        name=insert.name,
    )
    await tell_change(connection, Changed.CONNECTION, insert.id)
    payload: dict[str, object] = {
        "connection_id": insert.id,
        "application_id": insert.application_id,
        "account_id": insert.account_id,
        "channel": insert.channel,
        "provider": insert.provider,
        "identifier": insert.identifier,
        "name": insert.name,
    }
    await append_audit(
        context, connection, actor.organisation_id, "system.connection.created", payload, by=actor
    )
    return created_at
