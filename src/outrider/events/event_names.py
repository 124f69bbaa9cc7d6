"""Names of event types: what customers may call theirs, which names are ours, and the id that a name has."""

import re
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from outrider.core.errors import ValidationError

RESERVED_PREFIXES: Final = ("message.", "user.", "system.", "link_code.")
BUILT_IN_TYPES: Final = frozenset({"file.inbound"})
"""Built-in types outside the reserved prefixes."""
LONGEST_NAME: Final = 255

_NAME: Final = re.compile(r"[a-z0-9_.]+")


def check_event_name(name: str, path: str = "eventType") -> None:
    """Raise `ValidationError` unless a customer may name an event type so."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ValidationError(
            f"An event type has 1 to {LONGEST_NAME} characters of a-z, 0-9, dot and underscore.", path=path
        )
    for prefix in RESERVED_PREFIXES:
        if name.startswith(prefix):
            raise ValidationError(f"Event types that begin with {prefix} are reserved.", path=path)
    if name in BUILT_IN_TYPES:
        raise ValidationError(f"{name} is a built-in event type.", path=path)


@lru_cache(maxsize=8192)
def event_type_id(application_id: UUID, name: str) -> UUID:
    """The id of an event type in an application, and of its schema if it has one."""
    return uuid5(application_id, name)
