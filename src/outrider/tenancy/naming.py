"""What tenants may call their things: display names, slugs of applications, identifiers of connections."""

import re
import secrets
import unicodedata

from outrider.core.errors import ValidationError

LONGEST_NAME = 200
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_IDENTIFIER = re.compile(r"[A-Za-z0-9+@](?:[A-Za-z0-9@+._-]{0,98}[A-Za-z0-9])?")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_SHOWN = frozenset({"Cc", "Cs"})


def checked_name(text: str, field: str = "name") -> str:
    """Give a display name without the space around it, or refuse it."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME:
        raise ValidationError(f"{field} must have 1 to {LONGEST_NAME} characters.", path=field)
    if not name.isprintable() and any(unicodedata.category(character) in _NOT_SHOWN for character in name):
        raise ValidationError(f"{field} must not hold control characters or lone surrogates.", path=field)
    return name


def checked_slug(text: str) -> str:
    """Give an application's slug as it is, or refuse it."""
    if not _SLUG.fullmatch(text):
        raise ValidationError(
            "slug must have 1 to 63 lower-case letters, digits and hyphens, with no hyphen at an end.",
            path="slug",
        )
    return text


def slug_of(name: str) -> str:
    """Make a slug from a name; a name without Latin letters or digits gives a random one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", plain).strip("-")[:63].strip("-") or f"application-{secrets.token_hex(4)}"


def checked_identifier(text: str) -> str:
    """Give an account's or connection's identifier as it is, or refuse it."""
    if not _IDENTIFIER.fullmatch(text):
        raise ValidationError(
            "identifier must have 1 to 100 letters, digits and any of @ + . _ - (the last three not at an end).",
            path="identifier",
        )
    return text
