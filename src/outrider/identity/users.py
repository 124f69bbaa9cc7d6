"""Users: created and named by hand here, else made with their first platform user by the append."""

from typing import NoReturn
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import time_of
from outrider.events.bodies import EdgeView
from outrider.events.values import Append
from outrider.identity import facts, queries
from outrider.identity.committing import Change, IdentityContext, commit
from outrider.identity.values import User
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.naming import checked_name

CREATED = "system.user.created"
UPDATED = "system.user.updated"


async def create_user(context: IdentityContext, actor: Actor, *, name: str | None = None) -> User:
    """Create a user who has no platform users yet."""
    actor.require(Scope.USERS_WRITE)
    name = None if name is None else checked_name(name)

    async def work(connection: Connection) -> Change[User]:
        event_id, user_id = context.ids.new(), context.ids.new()
        user = User(user_id, name, is_system=False, created_at=time_of(event_id))
        await queries.insert_user(connection, actor.application_id, user_id, name, user.created_at)
        return Change(user, _told(context, actor, event_id, CREATED, user))

    return (await commit(context, actor.application_id, {CREATED}, work)).result


async def update_user(context: IdentityContext, actor: Actor, user_id: UUID, *, name: str | None) -> User:
    """Give a user another name, or none; an absorbed user's id means the one that was kept."""
    actor.require(Scope.USERS_WRITE)
    name = None if name is None else checked_name(name)

    async def work(connection: Connection) -> Change[User]:
        user = await require_person(connection, actor.application_id, user_id, path="id")
        if user.name == name:
            return Change(user)
        updated = User(user.id, name, user.is_system, user.created_at)
        await queries.update_user_name(connection, actor.application_id, user.id, name)
        return Change(updated, _told(context, actor, context.ids.new(), UPDATED, updated))

    return (await commit(context, actor.application_id, {UPDATED}, work)).result


async def get_user(context: IdentityContext, actor: Actor, user_id: UUID) -> User:
    """Read a user; an absorbed user's id leads to the one that was kept."""
    actor.require(Scope.USERS_READ)
    with faults_as_unavailable():
        user = await queries.select_user(context.pool, actor.application_id, user_id)
    return user or refuse_missing_user(user_id)


async def require_person(connection: Connection, application_id: UUID, user_id: UUID, *, path: str) -> User:
    """Find a user who may be changed: not the system user of a connection."""
    user = await queries.select_user(connection, application_id, user_id) or refuse_missing_user(user_id)
    if user.is_system:
        raise ValidationError("This is the system user of a connection; it cannot be changed.", path=path)
    return user


def refuse_missing_user(user_id: UUID) -> NoReturn:
    """Raise `NotFound`, for a foreign user as for a missing one."""
    raise NotFound("User not found.", resource_type="User", resource_id=str(user_id))


def _told(context: IdentityContext, actor: Actor, event_id: UUID, event_type: str, user: User) -> Append:
    payload = {"user_id": user.id, "name": user.name, "by": actor.told_as}
    edges = [EdgeView("user", "user", user.id)]
    return facts.single(context.ids, actor.application_id, event_id, event_type, payload, edges=edges)
