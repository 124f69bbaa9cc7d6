"""What members may do: one table from roles to permissions, and one to the scopes that they have in an application."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from outrider.tenancy.actors import Scope


class Role(StrEnum):
    """What a member is in its organisation."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class Permission(StrEnum):
    """What administration is divided into."""

    READ = "read"
    """Everything that is shown, secrets apart."""
    ORGANISATION = "organisation"
    """The organisation's own name."""
    OWNERS = "owners"
    """Making, changing and removing owners."""
    MEMBERS = "members"
    """Making, changing and removing everybody else."""
    APPLICATIONS = "applications"
    """Creating and archiving applications."""
    SETTINGS = "settings"
    """What an application sets."""
    KEYS = "keys"
    """API keys."""
    CONNECTIONS = "connections"
    """Accounts and connections."""
    TEMPLATES = "templates"
    """Templates, and the locals that they are rendered with."""
    SUPPRESSIONS = "suppressions"
    """To whom applications send nothing any more."""


PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.OWNER: frozenset(Permission),
        Role.ADMIN: frozenset(Permission) - {Permission.OWNERS},
        Role.DEVELOPER: frozenset(
            {
                Permission.READ,
                Permission.SETTINGS,
                Permission.KEYS,
                Permission.CONNECTIONS,
                Permission.TEMPLATES,
                Permission.SUPPRESSIONS,
            }
        ),
        Role.VIEWER: frozenset({Permission.READ}),
    }
)

SCOPES: Final[Mapping[Role, frozenset[str]]] = MappingProxyType(
    {
        Role.OWNER: frozenset({Scope.ALL}),
        Role.ADMIN: frozenset({Scope.ALL}),
        # a developer may make a key that may do everything
        Role.DEVELOPER: frozenset({Scope.ALL}),
        Role.VIEWER: frozenset({Scope.EVENTS_READ, Scope.USERS_READ, Scope.LOGS_READ}),
    }
)
