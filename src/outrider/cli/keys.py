"""`outrider keys`: creates, lists and revokes API keys. Only a new key itself goes to standard output."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.cli.tables import print_table
from outrider.core.errors import NotFound
from outrider.core.ids import parse_id
from outrider.tenancy.actors import Environment, Scope
from outrider.tenancy.api_keys import ApiKey, NewApiKey, create_api_key, list_api_keys, revoke_api_key
from outrider.tenancy.applications import find_application
from outrider.tenancy.context import TenancyContext


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        match arguments.action:
            case "create":
                await _create(context, organisation_id, arguments)
            case "list":
                _print_table(await list_api_keys(context, organisation_id))
            case _:
                await revoke_api_key(context, organisation_id, parse_id(arguments.key_id))
                print("Revoked.", file=sys.stderr)
    return 0


async def _create(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    application = await find_application(context, organisation_id, arguments.application or "")
    if application is None:
        raise NotFound(f"The organisation has no application with the slug {arguments.application!r}.")
    expires_at = datetime.now(UTC) + timedelta(days=arguments.days) if arguments.days else None
    new = NewApiKey(
        application_id=application.id,
        name=arguments.name,
        scopes=arguments.scope or [Scope.ALL],
        environment=Environment.TEST if arguments.test else Environment.LIVE,
        expires_at=expires_at,
    )
    created = await create_api_key(context, organisation_id, new)
    print(f"Key {created.id} of {application.name}; it is not shown again:", file=sys.stderr)
    print(created.token)


def _print_table(keys: list[ApiKey]) -> None:
    columns: tuple[tuple[str, Callable[[ApiKey], str]], ...] = (
        ("id", lambda key: str(key.id)),
        ("key", lambda key: key.masked_token),
        ("state", _state),
        ("created", lambda key: f"{key.created_at:%Y-%m-%d %H:%M}"),
        ("scopes", lambda key: ",".join(key.scopes)),
        ("name", lambda key: key.name),
    )
    print_table(keys, columns)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "active"
    state = "expired" if key.expires_at <= datetime.now(UTC) else "until"
    return f"{state} {key.expires_at:%Y-%m-%d}"
