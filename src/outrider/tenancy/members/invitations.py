"""Invitations: a member names an address and a role, whoever brings the token becomes that member.

Nothing is sent: the token is told to the one who invites, once. An address that belongs to another organisation
is invited like any other, and refused only to the one who accepts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.errors import NotFound
from outrider.core.hashing import hash_secret, new_token
from outrider.core.passwords import checked_password
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members import cross_tenant, queries
from outrider.tenancy.members.acting import ActingMember, Signature
from outrider.tenancy.members.context import AccessContext
from outrider.tenancy.members.emails import checked_email
from outrider.tenancy.members.managing import email_taken
from outrider.tenancy.members.networks import network_digests, remember_network
from outrider.tenancy.members.roles import Permission, Role
from outrider.tenancy.members.signing_in import begin_session, session_of
from outrider.tenancy.members.values import Session, member_of
from outrider.tenancy.naming import checked_name

INVITATION_LASTS: Final = timedelta(days=7)
_PREFIX: Final = "otr_invite_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation that can be accepted."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CreatedInvitation:
    """A new invitation and its token, which nobody can read again."""

    invitation: Invitation
    token: str = field(repr=False)


async def invite_member(
    context: TenancyContext, member: ActingMember, *, email: str, role: Role
) -> CreatedInvitation:
    """Invite an address; an earlier invitation of it ends."""
    member.require(Permission.MEMBERS)
    if role is Role.OWNER:
        member.require(Permission.OWNERS)
    email = checked_email(email)
    invitation_id, token = context.ids.new(), f"{_PREFIX}{new_token()}"
    organisation_id = member.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        if await queries.select_by_email(connection, organisation_id, email) is not None:
            raise email_taken()
        await queries.end_invitations_of(connection, organisation_id, email)
        await queries.insert_invitation(
            connection,
            organisation_id,
            invitation_id,
            email=email,
            role=role,
            token_hash=hash_secret(token),
            expires_at=context.ids.now() + INVITATION_LASTS,
        )
        row = await queries.lock_invitation(connection, organisation_id, invitation_id)
        payload = {"invitation_id": invitation_id, "email": email, "role": role}
        await append_audit(context, connection, organisation_id, "system.member.invited", payload, by=member)
    assert row is not None, "it was just inserted"
    return CreatedInvitation(_invitation(row), token)


async def list_invitations(context: TenancyContext, member: ActingMember) -> Sequence[Invitation]:
    """List the invitations that can be accepted, the oldest first."""
    member.require(Permission.READ)
    async with settings_transaction(context, member.organisation_id) as connection:
        rows = await queries.select_invitations(connection, member.organisation_id)
    return [_invitation(row) for row in rows]


async def revoke_invitation(context: TenancyContext, member: ActingMember, invitation_id: UUID) -> None:
    """Take an invitation back."""
    member.require(Permission.MEMBERS)
    organisation_id = member.organisation_id
    async with settings_transaction(context, organisation_id) as connection:
        row = await queries.lock_invitation(connection, organisation_id, invitation_id)
        if row is None or row.ended_at is not None:
            raise NotFound(
                "Invitation not found.", resource_type="Invitation", resource_id=str(invitation_id)
            )
        if row.role == Role.OWNER:
            member.require(Permission.OWNERS)
        await queries.end_invitation(connection, organisation_id, invitation_id)
        payload = {"invitation_id": invitation_id, "email": row.email}
        await append_audit(
            context, connection, organisation_id, "system.member.invitation_revoked", payload, by=member
        )


async def accept_invitation(
    context: AccessContext, *, token: str, name: str, password: str, address: str
) -> Session:
    """Become the member that an invitation speaks of, and sign in; `address` is where the request came from."""
    name, password = checked_name(name), checked_password(password)
    tenancy = context.tenancy
    with faults_as_unavailable():
        known = await cross_tenant.select_invitation(tenancy.database.system, hash_secret(token))
    if known is None:
        raise _spent()
    organisation_id, invitation_id = known
    password_hash = await context.passwords.hash(password)
    member_id = tenancy.ids.new()
    try:
        async with settings_transaction(tenancy, organisation_id) as connection:
            invitation = await queries.lock_invitation(connection, organisation_id, invitation_id)
            now = tenancy.ids.now()
            if invitation is None or invitation.ended_at is not None or invitation.expires_at <= now:
                raise _spent()
            await queries.insert_member(
                connection,
                organisation_id,
                member_id,
                email=invitation.email,
                name=name,
                password_hash=password_hash,
                role=invitation.role,
            )
            await queries.end_invitation(connection, organisation_id, invitation_id)
            refresh_token = await begin_session(context, connection, organisation_id, member_id)
            network, *_ = network_digests(tenancy, email=invitation.email, address=address)
            await remember_network(connection, organisation_id, member_id, network)
            row = await queries.select_member(connection, organisation_id, member_id)
            payload = {
                "member_id": member_id,
                "invitation_id": invitation_id,
                "email": invitation.email,
                "role": invitation.role,
            }
            await append_audit(
                tenancy,
                connection,
                organisation_id,
                "system.member.joined",
                payload,
                by=Signature(member_id),
            )
    except asyncpg.UniqueViolationError:
        raise email_taken() from None
    assert row is not None, "it was just inserted"
    return await session_of(context, organisation_id, member_of(row), refresh_token)


def _invitation(row: queries.InvitationRow) -> Invitation:
    return Invitation(
        id=row.id,
        email=row.email,
        role=Role(row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _spent() -> NotFound:
    return NotFound(
        "The invitation is unknown, was accepted or taken back, or has expired.",
        resource_type="Invitation",
    )
