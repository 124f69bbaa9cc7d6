"""Signing in and out: sessions, each a family of refresh tokens of which every one is good once.

Whoever brings a refresh token that was used before ends its session: either they or the other one stole it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import Unauthorized
from outrider.core.hashing import hash_secret, new_token
from outrider.core.passwords import checked_password
from outrider.tenancy.context import Changed, append_audit, settings_transaction, tell_change
from outrider.tenancy.members import access_tokens, cross_tenant, queries
from outrider.tenancy.members.acting import ActingMember, Signature
from outrider.tenancy.members.attempts import succeed, take_attempt
from outrider.tenancy.members.context import AccessContext
from outrider.tenancy.members.emails import checked_email
from outrider.tenancy.members.networks import forget_networks, remember_network
from outrider.tenancy.members.values import Member, Session, member_of, missing_member

SESSION_LASTS: Final = timedelta(days=30)
ACTIVE: Final = "active"
_PREFIX: Final = "otr_refresh_"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A new refresh token, to be told once its transaction is committed."""

    session_id: UUID
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"RefreshToken(session_id={self.session_id!r})"


async def sign_in(context: AccessContext, *, email: str, password: str, address: str) -> Session:
    """Begin a session for an e-mail address and its password; `address` is where the request came from."""
    email = checked_email(email)
    attempt = await take_attempt(context.tenancy, email=email, address=address)
    with faults_as_unavailable():
        known = await cross_tenant.select_by_email(context.tenancy.database.system, email)
    passwords, is_expected = context.passwords, attempt.is_known
    verified = await passwords.verify(
        password, known.password_hash if known else None, is_expected=is_expected
    )
    if known is None or not verified.is_right or known.status != ACTIVE:
        raise _wrong()
    renewed = await passwords.hash(password, is_expected=is_expected) if verified.is_outdated else None
    organisation_id = known.organisation_id
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        row = await queries.lock_member(connection, organisation_id, known.id)
        if row is None or (row.status, row.password_hash) != (ACTIVE, known.password_hash):
            raise _wrong()
        if renewed is not None:
            await queries.update_password(connection, organisation_id, row.id, renewed)
        token = await begin_session(context, connection, organisation_id, row.id)
        await remember_network(connection, organisation_id, row.id, attempt.network)
        payload = {"member_id": row.id, "session_id": token.session_id}
        await append_audit(
            context.tenancy,
            connection,
            organisation_id,
            "system.member.signed_in",
            payload,
            by=Signature(row.id),
        )
    await succeed(context.tenancy, attempt)
    return await session_of(context, organisation_id, member_of(row), token)


async def refresh(context: AccessContext, refresh_token: str) -> Session:
    """Go on with a session: a new access token, and a new refresh token in place of this one."""
    token_hash = hash_secret(refresh_token)
    with faults_as_unavailable():
        known = await cross_tenant.select_refresh_token(context.tenancy.database.system, token_hash)
    if known is None:
        raise _spent()
    organisation_id, session_id = known
    token: RefreshToken | None = None
    async with settings_transaction(context.tenancy, organisation_id) as connection:
        session = await queries.lock_session(connection, organisation_id, session_id)
        found = await queries.select_refresh_token(connection, organisation_id, token_hash)
        now = context.tenancy.ids.now()
        if session is None or found is None or session.ended_at is not None or found.expires_at <= now:
            raise _spent()
        row = await queries.select_member(connection, organisation_id, session.member_id)
        if row is None or row.status != ACTIVE:
            raise _spent()
        if found.used_at is None:
            await queries.use_refresh_token(connection, organisation_id, token_hash)
            token = await _next_token(context, connection, organisation_id, session_id)
            await queries.prolong_session(connection, organisation_id, session_id, token.expires_at)
        else:
            await _end(context, connection, organisation_id, session, "a refresh token was used twice")
    if token is None:
        raise _spent()
    return await session_of(context, organisation_id, member_of(row), token)


async def sign_out(context: AccessContext, member: ActingMember) -> None:
    """End the session that the request came by; its tokens are refused in every process."""
    async with settings_transaction(context.tenancy, member.organisation_id) as connection:
        await queries.end_session(connection, member.organisation_id, member.session_id)
        await tell_change(connection, Changed.MEMBER, member.id)
        payload = {"member_id": member.id, "session_id": member.session_id}
        await append_audit(
            context.tenancy,
            connection,
            member.organisation_id,
            "system.member.signed_out",
            payload,
            by=member,
        )


async def change_password(
    context: AccessContext, member: ActingMember, *, current: str, new: str, address: str
) -> Member:
    """Change one's own password, end all other sessions of one's own, and know no other network."""
    checked_password(new, "newPassword")
    row = await _stored(context, member)
    attempt = await take_attempt(context.tenancy, email=row.email, address=address)
    passwords, is_expected = context.passwords, attempt.is_known
    if not (await passwords.verify(current, row.password_hash, is_expected=is_expected)).is_right:
        raise Unauthorized("The current password is wrong.")
    password_hash = await passwords.hash(new, is_expected=is_expected)
    async with settings_transaction(context.tenancy, member.organisation_id) as connection:
        locked = await queries.lock_member(connection, member.organisation_id, member.id)
        if locked is None or (locked.status, locked.password_hash) != (ACTIVE, row.password_hash):
            raise Unauthorized("The password was changed meanwhile.")
        await queries.update_password(connection, member.organisation_id, member.id, password_hash)
        await queries.end_sessions(connection, member.organisation_id, member.id, but=member.session_id)
        await forget_networks(connection, member.organisation_id, member.id)
        await remember_network(connection, member.organisation_id, member.id, attempt.network)
        await tell_change(connection, Changed.MEMBER, member.id)
        await append_audit(
            context.tenancy,
            connection,
            member.organisation_id,
            "system.member.password_changed",
            {"member_id": member.id},
            by=member,
        )
    await succeed(context.tenancy, attempt)
    return member_of(locked)


async def me(context: AccessContext, member: ActingMember) -> Member:
    """Show who is signed in."""
    return member_of(await _stored(context, member))


async def begin_session(
    context: AccessContext, connection: Connection, organisation_id: UUID, member_id: UUID
) -> RefreshToken:
    """Store a new session with its first refresh token."""
    session_id = context.tenancy.ids.new()
    expires_at = context.tenancy.ids.now() + SESSION_LASTS
    await queries.insert_session(connection, organisation_id, session_id, member_id, expires_at)
    await queries.mark_signed_in(connection, organisation_id, member_id)
    return await _next_token(context, connection, organisation_id, session_id)


async def session_of(
    context: AccessContext, organisation_id: UUID, member: Member, token: RefreshToken
) -> Session:
    """Sign an access token for a session that is committed."""
    claims = access_tokens.Claims(organisation_id, member.id, token.session_id)
    access = await access_tokens.issue_token(context.keys, context.tenancy.ids, claims, member.role.value)
    return Session(
        access_token=access.token,
        expires_at=access.expires_at,
        refresh_token=token.token,
        refresh_expires_at=token.expires_at,
        member=member,
    )


async def _next_token(
    context: AccessContext, connection: Connection, organisation_id: UUID, session_id: UUID
) -> RefreshToken:
    token = f"{_PREFIX}{new_token()}"
    expires_at = context.tenancy.ids.now() + SESSION_LASTS
    await queries.insert_refresh_token(
        connection, organisation_id, session_id, hash_secret(token), expires_at
    )
    return RefreshToken(session_id, token, expires_at)


async def _end(
    context: AccessContext,
    connection: Connection,
    organisation_id: UUID,
    session: queries.SessionRow,
    reason: str,
) -> None:
    await queries.end_session(connection, organisation_id, session.id)
    await tell_change(connection, Changed.MEMBER, session.member_id)
    payload = {"member_id": session.member_id, "session_id": session.id, "reason": reason}
    await append_audit(
        context.tenancy,
        connection,
        organisation_id,
        "system.member.session_ended",
        payload,
        by=Signature(session.member_id),
    )


async def _stored(context: AccessContext, member: ActingMember) -> queries.MemberRow:
    async with settings_transaction(context.tenancy, member.organisation_id) as connection:
        row = await queries.select_member(connection, member.organisation_id, member.id)
    if row is None:
        raise missing_member(member.id)
    return row


def _wrong() -> Unauthorized:
    """The same for an unknown address, a wrong password, and somebody who may not sign in."""
    return Unauthorized("The e-mail address or the password is wrong.")


def _spent() -> Unauthorized:
    return Unauthorized("The refresh token is unknown, was used, or has expired: sign in again.")
