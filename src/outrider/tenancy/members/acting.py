"""A member who signed in: who it is for administration, and the actor that it is in an application."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from outrider.core.errors import Forbidden
from outrider.tenancy import queries
from outrider.tenancy.actors import Actor, ActorKind, Environment
from outrider.tenancy.applications import missing_application
from outrider.tenancy.context import TenancyContext, settings_transaction
from outrider.tenancy.members.roles import PERMISSIONS, SCOPES, Permission, Role


@dataclass(frozen=True, slots=True)
class Signature:
    """A member as the author of what it does before it is signed in: signing in."""

    member_id: UUID

    @property
    def told_as(self) -> Mapping[str, object]:
        """The `by` of an event."""
        return {"type": ActorKind.MEMBER.value, "id": str(self.member_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingMember:
    """A member at work, by one of its sessions; `tier` is its organisation's rate limit."""

    organisation_id: UUID
    hidden_application_id: UUID
    """Whose log holds what was done in the organisation."""
    id: UUID
    session_id: UUID
    role: Role
    tier: str

    @property
    def told_as(self) -> Mapping[str, object]:
        """The `by` of an event."""
        return Signature(self.id).told_as

    @property
    def counted_as(self) -> UUID:
        """What its requests are counted under."""
        return self.id

    @property
    def environment(self) -> Environment:
        """Members reach everything."""
        return Environment.LIVE

    def require(self, permission: Permission) -> None:
        """Raise `Forbidden` unless the member's role has the permission."""
        if permission not in PERMISSIONS[self.role]:
            raise Forbidden(
                f"The role {self.role.value} may not do this: it needs the permission {permission.value}.",
                required_permission=permission.value,
            )

    def in_application(self, application_id: UUID) -> Actor:
        """Who the member is in an application of its organisation, which is the caller's to know."""
        return Actor(
            organisation_id=self.organisation_id,
            application_id=application_id,
            key_id=self.id,
            scopes=SCOPES[self.role],
            environment=self.environment,
            tier=self.tier,
            kind=ActorKind.MEMBER,
        )


async def actor_in(context: TenancyContext, member: ActingMember, application_id: UUID) -> Actor:
    """Give the actor that a member is in an application; a foreign one is `NotFound` like a missing one."""
    async with settings_transaction(context, member.organisation_id) as connection:
        row = await queries.select_application_config(connection, member.organisation_id, application_id)
    if row is None:
        raise missing_application(application_id)
    return member.in_application(application_id)
