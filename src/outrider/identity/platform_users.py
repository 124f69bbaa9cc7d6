"""Platform users by hand: the same ids as if the person had written first."""

from dataclasses import replace
from typing import Final, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import UNSET

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.core.ids import time_of
from outrider.core.storable import storable_text
from outrider.events.bodies import EdgeView
from outrider.events.values import Append
from outrider.identity import facts, queries
from outrider.identity.committing import Change, IdentityContext, commit
from outrider.identity.users import require_person
from outrider.identity.values import NewPlatformUser, PlatformUser, PlatformUserChanges
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.tenancy.derived_ids import platform_user_id, user_id
from outrider.tenancy.naming import checked_name

CREATED: Final = "system.platform_user.created"
UPDATED: Final = "system.platform_user.updated"
_LONGEST_URL: Final = 2_000


async def create_platform_user(context: IdentityContext, actor: Actor, new: NewPlatformUser) -> PlatformUser:
    """Create a user's face on a connection, and the user unless it names one.

    Raises `ResourceExists` where the connection knows the external id already.
    """
    actor.require(Scope.USERS_WRITE)
    name = None if new.name is None else checked_name(new.name)
    picture = None if new.profile_picture_url is None else _checked_url(new.profile_picture_url)
    entry = await context.connections.get(actor.application_id, new.connection_id)
    if entry is None:
        raise NotFound(
            "Platform connection not found.",
            resource_type="PlatformConnection",
            resource_id=str(new.connection_id),
        )
    external_id = _normalised(context, entry, new.external_id)
    person_id = platform_user_id(entry.identity_key, entry.connection_id, external_id)
    own_user_id = user_id(entry.identity_key, entry.connection_id, external_id)

    async def work(connection: Connection) -> Change[PlatformUser]:
        event_id = context.ids.new()
        at = time_of(event_id)
        if new.user_id is None:
            owner_id = own_user_id
            await queries.insert_own_user(connection, actor.application_id, own_user_id, name, at)
        else:
            owner = await require_person(connection, actor.application_id, new.user_id, path="userId")
            owner_id = owner.id
            await queries.insert_absorbed_user(
                connection, actor.application_id, own_user_id, created_at=at, into=owner_id, by_event=event_id
            )
        person = PlatformUser(person_id, owner_id, entry.connection_id, external_id, name, picture, at)
        if not await queries.insert_platform_user(connection, actor.application_id, person):
            raise ResourceExists(
                "The connection has a platform user with this external id.",
                external_id=external_id,
                platform_connection_id=str(entry.connection_id),
            )
        return Change(person, _told(context, actor, event_id, CREATED, person))

    return (await commit(context, actor.application_id, {CREATED}, work)).result


async def update_platform_user(
    context: IdentityContext, actor: Actor, person_id: UUID, changes: PlatformUserChanges
) -> PlatformUser:
    """Give a platform user another name or picture, or none; what it is on its platform stays."""
    actor.require(Scope.USERS_WRITE)
    name, picture = changes.name, changes.profile_picture_url
    if isinstance(name, str):
        name = checked_name(name)
    if isinstance(picture, str):
        picture = _checked_url(picture)

    async def work(connection: Connection) -> Change[PlatformUser]:
        person = await queries.lock_platform_user(connection, actor.application_id, person_id)
        if person is None:
            refuse_missing_person(person_id)
        await require_person(connection, actor.application_id, person.user_id, path="id")
        updated = replace(
            person,
            name=person.name if name is UNSET else name,
            profile_picture_url=person.profile_picture_url if picture is UNSET else picture,
        )
        if updated == person:
            return Change(person)
        await queries.update_platform_user(connection, actor.application_id, updated)
        return Change(updated, _told(context, actor, context.ids.new(), UPDATED, updated))

    return (await commit(context, actor.application_id, {UPDATED}, work)).result


async def get_platform_user(context: IdentityContext, actor: Actor, person_id: UUID) -> PlatformUser:
    """Read a platform user."""
    actor.require(Scope.USERS_READ)
    with faults_as_unavailable():
        person = await queries.select_platform_user(context.pool, actor.application_id, person_id)
    return person or refuse_missing_person(person_id)


def refuse_missing_person(person_id: UUID) -> NoReturn:
    """Raise `NotFound`, for a foreign platform user as for a missing one."""
    raise NotFound("Platform user not found.", resource_type="PlatformUser", resource_id=str(person_id))


def _normalised(context: IdentityContext, entry: ConnectionEntry, address: str) -> str:
    storable_text(address, name="externalId")
    adapter = context.registry.get(entry.provider)
    assert adapter is not None, "the directory knows only connections of known providers"
    external_id = adapter.normalise_address(address)
    if external_id is None:
        raise ValidationError(
            f"{address[:80]!r} is not an address on {entry.channel.value}.", path="externalId"
        )
    return external_id


def _checked_url(url: str) -> str:
    path = "profilePictureUrl"
    storable_text(url, name=path)
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if (
        len(url) > _LONGEST_URL
        or parts is None
        or parts.scheme not in {"http", "https"}
        or not parts.hostname
    ):
        raise ValidationError(
            f"{path} must be an http or https address of at most {_LONGEST_URL} characters.", path=path
        )
    return url


def _told(
    context: IdentityContext, actor: Actor, event_id: UUID, event_type: str, person: PlatformUser
) -> Append:
    payload = {
        "platform_user_id": person.id,
        "user_id": person.user_id,
        "platform_connection_id": person.connection_id,
        "external_id": person.external_id,
        "name": person.name,
        "profile_picture_url": person.profile_picture_url,
        "by": actor.told_as,
    }
    edges = [facts.edge_to("platform_user", person), EdgeView("user", "user", person.user_id)]
    return facts.single(context.ids, actor.application_id, event_id, event_type, payload, edges=edges)
