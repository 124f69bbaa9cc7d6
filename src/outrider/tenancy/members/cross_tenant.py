"""The statements on members that look across tenants, each with its reason; they run on the system pool."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from outrider.core.database.pools import Pool

# The address is what tells the tenant of whoever signs in.
SELECT_BY_EMAIL = """
select organisation_id, id, email, password_hash, status from members where email = $1 and status <> 'removed'
"""
# The session is what tells the tenant.
SELECT_SESSION = """
select s.id as session_id, m.organisation_id, m.id, m.role, o.tier, h.id as hidden_application_id
from member_sessions s
join members m on m.organisation_id = s.organisation_id and m.id = s.member_id and m.status = 'active'
join organisations o on o.id = s.organisation_id
join applications h on h.organisation_id = s.organisation_id and h.kind = 'organisation'
where s.id = $1 and s.ended_at is null and s.expires_at > now()
"""
# The token is what tells the tenant.
SELECT_REFRESH = "select organisation_id, session_id from refresh_tokens where token_hash = $1"
SELECT_INVITATION = "select organisation_id, id from invitations where token_hash = $1"
# Attempts are counted whether or not there is such a member; each subject once, in one order.
TAKE_ATTEMPTS = """
insert into password_attempts as a (subject, began_at, taken)
select t.subject, now(), 1 from unnest($1::bytea[]) t(subject) order by t.subject
on conflict (subject) do update
  set taken = case when a.began_at <= now() - $2::interval then 1 else least(a.taken + 1, 1000000) end,
    began_at = case when a.began_at <= now() - $2::interval then now() else a.began_at end
returning subject, taken, began_at + $2::interval as ends_at
"""
# One that succeeded counts for nobody.
GIVE_BACK_ATTEMPTS = """
update password_attempts a set taken = greatest(a.taken - 1, 0)
from (select p.subject from password_attempts p where p.subject = any ($1::bytea[]) order by p.subject for update) held
where a.subject = held.subject
"""
# Asked of every attempt before it is counted: the address is what tells the tenant.
IS_NETWORK_KNOWN = """
select exists (
  select from members m
  join member_networks n on n.organisation_id = m.organisation_id and n.member_id = m.id
  where m.email = $1 and m.status = 'active' and n.network = any ($2::bytea[])
    and n.last_signed_in_at > now() - $3::interval)
"""
LOCK_SIGNING_KEYS = "select pg_advisory_xact_lock(7305005)"
SELECT_SIGNING_KEY = "select id, sealed_key, created_at from signing_keys where id = $1"
SELECT_NEWEST_SIGNING_KEY = (
    "select id, sealed_key, created_at from signing_keys order by created_at desc, id desc limit 1"
)
INSERT_SIGNING_KEY = "insert into signing_keys (id, sealed_key, created_at) values ($1, $2, $3)"
# Chores for all tenants; what has ended long ago tells nobody anything.
DELETE_EXPIRED = {
    "sessions": """
        delete from member_sessions where ctid in (
          select ctid from member_sessions where expires_at < now() - interval '1 day' limit 5000)""",
    "refresh tokens": """
        delete from refresh_tokens where ctid in (
          select ctid from refresh_tokens where expires_at < now() - interval '1 day' limit 5000)""",
    "attempts": """
        delete from password_attempts where ctid in (
          select ctid from password_attempts where began_at < now() - interval '1 day' limit 5000)""",
    "invitations": """
        delete from invitations where ctid in (
          select ctid from invitations where expires_at < now() - interval '30 days' limit 5000)""",
    "networks": """
        delete from member_networks where ctid in (
          select ctid from member_networks where last_signed_in_at < now() - interval '90 days' limit 5000)""",
    "signing keys": "delete from signing_keys where created_at < now() - interval '60 days'",
}


@dataclass(frozen=True, slots=True)
class CredentialsRow:
    """Whoever has an address."""

    organisation_id: UUID
    id: UUID
    email: str
    password_hash: str = field(repr=False)
    status: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that goes on, with its member."""

    session_id: UUID
    organisation_id: UUID
    id: UUID
    role: str
    tier: str
    hidden_application_id: UUID


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A key, sealed."""

    id: UUID
    sealed_key: bytes = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """How often a subject tried since its window began, and when that ends."""

    subject: bytes
    taken: int
    ends_at: datetime


async def select_by_email(pool: Pool, email: str) -> CredentialsRow | None:
    """Find a member, disabled ones too, by its address."""
    row = await pool.fetchrow(SELECT_BY_EMAIL, email)
    return CredentialsRow(**row) if row else None


async def select_session(pool: Pool, session_id: UUID) -> SessionRow | None:
    """Find a session whose member may act."""
    row = await pool.fetchrow(SELECT_SESSION, session_id)
    return SessionRow(**row) if row else None


async def select_refresh_token(pool: Pool, token_hash: bytes) -> tuple[UUID, UUID] | None:
    """Find the organisation and session of a refresh token, used or not."""
    row = await pool.fetchrow(SELECT_REFRESH, token_hash)
    return (row["organisation_id"], row["session_id"]) if row else None


async def select_invitation(pool: Pool, token_hash: bytes) -> tuple[UUID, UUID] | None:
    """Find the organisation and id of an invitation, ended or not."""
    row = await pool.fetchrow(SELECT_INVITATION, token_hash)
    return (row["organisation_id"], row["id"]) if row else None


async def take_attempts(pool: Pool, subjects: Sequence[bytes], window: timedelta) -> list[AttemptRow]:
    """Count an attempt for each subject."""
    return [AttemptRow(**row) for row in await pool.fetch(TAKE_ATTEMPTS, subjects, window)]


async def give_back_attempts(pool: Pool, subjects: Sequence[bytes]) -> None:
    """Count an attempt that succeeded back."""
    await pool.execute(GIVE_BACK_ATTEMPTS, subjects)


async def is_network_known(pool: Pool, email: str, networks: Sequence[bytes], lasts: timedelta) -> bool:
    """Whether the active member of an address signed in from one of the networks, not longer ago than that."""
    return await pool.fetchval(IS_NETWORK_KNOWN, email, networks, lasts)


async def select_signing_key(pool: Pool, key_id: UUID) -> SigningKeyRow | None:
    """Find a signing key."""
    row = await pool.fetchrow(SELECT_SIGNING_KEY, key_id)
    return SigningKeyRow(**row) if row else None


async def provide_signing_key(
    pool: Pool, new: SigningKeyRow, *, is_usable: Callable[[SigningKeyRow], bool]
) -> SigningKeyRow:
    """Give the newest signing key, or store the new one if that is not usable; one process at a time."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK_SIGNING_KEYS)
        row = await connection.fetchrow(SELECT_NEWEST_SIGNING_KEY)
        if row is not None and is_usable(newest := SigningKeyRow(**row)):
            return newest
        await connection.execute(INSERT_SIGNING_KEY, new.id, new.sealed_key, new.created_at)
        return new


async def delete_expired(pool: Pool) -> None:
    """Delete what has ended long ago."""
    for statement in DELETE_EXPIRED.values():
        await pool.execute(statement)
