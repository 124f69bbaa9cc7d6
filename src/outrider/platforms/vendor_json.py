"""JSON as vendors speak it: a missing or odd value reads as absent, and nothing here raises but `read`."""

import json
from typing import cast

import orjson

from outrider.core.storable import parse_vendor_json, shown_json
from outrider.platforms.base import JsonObject

LONGEST_ID = 255
"""Longer identifiers are nobody's: no vendor sends them and no index takes them."""


def read(raw: bytes) -> object:
    """Read a vendor's body, NUL and lone surrogates shown as U+FFFD; ValueError if it is not JSON."""
    return shown_json(parse_vendor_json(raw))


def write(value: JsonObject) -> bytes:
    """Write a request's body."""
    return write_any(value)


def write_any(value: object) -> bytes:
    """Write any JSON; what JSON cannot carry (a lone surrogate) goes out as U+FFFD."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(shown_json(value), default=str).encode()


def as_object(value: object) -> JsonObject:
    """The value if it is a JSON object, else an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The value if it is a JSON array, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def as_text(value: object) -> str | None:
    """The value if it is a string that says something, else None."""
    return value if isinstance(value, str) and value else None


def as_id(value: object) -> str | None:
    """An identifier: a string, or a whole number written as one; vendors change between the two."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return as_text(value)


def as_short_id(value: object) -> str | None:
    """An identifier that may become a key, else None."""
    identifier = as_id(value)
    return identifier if identifier is not None and len(identifier) <= LONGEST_ID else None


def as_name(value: object) -> str | None:
    """A person's name as the vendor tells it, shortened to what a list can show."""
    name = as_text(value)
    return name.strip()[:LONGEST_ID] or None if name else None
