"""A connection's config against its provider's manifest: checked whole, split for sealing, masked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never, cast
from urllib.parse import urlsplit

from outrider.platforms.base import ConfigField, FieldKind, JsonObject, Manifest

MASK = "********"
"""What a secret reads as once it is stored."""

_LONGEST_TEXT = 8192


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong with a config; `path` says where (`config.bot_token`). Never holds the value."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """A valid config in two parts: what may be stored as it is and what must be sealed."""

    public: JsonObject
    secrets: JsonObject


def check_config(manifest: Manifest, config: object) -> CheckedConfig | tuple[ConfigProblem, ...]:
    """Check a config as the caller gave it; every problem is reported. A null value means absent."""
    if not isinstance(config, Mapping):
        return (ConfigProblem("config", "must be an object"),)
    entries = cast("Mapping[object, object]", config)
    given = {str(key): value for key, value in entries.items() if value is not None}
    problems = _unknown_keys(manifest, given)
    for field in manifest.config_fields:
        problem = _problem_of(field, given)
        if problem is not None:
            problems.append(ConfigProblem(f"config.{field.name}", problem))
    if problems:
        return tuple(problems)
    secret_names = {field.name for field in manifest.config_fields if field.is_secret}
    return CheckedConfig(
        public={name: value for name, value in given.items() if name not in secret_names},
        secrets={name: value for name, value in given.items() if name in secret_names},
    )


def opened_config(
    manifest: Manifest, public: Mapping[str, object], secrets: Mapping[str, object]
) -> JsonObject:
    """The config as an adapter reads it: the manifest's defaults under what is stored."""
    defaults: JsonObject = {
        field.name: field.default for field in manifest.config_fields if field.default is not None
    }
    return defaults | dict(public) | dict(secrets)


def masked_config(checked: CheckedConfig) -> JsonObject:
    """The config as it is stored readable and shown: secrets that are set stand there as `MASK`."""
    return checked.public | dict.fromkeys(checked.secrets, MASK)


def _unknown_keys(manifest: Manifest, given: Mapping[str, object]) -> list[ConfigProblem]:
    known = {field.name for field in manifest.config_fields}
    allowed = ", ".join(sorted(known)) or "none"
    return [
        ConfigProblem(
            f"config.{name[:100]}", f"is not a setting of {manifest.name}; its settings are: {allowed}"
        )
        for name in given
        if name not in known
    ]


def _problem_of(field: ConfigField, given: Mapping[str, object]) -> str | None:
    if field.name not in given:
        return "is required" if field.is_required and field.default is None else None
    value = given[field.name]
    if field.is_secret and value == MASK:
        return "is the mask that is shown in place of a secret, not the secret"
    problem = _type_problem(field, value)
    if problem is None and field.choices and value not in field.choices:
        return f"must be one of: {', '.join(field.choices)}"
    return problem


def _type_problem(field: ConfigField, value: object) -> str | None:
    match field.kind:
        case FieldKind.BOOLEAN:
            return None if isinstance(value, bool) else "must be true or false"
        case FieldKind.INTEGER:
            return _integer_problem(field, value)
        case FieldKind.TEXT:
            return _text_problem(value)
        case FieldKind.URL:
            return _text_problem(value) or _url_problem(str(value))
        case _:
            assert_never(field.kind)


def _integer_problem(field: ConfigField, value: object) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return "must be a whole number"
    if not field.minimum <= value <= field.maximum:
        return f"must lie between {field.minimum} and {field.maximum}"
    return None


def _text_problem(value: object) -> str | None:
    if not isinstance(value, str):
        return "must be a string"
    if not value.strip():
        return "must not be empty"
    if len(value) > _LONGEST_TEXT:
        return f"must have at most {_LONGEST_TEXT} characters"
    if any(ord(character) < 32 or 0xD800 <= ord(character) <= 0xDFFF for character in value):
        return "must not hold control characters or lone surrogates"
    return None


def _url_problem(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "must be an http or https URL"
    if not is_url or any(character.isspace() for character in value):
        return "must be an http or https URL"
    if parts.username is not None or parts.query or parts.fragment:
        return "must hold no user name, query or fragment"
    return None
