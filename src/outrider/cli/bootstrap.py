"""`outrider bootstrap`: an organisation, an application, a key and an owner to begin with, the same ones every time.

What was printed is kept in `bootstrap.json` in the data directory. Without that file, or when it tells of another
database, the organisation and application of the same name are used again, keys named `bootstrap` are replaced, and
the owner gets another password.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.first_members import provide_owner
from outrider.cli.kept_files import keep, read_kept
from outrider.cli.opening import load_settings, opened_tenancy
from outrider.core.data_dirs import make_data_dir
from outrider.core.database.embedded.file_locks import exclusively
from outrider.core.errors import ValidationError
from outrider.tenancy.actors import Scope
from outrider.tenancy.api_keys import NewApiKey, create_api_key
from outrider.tenancy.applications import create_application, find_application, owner_of_application
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.message_keys import NewMessageKey, create_message_key
from outrider.tenancy.naming import slug_of
from outrider.tenancy.organisations import create_organisation, find_organisations
from outrider.tenancy.read_keys import NewReadKey, create_read_key

DEFAULT_NAME: Final = "Default"
KEY_NAME: Final = "bootstrap"
# What a file of an earlier release may lack.
_LATER: Final = frozenset({"admin_email", "admin_password", "message_api_key", "read_api_key"})


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What is printed; the names are an interface that other tools rely on."""

    organisation_id: str
    application_id: str
    application_slug: str
    developer_api_key: str
    message_api_key: Mapping[str, str]
    read_api_key: str
    admin_email: str
    admin_password: str
    base_url: str


async def run(arguments: Arguments) -> int:
    """Print what was created, or what was there."""
    settings = load_settings()
    async with opened_tenancy(settings) as context:
        make_data_dir(settings.data_dir)
        async with exclusively(settings.data_dir / "bootstrap.lock"):
            given = await provide_bootstrap(
                context,
                settings.data_dir / "bootstrap.json",
                organisation=arguments.organisation,
                application=arguments.application,
            )
    if arguments.output == "json":
        print(json.dumps(asdict(given), indent=2))
    else:
        for name, text in asdict(given).items():
            if name == "message_api_key":
                for part, value in given.message_api_key.items():
                    print(f"{f'message_{part}':18} {value}")
            else:
                print(f"{name:18} {text}")
    return 0


async def provide_bootstrap(
    context: TenancyContext, path: Path, *, organisation: str | None = None, application: str | None = None
) -> Bootstrap:
    """Give what the file keeps, or create it; one caller at a time."""
    kept = read_kept(path)
    if kept is not None and await _is_of_this_database(context, kept):
        await _refuse_other_names(context, path, kept, organisation, application)
        completed = await _completed(context, kept)
        completed["base_url"] = context.public_url
        given = Bootstrap(**completed)
    else:
        given = await _create(context, organisation or DEFAULT_NAME, application or DEFAULT_NAME)
    if asdict(given) != kept:
        keep(path, asdict(given))
    return given


async def _is_of_this_database(context: TenancyContext, kept: Mapping[str, Any]) -> bool:
    if kept.keys() | _LATER != Bootstrap.__dataclass_fields__.keys():
        return False
    owner = await owner_of_application(context, UUID(kept["application_id"]))
    return owner == UUID(kept["organisation_id"])


async def _completed(context: TenancyContext, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept; a file of a release that knew less gets what it lacks."""
    organisation_id = UUID(kept["organisation_id"])
    completed: dict[str, Any] = dict(kept)
    if "admin_email" not in kept or "admin_password" not in kept:
        admin = await provide_owner(context, organisation_id, DEFAULT_NAME)
        completed |= {"admin_email": admin.email, "admin_password": admin.password}
    if "message_api_key" not in kept:
        completed["message_api_key"] = await _message_key(context, organisation_id)
    if "read_api_key" not in kept:
        completed["read_api_key"] = await _read_key(context, organisation_id)
    return completed


async def _message_key(context: TenancyContext, organisation_id: UUID) -> dict[str, str]:
    new = NewMessageKey(name=KEY_NAME)
    created = await create_message_key(context, organisation_id, new, is_replacing=True)
    return {"key": created.key, "secret": created.secret, "passphrase": created.passphrase}


async def _read_key(context: TenancyContext, organisation_id: UUID) -> str:
    created = await create_read_key(context, organisation_id, NewReadKey(name=KEY_NAME), is_replacing=True)
    return created.token


async def _refuse_other_names(
    context: TenancyContext,
    path: Path,
    kept: Mapping[str, Any],
    organisation: str | None,
    application: str | None,
) -> None:
    """Another organisation was asked for than the file tells of: neither answer would be what was meant."""
    namesakes = await find_organisations(context, name=organisation) if organisation else []
    is_other = organisation is not None and UUID(kept["organisation_id"]) not in {one.id for one in namesakes}
    if is_other or (application is not None and slug_of(application) != kept["application_slug"]):
        raise ValidationError(
            f"{path} keeps another organisation or application. Move it away to bootstrap a different one."
        )


async def _create(context: TenancyContext, organisation_name: str, application_name: str) -> Bootstrap:
    found = await find_organisations(context, name=organisation_name, limit=1)
    organisation = found[0] if found else await create_organisation(context, organisation_name)
    application = await find_application(
        context, organisation.id, slug_of(application_name)
    ) or await create_application(context, organisation.id, application_name)
    new = NewApiKey(application_id=application.id, name=KEY_NAME, scopes=[Scope.ALL])
    key = await create_api_key(context, organisation.id, new, is_replacing=True)
    admin = await provide_owner(context, organisation.id, organisation_name)
    return Bootstrap(
        organisation_id=str(organisation.id),
        application_id=str(application.id),
        application_slug=application.slug,
        developer_api_key=key.token,
        message_api_key=await _message_key(context, organisation.id),
        read_api_key=await _read_key(context, organisation.id),
        admin_email=admin.email,
        admin_password=admin.password,
        base_url=context.public_url,
    )
