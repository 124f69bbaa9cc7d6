"""Merging: two users turn out to be one person. What was said stays as it was; who said it is one user now."""

from typing import Final
from uuid import UUID

from outrider.core.database.pools import Connection
from outrider.core.errors import ValidationError
from outrider.events.values import Append, NewEvent
from outrider.identity import facts, queries
from outrider.identity.committing import Change, IdentityContext, commit
from outrider.identity.users import require_person
from outrider.identity.values import Merge
from outrider.tenancy.actors import Actor, Scope

MERGED: Final = "user.merged"


async def merge_users(
    context: IdentityContext, actor: Actor, source_user_id: UUID, target_user_id: UUID
) -> Merge:
    """Give all platform users of the source to the target, which keeps its name; the source is absorbed.

    Users that are one already stay as they are, so a repeat changes nothing.
    """
    actor.require(Scope.USERS_WRITE)
    if source_user_id == target_user_id:
        raise ValidationError("A user cannot be merged into itself.", path="targetUserId")

    async def work(connection: Connection) -> Change[Merge]:
        application_id = actor.application_id
        source = await require_person(connection, application_id, source_user_id, path="sourceUserId")
        target = await require_person(connection, application_id, target_user_id, path="targetUserId")
        if source.id == target.id:
            return Change(Merge(target.id, source_user_id, None, ()))
        event_id = context.ids.new()
        event, moved = await absorb(connection, application_id, source.id, target.id, event_id)
        item = Append(application_id=application_id, event_id=event_id, events=(event,))
        return Change(Merge(target.id, source.id, event_id, moved), item)

    return (await commit(context, actor.application_id, {MERGED}, work)).result


async def absorb(
    connection: Connection,
    application_id: UUID,
    source: UUID,
    target: UUID,
    event_id: UUID,
    *,
    origin: UUID | None = None,
) -> tuple[NewEvent, tuple[UUID, ...]]:
    """Let one user absorb another in this transaction; returns `user.merged` and the platform users moved."""
    moved = await queries.move_platform_users(connection, application_id, source, target)
    await queries.absorb_user(connection, application_id, source, target, event_id)
    payload = {"source_user_id": source, "target_user_id": target, "merged_platform_users": moved}
    return facts.event(application_id, event_id, MERGED, payload, origin=origin), moved
