"""What tests about tenants share: a context on a real database, and organisations made through it."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import open_database
from outrider.core.ids import IdClock
from outrider.core.outgoing import OutgoingHttp
from outrider.core.sealing import Sealer
from outrider.platforms.registry import Registry
from outrider.platforms.sandbox.adapter import SandboxAdapter
from outrider.platforms.telegram.adapter import TelegramAdapter
from outrider.tenancy.actors import Actor, Environment, Scope
from outrider.tenancy.applications import create_application
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.organisations import create_organisation


@dataclass(frozen=True)
class Tenant:
    """An organisation with one application, and somebody who may do everything there."""

    organisation_id: UUID
    hidden_application_id: UUID
    application_id: UUID
    actor: Actor


@asynccontextmanager
async def open_tenancy(dsn: str) -> AsyncGenerator[TenancyContext]:
    """Open a context on a migrated database."""
    http = OutgoingHttp(allow_private_targets=True)
    database = await open_database(dsn)
    registry = Registry.of([SandboxAdapter(http, _drop_webhook), TelegramAdapter(http)])
    yield TenancyContext(
        database=database,
        sealer=Sealer(os.urandom(32)),
        registry=registry,
        ids=IdClock(),
        public_url="https://outrider.test",
    )
    await database.close()
    await registry.close()
    await http.close()


async def new_tenant(context: TenancyContext) -> Tenant:
    """Create an organisation and an application of it."""
    organisation = await create_organisation(context, "Lighthouse")
    application = await create_application(context, organisation.id, "Ferry desk")
    return Tenant(
        organisation_id=organisation.id,
        hidden_application_id=organisation.hidden_application_id,
        application_id=application.id,
        actor=actor_of(context, organisation.id, application.id),
    )


def actor_of(
    context: TenancyContext,
    organisation_id: UUID,
    application_id: UUID,
    *,
    scopes: frozenset[str] = frozenset({Scope.ALL}),
    environment: Environment = Environment.LIVE,
) -> Actor:
    """An actor that holds no real key."""
    return Actor(
        organisation_id=organisation_id,
        application_id=application_id,
        key_id=context.ids.new(),
        scopes=scopes,
        environment=environment,
    )


async def _drop_webhook(*_webhook: object) -> None:
    pass
