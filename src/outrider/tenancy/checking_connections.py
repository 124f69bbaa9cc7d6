"""Whether a connection would do: its adapter asks the vendor, and what it says is kept as the connection's health."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from outrider.core import log
from outrider.platforms.base import Adapter, Healthy, Unhealthy
from outrider.tenancy import queries_connections as queries
from outrider.tenancy.accounts import require_reachable
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.connection_directory import ConnectionDirectory, ConnectionEntry
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.managing_connections import Health, missing_connection

# A caller waits for it, so it ends sooner than an attempt to send.
_PATIENCE_SECONDS = 15.0
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class CheckingContext:
    """What checking needs of the process."""

    tenancy: TenancyContext
    connections: ConnectionDirectory


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """What the vendor said just now."""

    is_healthy: bool
    message: str
    health: Health


async def check_connection(context: CheckingContext, actor: Actor, connection_id: UUID) -> ConnectionCheck:
    """Ask the vendor, and keep the answer; sends nothing to anybody."""
    actor.require(Scope.ALL)
    entry = await context.connections.get(actor.application_id, connection_id)
    if entry is None:
        raise missing_connection(connection_id)
    require_reachable(actor, entry.provider)
    adapter = context.tenancy.registry.get(entry.provider)
    assert adapter is not None, "the directory knows only connections of known providers"
    found = await _asked(adapter, entry)
    message = found.detail[:_LONGEST_MESSAGE].replace("\0", "\ufffd")
    health = await _kept(context.tenancy, actor, connection_id, found, message)
    return ConnectionCheck(isinstance(found, Healthy), message, health)


async def _asked(adapter: Adapter, entry: ConnectionEntry) -> Healthy | Unhealthy:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await adapter.check(entry.context)
    except TimeoutError:
        return Unhealthy("The provider did not answer in time.")
    except Exception as error:  # noqa: BLE001 -- a bug of an adapter: nothing can be said for the connection
        log.exception("connection.check_broken", error, provider=entry.provider)
        return Unhealthy(f"The provider's adapter failed ({type(error).__name__}).")


async def _kept(
    context: TenancyContext, actor: Actor, connection_id: UUID, found: Healthy | Unhealthy, message: str
) -> Health:
    status = "healthy" if isinstance(found, Healthy) else "unhealthy"
    async with settings_transaction(context, actor.organisation_id) as connection:
        checked_at = await queries.update_health(
            connection,
            actor.organisation_id,
            actor.application_id,
            connection_id,
            status=status,
            message=message,
        )
        if checked_at is None:
            raise missing_connection(connection_id)
        payload = {
            "connection_id": connection_id,
            "application_id": actor.application_id,
            "health": status,
        }
        await append_audit(
            context, connection, actor.organisation_id, "system.connection.checked", payload, by=actor
        )
    return Health(status, message, checked_at)
