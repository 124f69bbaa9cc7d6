"""Members and their sessions as others see them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from outrider.core.errors import NotFound
from outrider.tenancy.members.queries import MemberRow
from outrider.tenancy.members.roles import Role

Status = Literal["active", "disabled", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who may administer an organisation."""

    id: UUID
    email: str
    name: str
    role: Role
    status: Status
    created_at: datetime
    last_signed_in_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What signing in gives. The refresh token is good once and cannot be read again."""

    access_token: str = field(repr=False)
    expires_at: datetime
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime
    member: Member


def member_of(row: MemberRow) -> Member:
    """Give a stored member without its password."""
    return Member(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        status=cast("Status", row.status),
        created_at=row.created_at,
        last_signed_in_at=row.last_signed_in_at,
    )


def missing_member(member_id: UUID) -> NotFound:
    """What a member that is missing or foreign answers."""
    return NotFound("Member not found.", resource_type="Member", resource_id=str(member_id))
