"""JSON Schemas of customers: 2020-12, complete in themselves, and bounded in what a check can cost.

A check runs on the event loop, so no schema may make it long: patterns run in linear time (no look-around, no
back-references), references stay inside the document, and the steps that a value can need are computed from
the schema before it is taken. The library behind it takes 3 MB, and is loaded for the first schema.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

import orjson

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_json
from outrider.events.schema_costs import Cost, cost_of

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator
    from jsonschema_rs import ValidationError as Violation

MOST_BYTES: Final = 64 * 1024
MOST_STEPS: Final = 5_000_000
"""Of one check; at worst less than a tenth of a second, and mostly far below a millisecond."""
MOST_VIOLATIONS: Final = 10
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# Above this a check stops at the first violation: finding all of them builds an object for each.
_STEPS_FOR_ALL: Final = 20_000
_REGEX_BYTES: Final = 64_000
_REGEX_TABLE_BYTES: Final = 128_000
_MESSAGE_CHARACTERS: Final = 300
_PATH_CHARACTERS: Final = 300
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class CheckedSchema:
    """A schema ready to check values; `text` is what the customer gave, as it is stored."""

    text: str
    required: tuple[str, ...]
    cost: Cost
    _validator: "Draft202012Validator" = field(repr=False)

    def steps_for(self, value: object, text: bytes) -> int:
        """How much work a check of this JSON value can be, `text` being its form as JSON.

        Raises `ValidationError` if the value is too large or too deep to be checked against this schema.
        """
        size, steps = _size_of(text), self.cost.most
        if steps is None or steps * size > MOST_STEPS:
            steps = self.cost.for_value(value)
        if steps is None or steps * size > MOST_STEPS:
            raise ValidationError(
                "payload is too large or too deep to be checked against its schema.", path="payload"
            )
        return steps * size

    def violations(self, value: object, steps: int) -> list["FoundViolation"]:
        """What is wrong with a JSON value, given its `steps_for`; nothing for a value that fits."""
        if self._validator.is_valid(value):
            return []
        return [_found(violation, value) for violation in islice(self._find(value, steps), MOST_VIOLATIONS)]

    def _find(self, value: object, steps: int) -> "Iterator[Violation]":
        if steps <= _STEPS_FOR_ALL:
            yield from self._validator.iter_errors(value)
            return
        from jsonschema_rs import ValidationError as Violation  # noqa: PLC0415

        try:
            self._validator.validate(value)
        except Violation as first:
            yield first


@dataclass(frozen=True, slots=True)
class FoundViolation:
    """One violation: where in the payload, by which keyword, and in words."""

    path: str
    keyword: str
    message: str


def check_schema(schema: object, path: str = "jsonSchema") -> CheckedSchema:
    """Take a schema, or raise `ValidationError` with the path of what is wrong with it."""
    if not isinstance(schema, dict):
        raise ValidationError(f"{path} must be a JSON object.", path=path)
    text = storable_json(cast("object", schema), name=path, limit=MOST_BYTES)
    return open_schema(text.decode(), path)


def open_schema(text: str, path: str = "jsonSchema") -> CheckedSchema:
    """Make a stored schema ready; raises as `check_schema` does."""
    schema = cast("dict[str, object]", orjson.loads(text))
    if schema.get("$schema", DIALECT) not in {DIALECT, f"{DIALECT}#"}:
        raise ValidationError(f"{path}.$schema must be {DIALECT}.", path=f"{path}.$schema")
    # First: what the schema may cost bounds the work of compiling it too.
    cost = cost_of(schema, path)
    validator = _compile(schema, path)
    required = schema.get("required")
    names = cast("list[str]", required) if isinstance(required, list) else []
    return CheckedSchema(text, tuple(names), cost, validator)


def _compile(schema: Mapping[str, object], path: str) -> "Draft202012Validator":
    from jsonschema_rs import Draft202012Validator, RegexOptions  # noqa: PLC0415
    from jsonschema_rs import ValidationError as Violation  # noqa: PLC0415

    # Its own id would only say what `#` means, and could name a document that the library knows.
    bare = {key: value for key, value in schema.items() if key not in {"$id", "$schema"}}
    try:
        return Draft202012Validator(
            bare,
            offline=True,
            pattern_options=RegexOptions(size_limit=_REGEX_BYTES, dfa_size_limit=_REGEX_TABLE_BYTES),
        )
    except Violation as flaw:
        where = _shown_path(path, flaw.instance_path)
        raise ValidationError(f"{where}: {_schema_flaw(flaw)}", path=where) from None
    except ValueError as flaw:
        raise ValidationError(f"{path}: {_cut(str(flaw))}", path=path) from None


def _schema_flaw(flaw: "Violation") -> str:
    if "regex" in flaw.message:
        return (
            _cut(flaw.message) + " that can be used: look-around and back-references are not, nor large ones"
        )
    return _cut(flaw.message)


def _found(violation: "Violation", payload: object) -> FoundViolation:
    path, keyword = _members_named(payload, violation.instance_path), violation.kind.name
    if keyword == "required":
        # what is missing, not where it is missed
        missing = cast("object", getattr(violation.kind, "property", None))
        path = [*path, missing] if isinstance(missing, str) else path
    return FoundViolation(_shown_path("payload", path), keyword, _cut(violation.message))


def _members_named(value: object, path: Sequence[str | int]) -> list[str | int]:
    """The path with members as texts: the library gives one that is called `7` as a number, as if it were an item."""
    named: list[str | int] = []
    for part in path:
        match value:
            case dict():
                part = str(part)  # noqa: PLW2901
                value = cast("dict[str, object]", value).get(part)
            case list() if isinstance(part, int):
                value = cast("list[object]", value)[part]
            case _:
                value = None
        named.append(part)
    return named


def _shown_path(root: str, path: Sequence[str | int]) -> str:
    shown = root
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += f".{part}" if _PLAIN_KEY.fullmatch(part) else f"[{part[:64]!a}]"
    return shown[:_PATH_CHARACTERS]


def _cut(message: str) -> str:
    message = " ".join(message.splitlines())
    return message if len(message) <= _MESSAGE_CHARACTERS else message[: _MESSAGE_CHARACTERS - 1] + "…"


def _size_of(text: bytes) -> int:
    """Values in a JSON text, and what long strings weigh beside them."""
    return 1 + text.count(b",") + text.count(b"{") + text.count(b"[") + len(text) // 8
