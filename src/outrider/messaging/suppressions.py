"""To whom an application sends nothing any more, by mail and SMS: looked at before a message is accepted.

The list is a projection of the log (`0025_suppressions.sql`): what came back for good, complaints and unsubscribes put
addresses there by themselves, in the commit of their event. What is added or taken away by hand is an event, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import IdClock, time_of
from outrider.core.storable import storable_text
from outrider.events.appending import Appender
from outrider.events.bodies import fragment
from outrider.events.values import Append, NewEvent
from outrider.messaging import queries_suppressions as queries
from outrider.messaging.suppression_lookup import SUPPRESSED_CHANNELS
from outrider.platforms.base import Channel
from outrider.platforms.registry import Registry
from outrider.tenancy.actors import Actor, Scope

ADDED: Final = "system.suppression.added"
REMOVED: Final = "system.suppression.removed"
AUDITED: Final = {ADDED: "system.suppression_list.added", REMOVED: "system.suppression_list.removed"}
_SANDBOX: Final = "sandbox"
_LONGEST_NOTE: Final = 1_000


@dataclass(frozen=True, slots=True)
class SuppressionContext:
    """What the list needs of the process."""

    appender: Appender
    registry: Registry
    ids: IdClock
    pool: Pool


async def add_suppression(
    context: SuppressionContext,
    actor: Actor,
    channel: Channel,
    address: str,
    note: str | None = None,
    *,
    audited_in: UUID | None = None,
) -> UUID:
    """Send nothing to an address any more; one that is on the list already stays as it is.

    `audited_in`: the application whose log is to tell of it as well, in the same commit.
    """
    actor.require(Scope.EVENTS_WRITE)
    canonical = canonical_address(context.registry, channel, address)
    if note is not None:
        storable_text(note, name="note")
        if len(note) > _LONGEST_NOTE:
            raise ValidationError(f"note may have at most {_LONGEST_NOTE} characters.", path="note")
    with faults_as_unavailable():
        found = await queries.select_suppression(context.pool, actor.application_id, channel.value, canonical)
    if found is not None:
        return found.id
    told = {"channel": channel.value, "address": canonical, "reason": "manual", "note": note}
    return await _append(context, actor, ADDED, told, audited_in)


async def remove_suppression(
    context: SuppressionContext, actor: Actor, suppression_id: UUID, *, audited_in: UUID | None = None
) -> UUID:
    """Take an address off the list; returns the id of the event that says so."""
    actor.require(Scope.ALL)
    with faults_as_unavailable():
        found = await queries.select_suppression_by_id(context.pool, actor.application_id, suppression_id)
    if found is None:
        raise NotFound("Suppression not found.", resource_type="Suppression", resource_id=str(suppression_id))
    told = {
        "channel": found.channel,
        "address": found.address,
        "reason": found.reason,
        "suppression_id": str(found.id),
    }
    return await _append(context, actor, REMOVED, told, audited_in)


async def _append(
    context: SuppressionContext,
    actor: Actor,
    event_type: str,
    told: Mapping[str, object],
    audited_in: UUID | None,
) -> UUID:
    event_id = context.ids.new()
    payload = orjson.dumps({**told, "by": dict(actor.told_as)}).decode()
    shared = fragment(
        application_id=actor.application_id,
        event_id=event_id,
        event_type=event_type,
        payload=payload,
        edges=(),
        created_at=time_of(event_id),
    )
    events = [NewEvent(actor.application_id, event_id, event_type, payload, fragment=shared)]
    if audited_in is not None:
        # of another type, for it must suppress nobody there
        audit = {"application_id": str(actor.application_id), "event_id": str(event_id), **told}
        text = orjson.dumps({**audit, "by": dict(actor.told_as)}).decode()
        events.append(NewEvent(audited_in, context.ids.new(), AUDITED[event_type], text))
    await context.appender.append(
        Append(application_id=actor.application_id, event_id=event_id, events=events)
    )
    return event_id


def canonical_address(registry: Registry, channel: Channel, address: str) -> str:
    """The address as messages to it would have it."""
    if channel not in SUPPRESSED_CHANNELS:
        raise ValidationError("Only addresses on EMAIL and SMS can be suppressed.", path="channel")
    storable_text(address, name="address")
    names = registry.serving(channel)
    name = next((one for one in names if one != _SANDBOX), _SANDBOX)
    adapter = registry.get(name)
    canonical = adapter.normalise_address(address) if adapter is not None else None
    if canonical is None:
        raise ValidationError(f"{address[:80]!r} is not an address on {channel.value}.", path="address")
    return canonical
