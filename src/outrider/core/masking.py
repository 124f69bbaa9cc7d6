"""Keeps secrets out of what is written down: by the names of fields, and by how secrets look inside texts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

MASK: Final = "***"
_DEPTH: Final = 12
_SHORTEST: Final = 8
_SHORTEST_BOT_TOKEN: Final = 33

_secret_names: set[str] = {
    "authorization",
    "cookie",
    "database_url",
    "master_key",
    "old_master_keys",
    "passphrase",
    "password",
    "proxy_authorization",
    "secret",
    "set_cookie",
    "token",
}
_SECRET_ENDINGS: Final = ("_secret", "_token", "_password", "_passphrase", "apikey", "api_key", "private_key")


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one kind of secret looks in a text; the pattern is only tried where a trigger occurs in lower case."""

    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str


def _rule(triggers: tuple[str, ...], pattern: str, replacement: str = rf"\1{MASK}") -> _Rule:
    return _Rule(triggers, re.compile(pattern, re.IGNORECASE), replacement)


# No pattern begins with an open repetition, so that every search is linear in the text.
_RULES: Final = (
    _rule(
        ("otr_", "obk_live_", "whsec_"), r"\b(otr_(?:live|test|refresh|invite)_|obk_live_|whsec_)[\w+/=.-]+"
    ),
    _rule(("eyj",), r"\b(eyJ)[\w-]{1,2000}\.[\w-]{1,2000}\.[\w-]{1,500}"),
    _rule(("/webhooks/",), r"(/webhooks/[^/\s\"'?#]{1,200}/)[^/\s\"'?#]+"),
    _rule(("://",), r"(://[^\s:/@\"']{0,200}:)[^\s@\"']{1,500}(?=@)"),
    _rule(("bearer", "basic"), r"\b((?:bearer|basic)\s{1,4})[\w.~+/=:-]{8,}"),
    _rule(
        ("secret", "token", "pass", "authorization", "api"),
        r"((?:secret|token|passphrase|password|passwd|authorization|api[_-]?key)(?:[_-]key)?[\"']?\s{0,4}[:=]\s{0,4}"
        r"[\"']?)(?!(?:bearer|basic)\b|\*\*\*)[^\s\"',;&}\])]+",
    ),
)
_BOT_TOKEN: Final = re.compile(r"(?<![0-9])([0-9]{3,20}:)[A-Za-z0-9_-]{30,}")


def register_secret_names(names: Iterable[str]) -> None:
    """Mask the values of these fields, too, wherever they appear: the secret fields of manifests."""
    _secret_names.update(_normal(name) for name in names)


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name holds a secret."""
    normal = _normal(name)
    return normal in _secret_names or normal.endswith(_SECRET_ENDINGS)


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")


def mask_text(text: str) -> str:
    """Put a mask over every secret in a text."""
    if len(text) < _SHORTEST:
        return text
    lower = text.lower()
    for rule in _RULES:
        for trigger in rule.triggers:
            if trigger in lower:
                text = rule.pattern.sub(rule.replacement, text)
                break
    if len(text) > _SHORTEST_BOT_TOKEN and ":" in text:
        text = _BOT_TOKEN.sub(rf"\1{MASK}", text)
    return text


def mask_value(value: object, depth: int = _DEPTH) -> object:
    """Mask a JSON-like value: texts by their looks, members by their names as well."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value).items()
        return {
            str(name): MASK if _hides(str(name), part) else _inside(part, depth) for name, part in members
        }
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, Sequence | set | frozenset):
        return [_inside(part, depth) for part in cast("Sequence[object]", value)]
    return value


def _hides(name: str, value: object) -> bool:
    return value is not None and is_secret_name(name)


def _inside(value: object, depth: int) -> object:
    return mask_value(value, depth - 1) if depth else "…"
