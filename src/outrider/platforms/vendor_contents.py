"""Places and contacts as vendors tell them, in the contract's shape; what says nothing is none."""

import math
from typing import Final

from outrider.platforms.base import JsonObject
from outrider.platforms.vendor_json import as_text

LONGEST_EMOJI: Final = 64
_LONGEST: Final = 1_000


def location_of(given: JsonObject) -> JsonObject | None:
    """A location with latitude and longitude, and what it is called."""
    latitude, longitude = _degrees(given.get("latitude"), 90), _degrees(given.get("longitude"), 180)
    if latitude is None or longitude is None:
        return None
    return {"latitude": latitude, "longitude": longitude, **_texts(given, ("name", "address"))}


def contact_of(given: JsonObject) -> JsonObject | None:
    """A contact with a name and a way to reach it."""
    contact = _texts(given, ("name", "phone", "email"))
    if not contact:
        return None
    return {"name": contact.get("name") or contact.get("phone") or contact.get("email"), **contact}


def _degrees(value: object, most: int) -> float | int | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return value if -most <= value <= most else None


def _texts(given: JsonObject, names: tuple[str, ...]) -> JsonObject:
    found = {name: as_text(given.get(name)) for name in names}
    return {name: text[:_LONGEST] for name, text in found.items() if text is not None}
