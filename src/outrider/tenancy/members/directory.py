"""Recognises access tokens: a signature to verify, and the session in memory, never older than the cache's limit."""

from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Database
from outrider.core.errors import Unauthorized
from outrider.core.ids import IdClock
from outrider.tenancy.caching import LookupCache
from outrider.tenancy.members import cross_tenant
from outrider.tenancy.members.access_tokens import looks_like_token, read_token
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Role
from outrider.tenancy.members.signing_keys import SigningKeys


class MemberDirectory:
    """Tells who holds a token: as what it is now, whatever the token says of its role."""

    def __init__(self, database: Database, keys: SigningKeys, ids: IdClock) -> None:
        self._database = database
        self._keys = keys
        self._ids = ids
        self._sessions: LookupCache[UUID, ActingMember] = LookupCache(self._load)

    async def authenticate(self, token: str) -> ActingMember:
        """Tell who holds a token, or raise `Unauthorized`; `Unavailable` while the database cannot be asked."""
        claims = await read_token(self._keys, self._ids, token) if looks_like_token(token) else None
        member = await self._sessions.get(claims.session_id) if claims is not None else None
        if (
            claims is None
            or member is None
            or (member.id, member.organisation_id) != (claims.member_id, claims.organisation_id)
        ):
            raise Unauthorized("Invalid, expired or missing access token.")
        return member

    def forget(self, member_id: UUID) -> None:
        """Look a member's sessions up anew when they are used next."""
        self._sessions.forget(lambda member: member.id == member_id)

    def clear(self) -> None:
        """Look every session up anew."""
        self._sessions.clear()

    async def _load(self, session_id: UUID) -> ActingMember | None:
        with faults_as_unavailable():
            row = await cross_tenant.select_session(self._database.system, session_id)
        if row is None:
            return None
        return ActingMember(
            organisation_id=row.organisation_id,
            hidden_application_id=row.hidden_application_id,
            id=row.id,
            session_id=row.session_id,
            role=Role(row.role),
            tier=row.tier,
        )
