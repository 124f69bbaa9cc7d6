"""`outrider backends`: creates and lists accounts at providers, which all projects may send through."""

import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.cli.tables import print_table
from outrider.core.errors import ValidationError
from outrider.core.outgoing import OutgoingHttp
from outrider.core.sealing import open_sealer
from outrider.core.storable import parse_api_json
from outrider.platforms.base import Channel
from outrider.runtime.adapters import open_adapters
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.managing_accounts import (
    AccountView,
    NewOwnAccount,
    create_account_by_operator,
    list_accounts_of,
)


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    settings = load_settings()
    http = OutgoingHttp(allow_private_targets=settings.allow_private_targets)
    try:
        _, registry = open_adapters(settings, http, open_sealer(settings))
        async with opened_tenancy(settings, registry) as context:
            organisation_id = await chosen_organisation(context, arguments.organisation)
            if arguments.action == "create":
                await _create(context, organisation_id, arguments)
            else:
                _print(await list_accounts_of(context, organisation_id))
    finally:
        await http.close()
    return 0


async def _create(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    created = await create_account_by_operator(
        context,
        organisation_id,
        NewOwnAccount(
            channel=Channel(arguments.channel),
            provider=arguments.provider,
            identifier=arguments.identifier,
            config=_config(arguments.config),
        ),
    )
    print(created.identifier)
    print(f"Its webhooks go to {created.webhook_url} (this is not shown again).", file=sys.stderr)


def _config(file: str | None) -> object:
    """The config, which holds secrets and so is read from a file or standard input, never from the arguments."""
    if file is None:
        return None
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValidationError(f"The config {file} cannot be read: {reason}.", path="config") from None
    return parse_api_json(raw)


def _print(accounts: list[AccountView]) -> None:
    columns: tuple[tuple[str, Callable[[AccountView], str]], ...] = (
        ("backend", lambda one: one.identifier),
        ("type", lambda one: one.channel),
        ("provider", lambda one: one.provider),
        ("id", lambda one: str(one.id)),
    )
    print_table(accounts, columns)
