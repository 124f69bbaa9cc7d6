"""Who acts: an authenticated caller and what it may do. Every operation takes one after its context."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from outrider.core.errors import Forbidden


class Scope(StrEnum):
    """What an API key allows; `*` allows everything."""

    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    LOGS_WRITE = "logs:write"
    LOGS_READ = "logs:read"
    ALL = "*"


class Environment(StrEnum):
    """A test key only ever reaches the sandbox."""

    LIVE = "live"
    TEST = "test"


class ActorKind(StrEnum):
    """By what an actor was recognised."""

    API_KEY = "api_key"
    MEMBER = "member"
    SYSTEM = "system"
    """None of them: the server itself, at work that somebody approved."""


class Author(Protocol):
    """Whoever did something, as its event tells it."""

    @property
    def told_as(self) -> Mapping[str, object]:
        """The `by` of an event."""
        ...


class Configuring(Protocol):
    """Whoever sets up what belongs to an organisation."""

    @property
    def organisation_id(self) -> UUID:
        """Whose settings they are."""
        ...

    @property
    def environment(self) -> Environment:
        """What may be reached."""
        ...


class Counted(Protocol):
    """Whoever's requests are counted."""

    @property
    def tier(self) -> str:
        """The limit."""
        ...

    @property
    def counted_as(self) -> UUID:
        """What they are counted under."""
        ...


@dataclass(frozen=True, slots=True)
class Actor:
    """An API key, or a member, at work in an application; `tier` is its organisation's rate limit.

    `key_id` names the credentials: the key's id, or the member's, or of the server itself whatever it works on.
    """

    organisation_id: UUID
    application_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    environment: Environment
    tier: str = "unlimited"
    kind: ActorKind = ActorKind.API_KEY

    @property
    def is_member(self) -> bool:
        """Whether it is a member, not a key."""
        return self.kind is ActorKind.MEMBER

    @property
    def told_as(self) -> Mapping[str, object]:
        """The `by` of an event."""
        if self.kind is ActorKind.SYSTEM:
            return {"type": self.kind.value}
        return {"type": self.kind.value, "id": str(self.key_id)}

    @property
    def counted_as(self) -> UUID:
        """What its requests are counted under."""
        return self.key_id

    def require(self, scope: Scope) -> None:
        """Raise `Forbidden` unless the actor has the scope."""
        if scope not in self.scopes and Scope.ALL not in self.scopes:
            who = "The member's role" if self.is_member else "The API key"
            raise Forbidden(f"{who} lacks the scope {scope.value}.", required_scope=scope.value)
