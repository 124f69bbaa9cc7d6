"""Backends: the accounts of an organisation as its projects use them, each project with a default per type of message.

A project is an application. The connection through which it uses an account is made when it does so first.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.core.hashing import new_token
from outrider.platforms.base import Channel
from outrider.tenancy import queries, queries_backends
from outrider.tenancy.actors import Actor, Author, Scope
from outrider.tenancy.applications import missing_application
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.connections import NewConnection, create_connection
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.queries_backends import BackendRow, DefaultRow, ProjectRow

_ATTEMPTS: Final = 3

Named = str | UUID
"""How something is named: by its identifier (a text) or by its id."""


@dataclass(frozen=True, slots=True)
class Backend:
    """An account that a project sends through, and the project's connection to it."""

    account_id: UUID
    identifier: str
    provider: str
    connection_id: UUID


async def list_default_backends(context: TenancyContext, organisation_id: UUID) -> Sequence[DefaultRow]:
    """List which account sends which type of message for which application, where one is set."""
    async with settings_transaction(context, organisation_id) as connection:
        return await queries_backends.select_defaults(connection, organisation_id)


async def list_projects(context: TenancyContext, organisation_id: UUID) -> Sequence[ProjectRow]:
    """List the applications that were not archived, the oldest first."""
    async with settings_transaction(context, organisation_id) as connection:
        return await queries_backends.select_projects(connection, organisation_id)


async def find_account(context: TenancyContext, organisation_id: UUID, identifier: str) -> UUID | None:
    """Find an account by its identifier."""
    async with settings_transaction(context, organisation_id) as connection:
        return await queries_backends.select_account_named(connection, organisation_id, identifier)


async def set_default_backend(
    context: TenancyContext,
    organisation_id: UUID,
    application_id: UUID,
    *,
    channel: Channel,
    account_id: UUID | None,
    by: Author | None = None,
) -> None:
    """Let an account send a type of message for an application that names none; None takes the default away."""
    async with settings_transaction(context, organisation_id) as connection:
        if await queries.select_application_config(connection, organisation_id, application_id) is None:
            raise missing_application(application_id)
        if account_id is None:
            await queries_backends.delete_default(connection, organisation_id, application_id, channel)
        else:
            account = await queries.select_account(connection, organisation_id, account_id)
            if account is None:
                raise NotFound("Account not found.", resource_type="Account", resource_id=str(account_id))
            if account.channel != channel:
                raise ValidationError(
                    f"The account sends {account.channel}, not {channel.value}.", path="accountId"
                )
            await queries_backends.put_default(
                connection, organisation_id, application_id, channel, account_id
            )
        await tell_change(connection, Changed.BACKENDS, application_id)
        payload = {"application_id": application_id, "channel": channel, "account_id": account_id}
        await append_audit(context, connection, organisation_id, "system.backend.updated", payload, by=by)


class BackendDirectory:
    """Finds projects and backends as messages name them; in memory, never older than the cache's limit."""

    def __init__(self, context: TenancyContext) -> None:
        self._context = context
        self._pool = context.database.system
        self._projects: LookupCache[tuple[UUID, Named], ProjectRow] = LookupCache(self._load_project)
        self._backends: LookupCache[tuple[UUID, UUID, str, Named | None], BackendRow] = LookupCache(
            self._load_backend
        )
        self._making: dict[tuple[UUID, UUID], asyncio.Lock] = {}

    async def project(self, organisation_id: UUID, named: Named) -> ProjectRow | None:
        """Find an application of an organisation by its slug or id."""
        return await self._projects.get((organisation_id, named))

    async def backend(self, actor: Actor, channel: Channel, named: Named | None) -> Backend | None:
        """Find an account by its identifier or id, or the default (None); makes the connection on first use."""
        key = (actor.organisation_id, actor.application_id, channel.value, named)
        found = await self._backends.get(key)
        for _ in range(_ATTEMPTS):
            if found is None or found.connection_id is not None:
                break
            await self._connect(actor, channel, found)
            found = await self._load_backend(key)
        if found is None or found.connection_id is None:
            return None
        return Backend(found.id, found.identifier, found.provider, found.connection_id)

    def forget(self, _changed_id: UUID) -> None:
        """Look everything up anew: any change of a connection or an application may matter."""
        self.clear()

    def clear(self) -> None:
        """Look everything up anew."""
        self._projects.clear()
        self._backends.clear()

    async def _connect(self, actor: Actor, channel: Channel, backend: BackendRow) -> None:
        """Make the project's connection, unless somebody else just did."""
        lock = self._making.setdefault((actor.application_id, backend.id), asyncio.Lock())
        async with lock:
            key = (actor.organisation_id, actor.application_id, channel.value, backend.id)
            again = await self._load_backend(key)
            if again is None or again.connection_id is not None:
                return
            owner = Actor(
                organisation_id=actor.organisation_id,
                application_id=actor.application_id,
                key_id=actor.key_id,
                scopes=frozenset({Scope.ALL.value}),
                environment=actor.environment,
                kind=actor.kind,
            )
            await self._create(owner, channel, backend)
        self._making.pop((actor.application_id, backend.id), None)
        self.clear()

    async def _create(self, owner: Actor, channel: Channel, backend: BackendRow) -> None:
        # another process may make the same: the account's identifier is the connection's, and unique
        try:
            await create_connection(
                self._context, owner, _new_connection(channel, backend, backend.identifier)
            )
        except ResourceExists:
            key = (owner.organisation_id, owner.application_id, channel.value, backend.id)
            again = await self._load_backend(key)
            if again is not None and again.connection_id is None:
                identifier = f"{backend.identifier[:80]}-{new_token(6).lower()}"
                await create_connection(self._context, owner, _new_connection(channel, backend, identifier))

    async def _load_project(self, key: tuple[UUID, Named]) -> ProjectRow | None:
        with faults_as_unavailable():
            return await queries_backends.select_project(self._pool, *key)

    async def _load_backend(self, key: tuple[UUID, UUID, str, Named | None]) -> BackendRow | None:
        with faults_as_unavailable():
            return await queries_backends.select_backend(self._pool, *key)


def _new_connection(channel: Channel, backend: BackendRow, identifier: str) -> NewConnection:
    return NewConnection(
        channel=channel, name=backend.identifier, identifier=identifier, account_id=backend.id
    )
