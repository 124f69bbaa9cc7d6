"""Query strings: each parameter is read as what it is and put where the field of the schema wants it."""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_text
from outrider.surfaces.developer_graphql.kinds import Kind, kind_of
from outrider.surfaces.developer_graphql.queries.compiling import LARGEST_PAGE
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.surfaces.developer_rest.members import read_value, refused
from outrider.surfaces.developer_rest.shapes import JsonSchema, leaf_schema

USUAL_PAGE: Final = 20
_MOST_PARAMETERS: Final = 50
_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")
_SWITCHES: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query string. `into` is the way to its value among the arguments."""

    name: str
    type_name: str
    description: str
    into: tuple[str, ...]
    words: tuple[str, ...] = ()
    """If it is a text: the only ones."""
    bounds: Mapping[str, Any] = field(default_factory=dict[str, Any])
    convert: Callable[[Any], object] | None = None

    @property
    def kind(self) -> Kind:
        """What it is."""
        return kind_of(SCHEMA.type_map[self.type_name])

    @property
    def schema(self) -> JsonSchema:
        """The JSON Schema of its value."""
        words = {"enum": list(self.words)} if self.words else {}
        return {**leaf_schema(self.kind), **words, **self.bounds}

    def read(self, text: str) -> object:
        """Give the value of a text, or raise `ValidationError`."""
        if self.words and text not in self.words:
            raise refused(self.name, f"must be one of {', '.join(self.words)}")
        value = read_value(self.kind, self._typed(text), self.name)
        return value if self.convert is None else self.convert(value)

    def _typed(self, text: str) -> object:
        storable_text(text, name=self.name)
        match self.type_name:
            case "Int":
                return self._number(text)
            case "Boolean":
                return _SWITCHES.get(text, text)
            case _:
                return text

    def _number(self, text: str) -> int:
        least, most = self.bounds["minimum"], self.bounds["maximum"]
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise refused(self.name, f"must be a whole number from {least} to {most}")
        return int(text)


def read_parameters(
    parameters: Sequence[Parameter], query: bytes, fixed: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Read a query string as arguments, beside those that are `fixed`; raises `ValidationError`."""
    known = {parameter.name: parameter for parameter in parameters}
    found: dict[str, Any] = deepcopy(dict(fixed or {}))
    seen: set[str] = set()
    for name, text in _pairs(query):
        if name not in known:
            raise ValidationError(f"There is no parameter {name[:64]!a} here.", path="query")
        if name in seen:
            raise refused(name, "may be given once")
        seen.add(name)
        _put(found, known[name].into, known[name].read(text))
    return found


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


def _put(found: dict[str, Any], way: Sequence[str], value: object) -> None:
    *steps, last = way
    for step in steps:
        found = found.setdefault(step, {})
    found[last] = value


LIMIT: Final = Parameter(
    "limit",
    "Int",
    "How many entries a page has at most.",
    ("first",),
    bounds={"minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE},
)
CURSOR: Final = Parameter(
    "cursor", "String", "`next_cursor` of the page before: what comes after it.", ("after",)
)
ORDER: Final = Parameter(
    "order",
    "String",
    "`desc`: the newest first; `asc`: the oldest first.",
    ("orderBy",),
    words=("asc", "desc"),
    bounds={"default": "desc"},
    convert=lambda word: {"field": "CREATED_AT", "direction": str(word).upper()},
)
COUNT: Final = Parameter(
    "total_count",
    "Boolean",
    "Whether to count all that the filters let through, on whatever page.",
    ("totalCount",),
)
PAGES: Final = (LIMIT, CURSOR, ORDER, COUNT)


def between(name: str, argument: str) -> tuple[Parameter, Parameter]:
    """Filter by a time: `<name>_after` and `<name>_before`."""
    return (
        Parameter(f"{name}_after", "DateTime", "Only what is later than this.", ("filters", argument, "gt")),
        Parameter(
            f"{name}_before", "DateTime", "Only what is earlier than this.", ("filters", argument, "lt")
        ),
    )


CREATED: Final = between("created", "createdAt")


def equal_to(name: str, argument: str, type_name: str, description: str, **more: Any) -> Parameter:
    """Filter by a value that is the same."""
    return Parameter(name, type_name, description, ("filters", argument, "equals"), **more)
