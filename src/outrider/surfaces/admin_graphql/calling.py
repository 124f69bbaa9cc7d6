"""What one request to the administration is: who calls, from where, and the lists that it has read so far."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from outrider.core.errors import Unauthorized
from outrider.messaging.administering_suppressions import AdministeringSuppressions
from outrider.platforms.base import JsonObject
from outrider.templates import managing as managing_templates
from outrider.templates.rendering import TemplatesContext
from outrider.templates.values import Template
from outrider.tenancy import (
    administering,
    administering_connections,
    managing_accounts,
)
from outrider.tenancy.administering import AdministeredApplication
from outrider.tenancy.administering_connections import AdministeredConnection
from outrider.tenancy.api_keys import ApiKey
from outrider.tenancy.checking_connections import CheckingContext
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.managing_accounts import AccountView
from outrider.tenancy.members import managing
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.context import AccessContext
from outrider.tenancy.members.values import Member
from outrider.tenancy.message_keys import MessageKey
from outrider.tenancy.queries_backends import DefaultRow
from outrider.tenancy.read_keys import ReadKey

Arguments = Mapping[str, Any]
Resolve = Callable[[Any, "Call", Arguments], Any]
"""How a field is read: of its source, in a request, with its arguments."""


@dataclass(frozen=True, slots=True)
class Administration:
    """What the operations of administration need of the process."""

    access: AccessContext
    checking: CheckingContext
    templates: TemplatesContext
    suppressions: AdministeringSuppressions

    @property
    def tenancy(self) -> TenancyContext:
        """The settings."""
        return self.access.tenancy


@dataclass(slots=True)
class Call:
    """A request under way. Each list is read once, by one statement, whoever of its fields asks for it."""

    administration: Administration
    caller: ActingMember | None
    """None for whoever has not signed in."""
    address: str
    _lists: "dict[str, asyncio.Task[Sequence[Any]]]" = field(default_factory=dict[str, Any])

    @property
    def member(self) -> ActingMember:
        """Who calls; every field but those of signing in has been refused to nobody."""
        if self.caller is None:
            raise Unauthorized("An access token is required.")
        return self.caller

    @property
    def tenancy(self) -> TenancyContext:
        """The settings."""
        return self.administration.tenancy

    async def applications(self) -> Sequence[AdministeredApplication]:
        """All applications."""
        return await self._once("applications", administering.list_applications)

    async def connections(self) -> Sequence[AdministeredConnection]:
        """The connections of all applications."""
        return await self._once("connections", administering_connections.list_connections)

    async def api_keys(self) -> Sequence[ApiKey]:
        """The keys of all applications."""
        return await self._once("api_keys", administering.list_api_keys)

    async def message_keys(self) -> Sequence[MessageKey]:
        """The organisation's message keys."""
        return await self._once("message_keys", administering.list_message_keys)

    async def read_keys(self) -> Sequence[ReadKey]:
        """The organisation's read keys."""
        return await self._once("read_keys", administering.list_read_keys)

    async def default_backends(self) -> Sequence[DefaultRow]:
        """The default backends of all applications."""
        return await self._once("default_backends", administering_connections.list_default_backends)

    async def accounts(self) -> Sequence[AccountView]:
        """All accounts."""
        return await self._once("accounts", managing_accounts.list_accounts)

    async def templates(self) -> Sequence[Template]:
        """The templates of all applications."""

        async def read(_context: TenancyContext, member: ActingMember) -> Sequence[Template]:
            return await managing_templates.list_templates(self.administration.templates, member)

        return await self._once("templates", read)

    async def locals(self) -> Mapping[UUID | None, JsonObject]:
        """The locals of the organisation, under None, and of its applications."""

        async def read(_context: TenancyContext, member: ActingMember) -> Sequence[Any]:
            found = await managing_templates.list_locals(self.administration.templates, member)
            return list(found.items())

        return dict(await self._once("locals", read))

    async def members(self) -> Sequence[Member]:
        """All members."""

        async def read(context: TenancyContext, member: ActingMember) -> Sequence[Member]:
            return await managing.list_members(context, member.organisation_id, by=member)

        return await self._once("members", read)

    async def names(self) -> Mapping[UUID, str]:
        """What authors of events are called now."""
        members, keys = await self.members(), await self.api_keys()
        others = (*await self.message_keys(), *await self.read_keys())
        return {one.id: one.name for one in (*members, *keys, *others)}

    def forget_lists(self) -> None:
        """Read anew: something was changed."""
        self._lists.clear()

    async def _once(
        self, name: str, read: Callable[[TenancyContext, ActingMember], Awaitable[Sequence[Any]]]
    ) -> Any:
        reading = self._lists.get(name)
        if reading is None:
            work = cast("Any", read(self.tenancy, self.member))
            reading = self._lists[name] = asyncio.create_task(work)
            reading.add_done_callback(_retrieve_exception)
        return await asyncio.shield(reading)


def _retrieve_exception(reading: "asyncio.Task[Sequence[Any]]") -> None:
    """Whoever waits gets the failure; when the first failure ended the request, nobody may."""
    if not reading.cancelled():
        reading.exception()
