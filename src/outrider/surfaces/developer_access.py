"""Who calls the developer API, GraphQL or REST: the headers that tell it, and the limit on how often.

An API key is bound to an application. A member's access token is not: the header `X-Outeract-App-ID` names one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core.asgi import Scope, header
from outrider.core.errors import AppError, ErrorKind, Forbidden, Unauthorized
from outrider.core.ids import parse_id
from outrider.tenancy.actors import Actor, Counted
from outrider.tenancy.members.access_tokens import looks_like_token
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.rate_limits import Headers, LimitState, RateExceeded

APPLICATION_HEADER: Final = b"x-outeract-app-id"


class AppIdRequired(AppError):
    """With an access token the header X-Outeract-App-ID must name an application."""

    kind = ErrorKind.INVALID
    code = "APP_ID_REQUIRED"


@dataclass(slots=True)
class Caller:
    """What is known of whoever sends a request, also of one that is refused; `limits` tells how they stand."""

    actor: Actor | None = None
    limits: Headers = ()

    @property
    def logged(self) -> Mapping[str, UUID]:
        """What a log line says of them."""
        if self.actor is None:
            return {}
        who = "member_id" if self.actor.is_member else "api_key_id"
        return {"application_id": self.actor.application_id, who: self.actor.key_id}


@dataclass(frozen=True, slots=True)
class DeveloperAccess:
    """The door that every request to the developer API passes."""

    authenticate: Callable[[str], Awaitable[Actor]]
    authenticate_member: Callable[[str], Awaitable[ActingMember]]
    is_application_of: Callable[[UUID, UUID], Awaitable[bool]]
    """Whether an organisation has an application, given their ids in this order."""
    count: Callable[[Counted], Awaitable[LimitState]]
    """Counts one request; raises `RateExceeded`, whose headers tell how the key stands."""

    async def admit(self, scope: Scope, caller: Caller) -> Actor:
        """Tell who sent a request and count it, also one that is refused for the application that it names.

        Raises `Unauthorized`, `RateExceeded`, `Forbidden` for an application that is not theirs, and `AppIdRequired`
        for a member who names none.
        """
        whoever = await self._authenticated(scope)
        try:
            caller.limits = (await self.count(whoever)).headers()
        except RateExceeded as refused:
            caller.limits = refused.headers()
            raise
        caller.actor = await self._in_application(scope, whoever)
        return caller.actor

    async def recognise(self, scope: Scope) -> Actor:
        """Tell who sent a request that was counted when it came; raises as `admit` does."""
        return await self._in_application(scope, await self._authenticated(scope))

    async def _authenticated(self, scope: Scope) -> Actor | ActingMember:
        token = bearer_token(scope)
        if token is None:
            raise Unauthorized("Invalid or missing API key.")
        return await (self.authenticate_member if looks_like_token(token) else self.authenticate)(token)

    async def _in_application(self, scope: Scope, whoever: Actor | ActingMember) -> Actor:
        named = header(scope, APPLICATION_HEADER)
        if isinstance(whoever, ActingMember):
            return await self._member_in(whoever, named)
        if named is not None and _id_of(named) != whoever.application_id:
            raise Forbidden("X-Outeract-App-ID names another application than that of the API key.")
        return whoever

    async def _member_in(self, member: ActingMember, named: bytes | None) -> Actor:
        if named is None:
            raise AppIdRequired
        application_id = _id_of(named)
        if application_id is None or not await self.is_application_of(member.organisation_id, application_id):
            raise Forbidden("X-Outeract-App-ID names no application of your organisation.")
        return member.in_application(application_id)


def bearer_token(scope: Scope) -> str | None:
    """The token of a request, None if there is none."""
    kind, _, token = (header(scope, b"authorization") or b"").decode("latin-1").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def _id_of(text: bytes) -> UUID | None:
    try:
        return parse_id(text.decode("latin-1").strip())
    except AppError:
        return None
