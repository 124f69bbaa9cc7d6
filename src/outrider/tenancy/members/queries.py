"""The statements on members, their sessions and invitations; each takes the organisation first."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from outrider.core.database.pools import Connection

_MEMBER = """select id, email, name, role, status, created_at, last_signed_in_at, password_hash from members
where organisation_id = $1"""
SELECT_MEMBERS = f"{_MEMBER} order by created_at, id"
SELECT_MEMBER = f"{_MEMBER} and id = $2"
SELECT_BY_EMAIL = f"{_MEMBER} and email = $2 and status <> 'removed'"
LOCK_MEMBER = f"{_MEMBER} and id = $2 for update"
INSERT_MEMBER = """
insert into members (organisation_id, id, email, name, password_hash, role) values ($1, $2, $3, $4, $5, $6)
"""
UPDATE_MEMBER = """
update members set name = $3, role = $4, status = $5 where organisation_id = $1 and id = $2
"""
UPDATE_HASH = "update members set password_hash = $3 where organisation_id = $1 and id = $2"
MARK_SIGNED_IN = "update members set last_signed_in_at = now() where organisation_id = $1 and id = $2"
UPSERT_NETWORK = """
insert into member_networks (organisation_id, member_id, network) values ($1, $2, $3)
on conflict (organisation_id, member_id, network) do update set last_signed_in_at = excluded.last_signed_in_at
"""
DELETE_NETWORKS = """
delete from member_networks n where n.organisation_id = $1 and n.member_id = $2 and n.network in (
  select o.network from member_networks o where o.organisation_id = $1 and o.member_id = $2
  order by o.last_signed_in_at desc, o.network offset $3)
"""
# Whoever may change the number of owners goes one after the other.
LOCK_ORGANISATION = "select id from organisations where id = $1 for update"
COUNT_OTHER_OWNERS = """
select count(*) from members
where organisation_id = $1 and id <> $2 and role = 'owner' and status = 'active'
"""
INSERT_SESSION = """
insert into member_sessions (organisation_id, id, member_id, expires_at) values ($1, $2, $3, $4)
"""
LOCK_SESSION = """
select s.id, s.member_id, s.expires_at, s.ended_at from member_sessions s
where s.organisation_id = $1 and s.id = $2 for update
"""
PROLONG_SESSION = "update member_sessions set expires_at = $3 where organisation_id = $1 and id = $2"
END_SESSION = """
update member_sessions set ended_at = now() where organisation_id = $1 and id = $2 and ended_at is null
returning id
"""
END_SESSIONS = """
update member_sessions set ended_at = now()
where organisation_id = $1 and member_id = $2 and ended_at is null and id is distinct from $3
"""
INSERT_REFRESH = """
insert into refresh_tokens (organisation_id, session_id, token_hash, expires_at) values ($1, $2, $3, $4)
"""
SELECT_REFRESH = """
select used_at, expires_at from refresh_tokens where organisation_id = $1 and token_hash = $2
"""
USE_REFRESH = "update refresh_tokens set used_at = now() where organisation_id = $1 and token_hash = $2"
_INVITATION = """select id, email, role, created_at, expires_at, ended_at from invitations
where organisation_id = $1"""
SELECT_INVITATIONS = f"""{_INVITATION}
and ended_at is null and expires_at > now() order by created_at, id"""
LOCK_INVITATION = f"{_INVITATION} and id = $2 for update"
INSERT_INVITATION = """
insert into invitations (organisation_id, id, email, role, token_hash, expires_at) values ($1, $2, $3, $4, $5, $6)
"""
END_INVITATION = "update invitations set ended_at = now() where organisation_id = $1 and id = $2"
END_INVITATIONS_OF = """
update invitations set ended_at = now() where organisation_id = $1 and email = $2 and ended_at is null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A stored member."""

    id: UUID
    email: str
    name: str
    role: str
    status: str
    created_at: datetime
    last_signed_in_at: datetime | None
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A stored session."""

    id: UUID
    member_id: UUID
    expires_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefreshTokenRow:
    """A stored refresh token."""

    used_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    """A stored invitation."""

    id: UUID
    email: str
    role: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


async def select_members(connection: Connection, organisation_id: UUID) -> Sequence[MemberRow]:
    return [MemberRow(**row) for row in await connection.fetch(SELECT_MEMBERS, organisation_id)]


async def select_member(connection: Connection, organisation_id: UUID, member_id: UUID) -> MemberRow | None:
    return _member(await connection.fetchrow(SELECT_MEMBER, organisation_id, member_id))


async def select_by_email(connection: Connection, organisation_id: UUID, email: str) -> MemberRow | None:
    return _member(await connection.fetchrow(SELECT_BY_EMAIL, organisation_id, email))


async def lock_member(connection: Connection, organisation_id: UUID, member_id: UUID) -> MemberRow | None:
    """Find a member and hold it until this transaction ends."""
    return _member(await connection.fetchrow(LOCK_MEMBER, organisation_id, member_id))


async def insert_member(
    connection: Connection,
    organisation_id: UUID,
    member_id: UUID,
    *,
    email: str,
    name: str,
    password_hash: str,
    role: str,
) -> None:
    await connection.execute(INSERT_MEMBER, organisation_id, member_id, email, name, password_hash, role)


async def update_member(
    connection: Connection, organisation_id: UUID, member_id: UUID, *, name: str, role: str, status: str
) -> None:
    await connection.execute(UPDATE_MEMBER, organisation_id, member_id, name, role, status)


async def update_password(
    connection: Connection, organisation_id: UUID, member_id: UUID, password_hash: str
) -> None:
    await connection.execute(UPDATE_HASH, organisation_id, member_id, password_hash)


async def mark_signed_in(connection: Connection, organisation_id: UUID, member_id: UUID) -> None:
    await connection.execute(MARK_SIGNED_IN, organisation_id, member_id)


async def upsert_network(
    connection: Connection, organisation_id: UUID, member_id: UUID, network: bytes
) -> None:
    await connection.execute(UPSERT_NETWORK, organisation_id, member_id, network)


async def delete_networks(
    connection: Connection, organisation_id: UUID, member_id: UUID, *, but_newest: int
) -> None:
    """Delete the networks of a member, but so many."""
    await connection.execute(DELETE_NETWORKS, organisation_id, member_id, but_newest)


async def lock_organisation(connection: Connection, organisation_id: UUID) -> bool:
    """Hold the organisation until this transaction ends; False if there is none."""
    return await connection.fetchval(LOCK_ORGANISATION, organisation_id) is not None


async def count_other_owners(connection: Connection, organisation_id: UUID, member_id: UUID) -> int:
    return await connection.fetchval(COUNT_OTHER_OWNERS, organisation_id, member_id)


async def insert_session(
    connection: Connection, organisation_id: UUID, session_id: UUID, member_id: UUID, expires_at: datetime
) -> None:
    await connection.execute(INSERT_SESSION, organisation_id, session_id, member_id, expires_at)


async def lock_session(connection: Connection, organisation_id: UUID, session_id: UUID) -> SessionRow | None:
    row = await connection.fetchrow(LOCK_SESSION, organisation_id, session_id)
    return SessionRow(**row) if row else None


async def prolong_session(
    connection: Connection, organisation_id: UUID, session_id: UUID, expires_at: datetime
) -> None:
    await connection.execute(PROLONG_SESSION, organisation_id, session_id, expires_at)


async def end_session(connection: Connection, organisation_id: UUID, session_id: UUID) -> bool:
    """End a session; False if it had ended."""
    return await connection.fetchval(END_SESSION, organisation_id, session_id) is not None


async def end_sessions(
    connection: Connection, organisation_id: UUID, member_id: UUID, *, but: UUID | None = None
) -> None:
    """End a member's sessions, but one."""
    await connection.execute(END_SESSIONS, organisation_id, member_id, but)


async def insert_refresh_token(
    connection: Connection, organisation_id: UUID, session_id: UUID, token_hash: bytes, expires_at: datetime
) -> None:
    await connection.execute(INSERT_REFRESH, organisation_id, session_id, token_hash, expires_at)


async def select_refresh_token(
    connection: Connection, organisation_id: UUID, token_hash: bytes
) -> RefreshTokenRow | None:
    row = await connection.fetchrow(SELECT_REFRESH, organisation_id, token_hash)
    return RefreshTokenRow(**row) if row else None


async def use_refresh_token(connection: Connection, organisation_id: UUID, token_hash: bytes) -> None:
    await connection.execute(USE_REFRESH, organisation_id, token_hash)


async def select_invitations(connection: Connection, organisation_id: UUID) -> Sequence[InvitationRow]:
    """Those that can still be accepted."""
    return [InvitationRow(**row) for row in await connection.fetch(SELECT_INVITATIONS, organisation_id)]


async def lock_invitation(
    connection: Connection, organisation_id: UUID, invitation_id: UUID
) -> InvitationRow | None:
    row = await connection.fetchrow(LOCK_INVITATION, organisation_id, invitation_id)
    return InvitationRow(**row) if row else None


async def insert_invitation(
    connection: Connection,
    organisation_id: UUID,
    invitation_id: UUID,
    *,
    email: str,
    role: str,
    token_hash: bytes,
    expires_at: datetime,
) -> None:
    await connection.execute(
        INSERT_INVITATION, organisation_id, invitation_id, email, role, token_hash, expires_at
    )


async def end_invitation(connection: Connection, organisation_id: UUID, invitation_id: UUID) -> None:
    await connection.execute(END_INVITATION, organisation_id, invitation_id)


async def end_invitations_of(connection: Connection, organisation_id: UUID, email: str) -> None:
    await connection.execute(END_INVITATIONS_OF, organisation_id, email)


def _member(row: asyncpg.Record | None) -> MemberRow | None:
    return MemberRow(**row) if row else None
