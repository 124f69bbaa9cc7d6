"""What operations on identities take and answer."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec import UNSET, UnsetType


@dataclass(frozen=True, slots=True)
class User:
    """A person, or the system user of a connection."""

    id: UUID
    name: str | None
    is_system: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PlatformUser:
    """A user's face on one connection."""

    id: UUID
    user_id: UUID
    connection_id: UUID
    external_id: str
    name: str | None
    profile_picture_url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlatformUser:
    """A platform user to create; without `user_id` a user is created with it."""

    connection_id: UUID
    external_id: str
    user_id: UUID | None = None
    name: str | None = None
    profile_picture_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformUserChanges:
    """What to change of a platform user: what is not set stays, None removes."""

    name: str | UnsetType | None = UNSET
    profile_picture_url: str | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class Merge:
    """Two users are one. `event_id` None: they were before, and nothing changed."""

    user_id: UUID
    source_user_id: UUID
    event_id: UUID | None
    merged_platform_user_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class LinkCode:
    """A new code; whoever sends it from another connection is the same person."""

    code: str
    expires_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class Activation:
    """A code was redeemed: the owner's user was kept, the redeemer's absorbed."""

    event_id: UUID
    merge_event_id: UUID
    link_code_event_id: UUID
    source_platform_user_id: UUID
    target_platform_user_id: UUID
    user_id: UUID
    absorbed_user_id: UUID
    merged_platform_user_ids: tuple[UUID, ...]
