"""Who calls the developer API, GraphQL or REST: the headers that tell it, and the limit on how often.

An API key is bound to an application. A member's access token is not: the header `X-Outeract-App-ID` names one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from outrider.core.asgi import Scope, header
from outrider.core.errors import AppError, ErrorKind, Forbidden, Unauthorized
from outrider.core.ids import parse_id
from outrider.tenancy.actors import Actor
from outrider.tenancy.members.access_tokens import looks_like_token
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.rate_limits import LimitState

APPLICATION_HEADER: Final = b"x-outeract-app-id"


class AppIdRequired(AppError):
    """With an access token the header X-Outeract-App-ID must name an application."""

    kind = ErrorKind.INVALID
    code = "APP_ID_REQUIRED"


@dataclass(frozen=True, slots=True)
class DeveloperAccess:
    """The door that every request to the developer API passes."""

    authenticate: Callable[[str], Awaitable[Actor]]
    authenticate_member: Callable[[str], Awaitable[ActingMember]]
    is_application_of: Callable[[UUID, UUID], Awaitable[bool]]
    """Whether an organisation has an application, given their ids in this order."""
    count: Callable[[Actor], Awaitable[LimitState]]
    """Counts one request; raises `RateExceeded`, whose headers tell how the key stands."""

    async def recognise(self, scope: Scope) -> Actor:
        """Tell who sent a request, or raise `Unauthorized`; `Forbidden` for an application that is not theirs.

        Raises `AppIdRequired` for a member who names no application.
        """
        token = bearer_token(scope)
        if token is None:
            raise Unauthorized("Invalid or missing API key.")
        named = header(scope, APPLICATION_HEADER)
        if looks_like_token(token):
            return await self._member(token, named)
        actor = await self.authenticate(token)
        if named is not None and _id_of(named) != actor.application_id:
            raise Forbidden("X-Outeract-App-ID names another application than that of the API key.")
        return actor

    async def _member(self, token: str, named: bytes | None) -> Actor:
        member = await self.authenticate_member(token)
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
