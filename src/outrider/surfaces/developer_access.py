"""Who calls the developer API, GraphQL or REST: the headers that tell it, and the limit on how often."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from outrider.core.asgi import Scope, header
from outrider.core.errors import AppError, Forbidden, Unauthorized
from outrider.core.ids import parse_id
from outrider.tenancy.actors import Actor
from outrider.tenancy.rate_limits import LimitState

APPLICATION_HEADER: Final = b"x-outeract-app-id"


@dataclass(frozen=True, slots=True)
class DeveloperAccess:
    """The door that every request to the developer API passes."""

    authenticate: Callable[[str], Awaitable[Actor]]
    count: Callable[[Actor], Awaitable[LimitState]]
    """Counts one request; raises `RateExceeded`, whose headers tell how the key stands."""

    async def recognise(self, scope: Scope) -> Actor:
        """Tell who sent a request, or raise `Unauthorized`, or `Forbidden` for another key's application."""
        kind, _, token = (header(scope, b"authorization") or b"").decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Unauthorized("Invalid or missing API key.")
        actor = await self.authenticate(token.strip())
        named = header(scope, APPLICATION_HEADER)
        if named is not None and not _is_id(named.decode("latin-1"), actor):
            raise Forbidden("X-Outeract-App-ID names another application than that of the API key.")
        return actor


def _is_id(text: str, actor: Actor) -> bool:
    try:
        return parse_id(text.strip()) == actor.application_id
    except AppError:
        return False
