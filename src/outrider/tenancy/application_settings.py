"""What an application may set: the documented keys of its config, with their values and defaults."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, cast
from uuid import UUID

import orjson

from outrider.core.errors import NotFound, ValidationError
from outrider.tenancy import queries
from outrider.tenancy.actors import Actor, Scope
from outrider.tenancy.context import (
    Changed,
    TenancyContext,
    append_audit,
    settings_transaction,
    tell_change,
)
from outrider.tenancy.naming import checked_name
from outrider.tenancy.queries import ConfiguredRow

CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "auto_mark_read": ("never", "on_received", "on_processing_complete"),
        "link_code_auto_detect": ("disabled", "enabled"),
    }
)
"""The keys and what each may be; the first is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSettings:
    """The config in force: what was set, and the defaults of the rest."""

    auto_mark_read: Literal["never", "on_received", "on_processing_complete"] = "never"
    link_code_auto_detect: Literal["disabled", "enabled"] = "disabled"

    def as_config(self) -> dict[str, str]:
        """The config as callers read it."""
        return asdict(self)


DEFAULT_SETTINGS: Final = ApplicationSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationChanges:
    """What to change; None leaves it. In `config` a null value sets the default again."""

    name: str | None = None
    config: object = field(default=None)


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """An application as its keys see it."""

    id: UUID
    slug: str
    name: str
    settings: ApplicationSettings
    created_at: datetime


def read_settings(config: str) -> ApplicationSettings:
    """Read a stored config; what this release does not know is left out."""
    stored = cast("Mapping[str, object]", orjson.loads(config))
    known = {name: value for name, value in stored.items() if value in CHOICES.get(name, ())}
    return ApplicationSettings(**known)  # pyright: ignore[reportArgumentType]


async def get_application(context: TenancyContext, actor: Actor) -> ApplicationView:
    """Show the actor's application."""
    actor.require(Scope.EVENTS_READ)
    async with settings_transaction(context, actor.organisation_id) as connection:
        row = await queries.select_application_config(connection, actor.organisation_id, actor.application_id)
    if row is None:
        raise _missing(actor)
    return _view(row)


async def update_application(
    context: TenancyContext, actor: Actor, changes: ApplicationChanges
) -> ApplicationView:
    """Change the actor's application; processes hear of it at once."""
    actor.require(Scope.ALL)
    name = None if changes.name is None else checked_name(changes.name)
    wanted = checked_config(changes.config)
    async with settings_transaction(context, actor.organisation_id) as connection:
        row = await queries.select_application_config(
            connection, actor.organisation_id, actor.application_id, is_locked=True
        )
        if row is None:
            raise _missing(actor)
        config = _merged(row.config, wanted)
        changed = ConfiguredRow(row.id, row.slug, name or row.name, config, row.created_at)
        await queries.update_application(
            connection,
            actor.organisation_id,
            actor.application_id,
            name=changed.name,
            config=config,
        )
        await tell_change(connection, Changed.APPLICATION, actor.application_id)
        payload = {"application_id": row.id, "name": changed.name, "config": orjson.loads(config)}
        await append_audit(
            context, connection, actor.organisation_id, "system.application.updated", payload, by=actor
        )
    return _view(changed)


def checked_config(config: object) -> dict[str, str | None]:
    """Give the keys that are to be changed, or refuse the config; None and {} change nothing."""
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ValidationError("config must be an object.", path="config")
    checked: dict[str, str | None] = {}
    for key, value in cast("Mapping[object, object]", config).items():
        name = str(key)
        if name not in CHOICES:
            raise ValidationError(
                f"{name[:100]!r} is not a setting of an application; its settings are: {', '.join(CHOICES)}.",
                path="config",
            )
        if value is not None and not (isinstance(value, str) and value in CHOICES[name]):
            raise ValidationError(
                f"{name} must be one of: {', '.join(CHOICES[name])}.", path=f"config.{name}"
            )
        checked[name] = value
    return checked


def new_config(config: object) -> dict[str, str]:
    """Give the config of a new application, or refuse it."""
    return {name: value for name, value in checked_config(config).items() if value is not None}


def _merged(stored: str, wanted: Mapping[str, str | None]) -> str:
    config = cast("dict[str, object]", orjson.loads(stored)) | dict(wanted)
    return orjson.dumps({name: value for name, value in config.items() if value is not None}).decode()


def _view(row: ConfiguredRow) -> ApplicationView:
    return ApplicationView(row.id, row.slug, row.name, read_settings(row.config), row.created_at)


def _missing(actor: Actor) -> NotFound:
    return NotFound(resource_type="Application", resource_id=str(actor.application_id))
