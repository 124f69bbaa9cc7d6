"""Members made, listed, changed and removed: by other members as their roles allow, or by the operator (`by=None`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ResourceExists, ValidationError
from outrider.core.passwords import checked_password
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.members import queries
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.context import AccessContext
from outrider.tenancy.members.emails import checked_email
from outrider.tenancy.members.errors import LastOwner
from outrider.tenancy.members.networks import forget_networks
from outrider.tenancy.members.roles import Permission, Role
from outrider.tenancy.members.values import Member, member_of, missing_member
from outrider.tenancy.naming import checked_name

_STATUSES = ("active", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMember:
    """A member to create."""

    email: str
    name: str
    role: Role
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanges:
    """What to change; None leaves it."""

    name: str | None = None
    role: Role | None = None
    status: str | None = None


async def create_member(context: AccessContext, organisation_id: UUID, new: NewMember) -> Member:
    """Create a member with a password; the operator's way, who sees nobody's mail."""
    email, name = checked_email(new.email), checked_name(new.name)
    password_hash = await context.passwords.hash(checked_password(new.password))
    tenancy, member_id = context.tenancy, context.tenancy.ids.new()
    try:
        async with settings_transaction(tenancy, organisation_id) as connection:
            await queries.insert_member(
                connection,
                organisation_id,
                member_id,
                email=email,
                name=name,
                password_hash=password_hash,
                role=new.role,
            )
            row = await queries.select_member(connection, organisation_id, member_id)
            payload = {"member_id": member_id, "email": email, "name": name, "role": new.role}
            await append_audit(
                tenancy, connection, organisation_id, "system.member.created", payload, by=None
            )
    except asyncpg.UniqueViolationError:
        raise email_taken() from None
    except asyncpg.ForeignKeyViolationError:
        raise NotFound(resource_type="Organisation", resource_id=str(organisation_id)) from None
    assert row is not None, "it was just inserted"
    return member_of(row)


async def list_members(
    context: TenancyContext, organisation_id: UUID, *, by: ActingMember | None
) -> Sequence[Member]:
    """List an organisation's members, removed ones too, the oldest first."""
    _require(by, Permission.READ)
    async with settings_transaction(context, organisation_id) as connection:
        rows = await queries.select_members(connection, organisation_id)
    return [member_of(row) for row in rows]


async def find_member(context: TenancyContext, organisation_id: UUID, email: str) -> Member | None:
    """Find a member by its address."""
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries.select_by_email(connection, organisation_id, checked_email(email))
    return member_of(row) if row else None


async def update_member(
    context: TenancyContext,
    organisation_id: UUID,
    member_id: UUID,
    changes: MemberChanges,
    *,
    by: ActingMember | None,
) -> Member:
    """Change a member; it holds in every process, also for tokens that were issued before."""
    _require(by, Permission.MEMBERS)
    name = None if changes.name is None else checked_name(changes.name)
    if changes.status not in {None, *_STATUSES}:
        raise ValidationError("status must be active or disabled.", path="status")
    async with settings_transaction(context, organisation_id) as connection:
        row = await _locked(connection, organisation_id, member_id, by)
        if changes.role is Role.OWNER:
            _require(by, Permission.OWNERS)
        role, status = changes.role or Role(row.role), changes.status or row.status
        after = await _store(
            connection, organisation_id, row, name=name or row.name, role=role, status=status
        )
        payload = {"member_id": member_id, "name": after.name, "role": role, "status": status}
        await append_audit(context, connection, organisation_id, "system.member.updated", payload, by=by)
    return member_of(after)


async def remove_member(
    context: TenancyContext, organisation_id: UUID, member_id: UUID, *, by: ActingMember | None
) -> Member:
    """Remove a member: it is refused from now on, and its address is free; what it did still names it."""
    _require(by, Permission.MEMBERS)
    async with settings_transaction(context, organisation_id) as connection:
        row = await _locked(connection, organisation_id, member_id, by)
        after = await _store(
            connection, organisation_id, row, name=row.name, role=Role(row.role), status="removed"
        )
        await forget_networks(connection, organisation_id, member_id)
        payload = {"member_id": member_id, "email": row.email, "role": row.role}
        await append_audit(context, connection, organisation_id, "system.member.removed", payload, by=by)
    return member_of(after)


async def reset_password(
    context: AccessContext, organisation_id: UUID, member_id: UUID, password: str
) -> None:
    """Give a member another password, end its sessions and know none of its networks; the operator's way."""
    password_hash = await context.passwords.hash(checked_password(password))
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        row = await _locked(connection, organisation_id, member_id, None)
        await queries.update_password(connection, organisation_id, member_id, password_hash)
        await queries.end_sessions(connection, organisation_id, member_id)
        await forget_networks(connection, organisation_id, member_id)
        await tell_change(connection, Changed.MEMBER, member_id)
        payload = {"member_id": member_id, "email": row.email}
        await append_audit(
            context.tenancy, connection, organisation_id, "system.member.password_reset", payload, by=None
        )


def email_taken() -> ResourceExists:
    """What an address that somebody has answers, whosever it is."""
    return ResourceExists(
        "A member with this e-mail address exists already.", resource_type="Member", path="email"
    )


async def _locked(
    connection: Connection, organisation_id: UUID, member_id: UUID, by: ActingMember | None
) -> queries.MemberRow:
    """Find a member that `by` may change, and hold it; who comes beside waits, for the sake of the last owner."""
    await queries.lock_organisation(connection, organisation_id)
    row = await queries.lock_member(connection, organisation_id, member_id)
    if row is None or row.status == "removed":
        raise missing_member(member_id)
    if row.role == Role.OWNER:
        _require(by, Permission.OWNERS)
    return row


async def _store(
    connection: Connection,
    organisation_id: UUID,
    row: queries.MemberRow,
    *,
    name: str,
    role: Role,
    status: str,
) -> queries.MemberRow:
    was_owner = (row.role, row.status) == (Role.OWNER, "active")
    ceases = was_owner and (role, status) != (Role.OWNER, "active")
    if ceases and not await queries.count_other_owners(connection, organisation_id, row.id):
        raise LastOwner
    await queries.update_member(connection, organisation_id, row.id, name=name, role=role, status=status)
    if status != "active":
        await queries.end_sessions(connection, organisation_id, row.id)
    await tell_change(connection, Changed.MEMBER, row.id)
    after = await queries.select_member(connection, organisation_id, row.id)
    assert after is not None, "it is locked"
    return after


def _require(by: ActingMember | None, permission: Permission) -> None:
    if by is not None:
        by.require(permission)
