"""The demo of `outrider dev`: an organisation with sandbox connections, which reach nobody, made once.

Everything is kept in one file. Without the file, or when it tells of another database, there is a new demo:
webhook addresses cannot be read again, so an old one would be of no use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from outrider.cli.first_members import provide_owner
from outrider.cli.kept_files import keep, read_kept
from outrider.platforms.base import Channel
from outrider.tenancy.actors import Actor, Environment, Scope
from outrider.tenancy.api_keys import NewApiKey, create_api_key
from outrider.tenancy.applications import create_application, owner_of_application
from outrider.tenancy.backends import find_account, set_default_backend
from outrider.tenancy.connections import NewConnection, create_connection
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.organisations import create_organisation

CHANNELS: Final = (Channel.TELEGRAM, Channel.WHATSAPP, Channel.SLACK, Channel.SMS, Channel.EMAIL)


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo: ids, addresses and the key by their names; `is_new` if this call made it."""

    values: Mapping[str, str]
    is_new: bool


async def provide_demo(context: TenancyContext, path: Path) -> Demo:
    """Give the demo that the file keeps, or create it."""
    kept = read_kept(path)
    if kept is not None and await _is_of_this_database(context, kept):
        return Demo(kept, is_new=False)
    values = await _create(context)
    keep(path, values)
    return Demo(values, is_new=True)


async def _is_of_this_database(context: TenancyContext, kept: Mapping[str, str]) -> bool:
    if not kept.keys() >= {"application_id", "admin_email"}:
        return False
    return await owner_of_application(context, UUID(kept["application_id"])) is not None


async def _create(context: TenancyContext) -> dict[str, str]:
    organisation = await create_organisation(context, "Demo")
    application = await create_application(context, organisation.id, "Demo")
    new = NewApiKey(application_id=application.id, name="demo", scopes=[Scope.ALL])
    key = await create_api_key(context, organisation.id, new)
    admin = await provide_owner(context, organisation.id, "Demo")
    actor = Actor(organisation.id, application.id, key.id, frozenset({Scope.ALL}), Environment.LIVE)
    values = {
        "organisation_id": str(organisation.id),
        "application_id": str(application.id),
        "developer_api_key": key.token,
        "admin_email": admin.email,
        "admin_password": admin.password,
    }
    for channel in CHANNELS:
        identifier = f"demo-{channel}"
        connection = await create_connection(
            context,
            actor,
            NewConnection(channel=channel, name=f"Demo {channel}", provider="sandbox", identifier=identifier),
        )
        account_id = await find_account(context, organisation.id, identifier)
        await set_default_backend(
            context, organisation.id, application.id, channel=channel, account_id=account_id
        )
        values[f"{channel}_connection_id"] = str(connection.id)
        values[f"{channel}_webhook_url"] = str(connection.webhook_url)
    return values
