"""Who acts: an authenticated caller and what it may do. Every operation takes one after its context."""

from dataclasses import dataclass
from enum import StrEnum
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


@dataclass(frozen=True, slots=True)
class Actor:
    """An API key at work in its application; `tier` is its organisation's rate limit."""

    organisation_id: UUID
    application_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    environment: Environment
    tier: str = "unlimited"

    def require(self, scope: Scope) -> None:
        """Raise `Forbidden` unless the key has the scope."""
        if scope not in self.scopes and Scope.ALL not in self.scopes:
            raise Forbidden(f"The API key lacks the scope {scope.value}.", required_scope=scope.value)
