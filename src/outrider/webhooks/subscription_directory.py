"""Subscriptions as the dispatcher needs them: in memory, secrets opened, never older than the cache's limit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Database
from outrider.core.sealing import SealBroken, Sealer
from outrider.tenancy.caching import LookupCache
from outrider.webhooks.patterns import candidate_patterns, stored_patterns
from outrider.webhooks.queries import SubscriptionRow, select_subscription
from outrider.webhooks.subscriptions import secret_purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEntry:
    """A subscription that was not deleted; `secrets` sign its deliveries, the newest first.

    It stands in `application_id`: the application whose events it gets, or its organisation's hidden one.

    Without any it cannot be delivered to: its secret cannot be opened.
    """

    organisation_id: UUID
    application_id: UUID
    subscription_id: UUID
    target_url: str
    patterns: frozenset[str]
    family: str
    status: Literal["active", "paused", "disabled"]
    failing_since: datetime | None
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def is_active(self) -> bool:
        """Whether deliveries may go out."""
        return self.status == "active"

    def wants(self, event_type: str) -> bool:
        """Whether one of its patterns matches an event type."""
        return not self.patterns.isdisjoint(candidate_patterns(event_type))


class SubscriptionDirectory:
    """Finds subscriptions by their id."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._cache: LookupCache[tuple[UUID, UUID], SubscriptionEntry] = LookupCache(self._load)

    async def get(self, application_id: UUID, subscription_id: UUID) -> SubscriptionEntry | None:
        """Find a subscription to an application's events; None if it is missing, deleted or another application's."""
        return await self._cache.get((application_id, subscription_id))

    def forget(self, subscription_id: UUID) -> None:
        """Look a subscription up anew when it is used next."""
        self._cache.forget(lambda entry: entry.subscription_id == subscription_id)

    def clear(self) -> None:
        """Look every subscription up anew."""
        self._cache.clear()

    async def _load(self, key: tuple[UUID, UUID]) -> SubscriptionEntry | None:
        application_id, subscription_id = key
        with faults_as_unavailable():
            row = await select_subscription(self._database.system, application_id, subscription_id)
        return self._entry(row) if row else None

    def _entry(self, row: SubscriptionRow) -> SubscriptionEntry:
        return SubscriptionEntry(
            organisation_id=row.organisation_id,
            application_id=row.application_id,
            subscription_id=row.id,
            target_url=row.target_url,
            patterns=frozenset(stored_patterns(row.family, row.patterns)),
            family=row.family,
            status=cast('Literal["active", "paused", "disabled"]', row.status),
            failing_since=row.failing_since,
            secrets=self._secrets(row),
        )

    def _secrets(self, row: SubscriptionRow) -> tuple[str, ...]:
        purpose = secret_purpose(row.id)
        opened: list[str] = []
        for sealed in (row.sealed_secret, row.sealed_previous_secret):
            if sealed is None:
                continue
            try:
                opened.append(
                    self._sealer.unseal(sealed, tenant=row.organisation_id, purpose=purpose).decode()
                )
            except SealBroken as broken:
                log.error(
                    "subscription.unreadable", outcome="failed", subscription_id=row.id, reason=str(broken)
                )
                if sealed is row.sealed_secret:
                    # signed with the previous one alone, deliveries would look forged
                    return ()
        return tuple(opened)
