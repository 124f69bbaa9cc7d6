"""Query strings of the read API, read: each parameter once, none that is not known, none that cannot be."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from outrider.core.errors import AppError, ValidationError
from outrider.core.ids import parse_id
from outrider.core.storable import storable_text
from outrider.events.event_names import LONGEST_NAME
from outrider.outreach.reading.values import DRAFT_STATUSES, Slice
from outrider.outreach.searching import LONGEST_QUERY
from outrider.surfaces.outbound_rest.cursors import read_cursor

USUAL_LIMIT: Final = 50
MOST_LISTED: Final = 200
MOST_TYPES: Final = 50
LONGEST_WORD: Final = 100
_MOST_PARAMETERS: Final = 20
_DIGITS: Final = re.compile(r"[0-9]{1,100}")
_SWITCHES: Final = {"1": True, "true": True, "0": False, "false": False}

Given = Mapping[str, Any]
"""The values of the parameters that were given."""


def _limit(text: str, name: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) < 1:
        raise _refused(name, f"must be a whole number from 1 on; above {MOST_LISTED} counts as {MOST_LISTED}")
    return min(int(text), MOST_LISTED)


def _cursor(text: str, _name: str) -> UUID:
    return read_cursor(text)


def _id(text: str, name: str) -> UUID:
    try:
        return parse_id(text)
    except AppError:
        raise _refused(name, "must be an id") from None


def _word(text: str, name: str) -> str:
    if not 1 <= len(text) <= LONGEST_WORD:
        raise _refused(name, f"must have 1 to {LONGEST_WORD} characters")
    return text


def _draft_status(text: str, name: str) -> str:
    if text not in DRAFT_STATUSES:
        raise _refused(name, f"must be one of {', '.join(DRAFT_STATUSES)}")
    return text


def _search(text: str, name: str) -> str | None:
    if len(text) > LONGEST_QUERY:
        raise _refused(name, f"may have at most {LONGEST_QUERY} characters")
    # an empty field of a form asks for nothing
    return text if text.strip() else None


def _switch(text: str, name: str) -> bool:
    if text not in _SWITCHES:
        raise _refused(name, "must be 1 or 0")
    return _SWITCHES[text]


def _event_types(text: str, name: str) -> Sequence[str]:
    names = [one.strip() for one in text.split(",")]
    if not all(1 <= len(one) <= LONGEST_NAME for one in names):
        raise _refused(name, "must be event types with a comma between each two")
    if len(names) > MOST_TYPES:
        raise _refused(name, f"may have at most {MOST_TYPES} event types")
    return sorted(set(names))


_READERS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "limit": _limit,
    "cursor": _cursor,
    "listId": _id,
    "contactId": _id,
    "qualificationStatus": _word,
    "q": _search,
    "status": _draft_status,
    "includeArchived": _switch,
    "eventType": _event_types,
}


def read_query(query: bytes, allowed: Sequence[str]) -> Given:
    """Read a query string that may have these parameters, or raise `ValidationError`."""
    found: dict[str, object] = {}
    for name, text in _pairs(query):
        if name not in allowed:
            raise ValidationError(f"There is no parameter {name[:64]!a} here.", path="query")
        if name in found:
            raise _refused(name, "may be given once")
        found[name] = _READERS[name](storable_text(text, name=name), name)
    return found


def slice_of(given: Given) -> Slice:
    """Which part of a list is asked for."""
    return Slice(given.get("limit", USUAL_LIMIT), given.get("cursor"))


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise ValidationError(
            "The query string is not a list of names and values in percent-encoded UTF-8.", path="query"
        ) from None


def _refused(name: str, why: str) -> ValidationError:
    return ValidationError(f"{name} {why}.", path=name)
