"""`outrider lists`: makes, lists and archives lists of contacts. Only ids and tables go to standard output."""

import sys
from collections.abc import Callable
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.cli.tables import print_table
from outrider.core.errors import NotFound
from outrider.core.ids import parse_id
from outrider.outreach import lists
from outrider.outreach.acting import MOST_LISTED
from outrider.outreach.lists import NewList
from outrider.outreach.values import ContactList
from outrider.tenancy.applications import find_application
from outrider.tenancy.backends import find_account
from outrider.tenancy.context import TenancyContext


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        match arguments.action:
            case "create":
                print((await _create(context, organisation_id, arguments)).id)
            case "list":
                await _print(context, organisation_id, is_archived_wanted=arguments.archived)
            case "archive":
                await lists.archive_list(context, organisation_id, parse_id(arguments.list_id), by=None)
                print("Archived.", file=sys.stderr)
            case _:
                await lists.unarchive_list(context, organisation_id, parse_id(arguments.list_id), by=None)
                print("Brought back.", file=sys.stderr)
    return 0


async def _create(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> ContactList:
    application = account_id = None
    if arguments.application is not None:
        application = await find_application(context, organisation_id, arguments.application)
        if application is None:
            raise NotFound(f"The organisation has no application with the slug {arguments.application!r}.")
    if arguments.account is not None:
        account_id = await find_account(context, organisation_id, arguments.account)
        if account_id is None:
            raise NotFound(f"The organisation has no account {arguments.account!r}.")
    new = NewList(
        name=arguments.name,
        description=arguments.description,
        connection_point=arguments.connection_point,
        goal=arguments.goal,
        application_id=application.id if application else None,
        account_id=account_id,
    )
    return await lists.create_list(context, organisation_id, new, by=None)


async def _print(context: TenancyContext, organisation_id: UUID, *, is_archived_wanted: bool) -> None:
    rows: list[tuple[ContactList, int]] = []
    after: UUID | None = None
    while True:
        page = await lists.list_lists(
            context,
            organisation_id,
            first=MOST_LISTED,
            after=after,
            is_archived_wanted=is_archived_wanted,
            by=None,
        )
        rows += [(one, await lists.count_contacts(context, organisation_id, one.id)) for one in page.items]
        if not page.has_next:
            break
        after = page.items[-1].id
    columns: tuple[tuple[str, Callable[[tuple[ContactList, int]], str]], ...] = (
        ("id", lambda row: str(row[0].id)),
        ("contacts", lambda row: str(row[1])),
        ("source", lambda row: row[0].source_type.value),
        (
            "state",
            lambda row: "active" if row[0].archived_at is None else f"archived {row[0].archived_at:%Y-%m-%d}",
        ),
        ("name", lambda row: row[0].name),
    )
    print_table(rows, columns)
