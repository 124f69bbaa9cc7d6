"""What the OpenAPI document tells of values beyond their type. The operations check it; here it is written down."""

from collections.abc import Mapping
from typing import Any, Final, cast

from outrider.events import creating, schemas
from outrider.events.event_names import BUILT_IN_TYPES, LONGEST_NAME, RESERVED_PREFIXES
from outrider.events.logs.creating import LONGEST_MESSAGE
from outrider.events.logs.cross_tenant import LogLevel
from outrider.identity.link_codes import MOST_MINUTES, MOST_USES
from outrider.tenancy.naming import LONGEST_NAME as LONGEST_DISPLAY_NAME
from outrider.webhooks.subscriptions import MOST_PATTERNS

Bounds = Mapping[str, Any]

_RESERVED: Final = "|".join(prefix.replace(".", "\\.") for prefix in RESERVED_PREFIXES)
_BUILT_IN: Final = "|".join(name.replace(".", "\\.") for name in sorted(BUILT_IN_TYPES))
_EVENT_TYPE: Final[Bounds] = {
    "minLength": 1,
    "maxLength": LONGEST_NAME,
    "pattern": f"^(?!{_RESERVED})(?!(?:{_BUILT_IN})$)[a-z0-9_.]+$",
}
# Something to be seen, and no control characters.
_NAME: Final[Bounds] = {
    "minLength": 1,
    "maxLength": LONGEST_DISPLAY_NAME,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$",
}
_OBJECT: Final[Bounds] = {"type": "object"}

_BOUNDS: Final[Mapping[str, Bounds]] = {
    "name": _NAME,
    "createEventSchema.name": _EVENT_TYPE,
    "eventType": _EVENT_TYPE,
    # anything but null
    "payload": {"type": ["object", "array", "string", "number", "boolean"]},
    "createLog.payload": {},
    "edges": {"maxItems": creating.MOST_EDGES},
    "edgeType": {"minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"^[A-Za-z0-9_.\-]+$"},
    "idempotencyKey": {"minLength": 1, "maxLength": LONGEST_NAME},
    "description": {"maxLength": schemas.LONGEST_DESCRIPTION},
    "jsonSchema": _OBJECT,
    "createLog.message": {"minLength": 1, "maxLength": LONGEST_MESSAGE},
    "logLevel": {"enum": [level.value for level in LogLevel]},
    "logType": {"pattern": "^[A-Za-z0-9_.:-]{1,100}$"},
    "config": _OBJECT,
    "content": _OBJECT,
    "metadata": _OBJECT,
    "expiryMinutes": {"minimum": 1, "maximum": MOST_MINUTES},
    "maxUses": {"minimum": 1, "maximum": MOST_USES},
    "code": {"pattern": "^[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}$"},
    "targetUrl": {"format": "uri"},
    "profilePictureUrl": {"format": "uri"},
    "secret": {"minLength": 32},
    "eventPatterns": {"minItems": 1, "maxItems": MOST_PATTERNS},
    "eventPatterns[]": {"pattern": r"^(\*|[a-z0-9_.]+(\.\*)?)$", "maxLength": LONGEST_NAME},
    "inputs": {"minItems": 1},
    "identifier": {"pattern": "^[A-Za-z0-9+@](?:[A-Za-z0-9@+._-]{0,98}[A-Za-z0-9])?$"},
}


_LOOSE: Final = ("minLength", "maxLength", "pattern", "minItems", "maxItems", "minimum", "maximum")


def loosened(schema: Any) -> Any:
    """Give the schema of an entry of a batch: what is only out of bounds is answered at its place."""
    if isinstance(schema, dict):
        members = cast("dict[str, Any]", schema)
        return {name: loosened(part) for name, part in members.items() if name not in _LOOSE}
    if isinstance(schema, list):
        return [loosened(part) for part in cast("list[Any]", schema)]
    return schema


def bounds_of(owner: str, argument: str) -> Bounds:
    """Give the keywords of JSON Schema for an argument of a field."""
    return _BOUNDS.get(f"{owner}.{argument}", _BOUNDS.get(argument, {}))
