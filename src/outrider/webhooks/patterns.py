"""Patterns of subscriptions: exact, `prefix.*`, `*`, and two names for groups of types.

An event type is matched by equality with the few patterns that could want it: `message.status` stands for
what becomes of a message, `custom.*` for every type of the customer's own.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from outrider.core.errors import ValidationError

EVERYTHING: Final = "*"
STATUS: Final = "message.status"
CUSTOM: Final = "custom.*"
OUTERACT: Final = "outeract"
OUTKIT: Final = "outkit"
OUTBOUND: Final = "outbound"
FAMILIES: Final = (OUTERACT, OUTKIT, OUTBOUND)
"""In which contract's words an endpoint is told of events."""
_OUTKIT_EVENTS: Final = {
    "message.outbound": "message.submitted",
    "message.rendered": "message.rendered",
    "message.sent": "message.delivered",
    "message.failed": "message.failed",
    "message.done": "message.done",
}
TEST: Final = "system.webhook.test"
"""The type of test events: no pattern wants it, each goes to one subscription by name."""

_STATUS_TYPES: Final = frozenset({"message.sent", "message.delivered", "message.read", "message.failed"})
_RESERVED_PREFIXES: Final = ("message.", "user.", "system.", "link_code.")
_OTHER_BUILT_INS: Final = frozenset({"file.inbound"})
_LONGEST: Final = 255
_TYPE: Final = re.compile(r"[a-z0-9_.]+")


@lru_cache(maxsize=8192)
def candidate_patterns(event_type: str) -> tuple[str, ...]:
    """Name every pattern that wants this event type, each once."""
    if event_type == TEST:
        return ()
    parts = event_type.split(".")
    patterns = {event_type, EVERYTHING}
    patterns.update(f"{'.'.join(parts[:length])}.*" for length in range(1, len(parts)))
    if event_type in _STATUS_TYPES:
        patterns.add(STATUS)
    # The name of a group wins over the letter: `custom.*` means no more and no less than the customer's types.
    patterns.discard(CUSTOM)
    if is_custom(event_type):
        patterns.add(CUSTOM)
    if event_type in _OUTKIT_EVENTS:
        patterns.add(f"{OUTKIT}:{_OUTKIT_EVENTS[event_type]}")
    return tuple(sorted(patterns))


def outkit_event(event_type: str) -> str | None:
    """What an event is called in the family outkit, None if it is not told there."""
    return _OUTKIT_EVENTS.get(event_type)


def stored_patterns(family: str, patterns: Iterable[str]) -> tuple[str, ...]:
    """Patterns as events are matched with them: those of the family outkit stand apart from all others."""
    return tuple(f"{OUTKIT}:{one}" if family == OUTKIT else one for one in patterns)


def outkit_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Give the names of events that patterns of the family outkit want, each once, or refuse them."""
    names = tuple(_OUTKIT_EVENTS.values())
    found: list[str] = []
    for pattern in patterns:
        if pattern in {EVERYTHING, "message.*"}:
            found += names
        elif pattern in names:
            found.append(pattern)
        else:
            raise ValidationError(
                f"{pattern[:100]!r} is no event of this family; its events are: {', '.join(names)}, or *.",
                path="eventPatterns",
            )
    return tuple(dict.fromkeys(found))


def is_custom(event_type: str) -> bool:
    """Whether an event type is the customer's own."""
    return not event_type.startswith(_RESERVED_PREFIXES) and event_type not in _OTHER_BUILT_INS


def validate_pattern(text: str) -> str:
    """Give a pattern as it is, or refuse it."""
    name = text.removesuffix(".*")
    if text != EVERYTHING and not (len(text) <= _LONGEST and _TYPE.fullmatch(name)):
        raise ValidationError(
            f"{text[:100]!r} is not an event pattern: a type (message.inbound), a prefix (message.*) or * is expected.",
            path="eventPatterns",
        )
    return text
