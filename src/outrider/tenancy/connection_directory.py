"""Connections as the hot path needs them: in memory, secrets opened, never older than the cache's limit."""

from dataclasses import dataclass, field
from typing import Literal, cast
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Database
from outrider.core.sealing import SealBroken, Sealer
from outrider.platforms.base import Channel, ConnectionContext, JsonObject, Manifest
from outrider.platforms.registry import Registry
from outrider.tenancy.accounts import open_config
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.callback_addresses import CallbackAddresses
from outrider.tenancy.cross_tenant import ConnectionRow, select_connection, select_webhook


@dataclass(frozen=True, slots=True)
class SystemUser:
    """In whose name a connection sends, and to whom people write."""

    platform_user_id: UUID
    user_id: UUID
    external_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionEntry:
    """A connection that was not deleted; `context` is what its adapter is called with.

    Not `is_readable`: its credentials cannot be opened, and it must not be used before they can.
    """

    organisation_id: UUID
    application_id: UUID
    connection_id: UUID
    account_id: UUID
    identifier: str
    name: str
    channel: Channel
    provider: str
    status: Literal["active", "disabled"]
    in_doubt_policy: Literal["retry", "hold"]
    system_user: SystemUser
    context: ConnectionContext = field(repr=False)
    identity_key: bytes = field(repr=False)
    is_readable: bool = True

    @property
    def is_active(self) -> bool:
        """Whether messages may pass."""
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class WebhookEntry:
    """An account's webhook address; `connection` is its oldest active one, None if there is none.

    Of the secrets one was told to its owner, the others go out with messages (callback_addresses.py).
    """

    account_id: UUID
    secret_hash: bytes = field(repr=False)
    connection: ConnectionEntry | None
    callback_hashes: tuple[bytes, ...] = field(default=(), repr=False)


class ConnectionDirectory:
    """Finds connections by their id and by the webhook address of their account."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        registry: Registry,
        callbacks: CallbackAddresses | None = None,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._registry = registry
        self._callbacks = callbacks
        self._connections: LookupCache[tuple[UUID, UUID], ConnectionEntry] = LookupCache(self._load)
        self._webhooks: LookupCache[UUID, WebhookEntry] = LookupCache(self._load_webhook)

    async def get(self, application_id: UUID, connection_id: UUID) -> ConnectionEntry | None:
        """Find a connection of an application; None if it is missing, deleted or another application's."""
        return await self._connections.get((application_id, connection_id))

    async def by_webhook(self, webhook_id: UUID) -> WebhookEntry | None:
        """Find the account that a webhook address belongs to; its secret is yet to be compared."""
        return await self._webhooks.get(webhook_id)

    def forget(self, connection_id: UUID) -> None:
        """Look a connection up anew when it is used next."""
        self._connections.forget(lambda entry: entry.connection_id == connection_id)
        # Any connection may have become the one that an account's webhook leads to.
        self._webhooks.clear()

    def clear(self) -> None:
        """Look every connection up anew."""
        self._connections.clear()
        self._webhooks.clear()

    async def _load(self, key: tuple[UUID, UUID]) -> ConnectionEntry | None:
        with faults_as_unavailable():
            row = await select_connection(self._database.system, *key)
        return self._entry(row) if row else None

    async def _load_webhook(self, webhook_id: UUID) -> WebhookEntry | None:
        with faults_as_unavailable():
            row = await select_webhook(self._database.system, webhook_id)
        if row is None:
            return None
        connection = self._entry(row.connection) if row.connection else None
        hashes = self._callbacks.secret_hashes(webhook_id) if self._callbacks else ()
        return WebhookEntry(row.account_id, row.secret_hash, connection, hashes)

    def _entry(self, row: ConnectionRow) -> ConnectionEntry | None:
        adapter = self._registry.get(row.provider)
        if adapter is None:
            # Stored by a release that had this provider: nothing can be sent, so it is not there.
            return None
        config = self._config(row, adapter.manifest)
        channel = Channel(row.channel)
        return ConnectionEntry(
            organisation_id=row.organisation_id,
            application_id=row.application_id,
            connection_id=row.id,
            account_id=row.account_id,
            identifier=row.identifier,
            name=row.name,
            channel=channel,
            provider=row.provider,
            status=cast('Literal["active", "disabled"]', row.status),
            in_doubt_policy=cast('Literal["retry", "hold"]', row.in_doubt_policy),
            system_user=SystemUser(
                row.system_platform_user_id, row.system_user_id, row.system_external_id, row.system_name
            ),
            context=ConnectionContext(
                row.application_id,
                row.id,
                channel,
                config or {},
                self._callbacks.url(row.webhook_id) if self._callbacks else "",
            ),
            identity_key=self._sealer.identity_key(row.organisation_id),
            is_readable=config is not None,
        )

    def _config(self, row: ConnectionRow, manifest: Manifest) -> JsonObject | None:
        try:
            return open_config(
                self._sealer,
                manifest,
                organisation_id=row.organisation_id,
                account_id=row.account_id,
                shown=row.config,
                sealed=row.sealed_config,
            )
        except SealBroken as broken:
            log.error("connection.unreadable", outcome="failed", connection_id=row.id, reason=str(broken))
            return None
