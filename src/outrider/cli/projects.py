"""`outrider projects`: creates and lists applications, and chooses the accounts that send their messages."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.cli.tables import print_table
from outrider.core.errors import NotFound
from outrider.platforms.base import Channel
from outrider.tenancy.applications import create_application, find_application
from outrider.tenancy.backends import find_account, list_default_backends, list_projects, set_default_backend
from outrider.tenancy.context import TenancyContext


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        match arguments.action:
            case "create":
                created = await create_application(context, organisation_id, arguments.name, arguments.slug)
                print(created.slug)
            case "list":
                await _print(context, organisation_id)
            case _:
                await _choose(context, organisation_id, arguments)
    return 0


async def _choose(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    application = await find_application(context, organisation_id, arguments.slug or "")
    if application is None:
        raise NotFound(f"The organisation has no application with the slug {arguments.slug!r}.")
    account_id = None
    if arguments.backend is not None:
        account_id = await find_account(context, organisation_id, arguments.backend)
        if account_id is None:
            raise NotFound(f"The organisation has no account {arguments.backend!r}.")
    await set_default_backend(
        context, organisation_id, application.id, channel=Channel(arguments.channel), account_id=account_id
    )
    print("Chosen." if account_id else "Removed.", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class _Row:
    slug: str
    id: UUID
    backends: str


async def _print(context: TenancyContext, organisation_id: UUID) -> None:
    defaults = await list_default_backends(context, organisation_id)
    rows = [
        _Row(
            one.slug,
            one.id,
            ", ".join(f"{row.channel}: {row.identifier}" for row in defaults if row.application_id == one.id),
        )
        for one in await list_projects(context, organisation_id)
    ]
    columns: tuple[tuple[str, Callable[[_Row], str]], ...] = (
        ("slug", lambda row: row.slug),
        ("id", lambda row: str(row.id)),
        ("backends", lambda row: row.backends or "-"),
    )
    print_table(rows, columns)
