"""`outrider keys`: creates, lists and revokes keys. Only a new key itself goes to standard output."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from outrider.tenancy.message_keys import (
    MessageKey,
    NewMessageKey,
    create_message_key,
    list_message_keys,
    revoke_message_key,
)
from outrider.tenancy.read_keys import (
    NewReadKey,
    ReadKey,
    ReadScope,
    create_read_key,
    list_read_keys,
    revoke_read_key,
)


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        match arguments.action:
            case "create":
                await _create(context, organisation_id, arguments)
            case "create-message":
                await _create_message_key(context, organisation_id, arguments)
            case "create-read":
                await _create_read_key(context, organisation_id, arguments)
            case "list":
                keys = await list_api_keys(context, organisation_id)
                message_keys = await list_message_keys(context, organisation_id)
                read_keys = await list_read_keys(context, organisation_id)
                _print_table([*map(_row, keys), *map(_message_row, message_keys), *map(_row, read_keys)])
            case _:
                await _revoke(context, organisation_id, parse_id(arguments.key_id))
                print("Revoked.", file=sys.stderr)
    return 0


async def _create(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    application_id = await _application_id(context, organisation_id, arguments.application or "")
    new = NewApiKey(
        application_id=application_id,
        name=arguments.name,
        scopes=arguments.scope or [Scope.ALL],
        environment=Environment.TEST if arguments.test else Environment.LIVE,
        expires_at=_expiry(arguments),
    )
    created = await create_api_key(context, organisation_id, new)
    print(f"Key {created.id} of {arguments.application}; it is not shown again:", file=sys.stderr)
    print(created.token)


async def _create_message_key(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    reached = [await _application_id(context, organisation_id, slug) for slug in arguments.reached or ()]
    new = NewMessageKey(
        name=arguments.name,
        application_ids=reached or None,
        is_signing_required=not arguments.unsigned,
        is_secret_waived=arguments.waive_secret,
    )
    created = await create_message_key(context, organisation_id, new)
    print(f"Message key {created.id}; it is not shown again:", file=sys.stderr)
    told = {"key": created.key, "secret": created.secret, "passphrase": created.passphrase}
    print(json.dumps(told, indent=2))


async def _create_read_key(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    new = NewReadKey(
        name=arguments.name, scopes=arguments.scope or list(ReadScope), expires_at=_expiry(arguments)
    )
    created = await create_read_key(context, organisation_id, new)
    print(f"Read key {created.id}; it is not shown again:", file=sys.stderr)
    print(created.token)


def _expiry(arguments: Arguments) -> datetime | None:
    return datetime.now(UTC) + timedelta(days=arguments.days) if arguments.days else None


async def _application_id(context: TenancyContext, organisation_id: UUID, slug: str) -> UUID:
    application = await find_application(context, organisation_id, slug)
    if application is None:
        raise NotFound(f"The organisation has no application with the slug {slug!r}.")
    return application.id


async def _revoke(context: TenancyContext, organisation_id: UUID, key_id: UUID) -> None:
    if any(key.id == key_id for key in await list_message_keys(context, organisation_id)):
        await revoke_message_key(context, organisation_id, key_id)
    elif any(key.id == key_id for key in await list_read_keys(context, organisation_id)):
        await revoke_read_key(context, organisation_id, key_id)
    else:
        await revoke_api_key(context, organisation_id, key_id)


@dataclass(frozen=True, slots=True)
class _Row:
    """A key of any kind, as the table shows it."""

    id: UUID
    key: str
    state: str
    created_at: datetime
    scopes: str
    name: str


def _row(key: ApiKey | ReadKey) -> _Row:
    return _Row(key.id, key.masked_token, _state(key), key.created_at, ",".join(key.scopes), key.name)


def _message_row(key: MessageKey) -> _Row:
    state = "active" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}"
    return _Row(key.id, f"{key.key[:8]}…", state, key.created_at, "messages", key.name)


def _print_table(keys: Sequence[_Row]) -> None:
    columns: tuple[tuple[str, Callable[[_Row], str]], ...] = (
        ("id", lambda key: str(key.id)),
        ("key", lambda key: key.key),
        ("state", lambda key: key.state),
        ("created", lambda key: f"{key.created_at:%Y-%m-%d %H:%M}"),
        ("scopes", lambda key: key.scopes),
        ("name", lambda key: key.name),
    )
    print_table(keys, columns)


def _state(key: ApiKey | ReadKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "active"
    state = "expired" if key.expires_at <= datetime.now(UTC) else "until"
    return f"{state} {key.expires_at:%Y-%m-%d}"
