"""The gate before JSON reaches PostgreSQL, whose `json` takes NUL and lone surrogates and then cannot be read.

What callers send is refused with the path of the flaw; what vendors send is made showable, since its raw bytes
are kept anyway. Key order survives both.
"""

import json
import math
import re
import uuid
from typing import Final, cast

import msgspec
import orjson

from outrider.core.errors import ValidationError

MAX_DEPTH: Final = 64
MAX_BYTES: Final = 1024 * 1024

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_LEAST_INT: Final = -(2**63)
_GREATEST_INT: Final = 2**64 - 1
_LONGEST_PATH: Final = 300

_decode = msgspec.json.Decoder().decode


class NotJson(ValueError):
    """A vendor's body is not JSON, not even the kind that vendors write."""


def parse_api_json(raw: bytes, max_depth: int = MAX_DEPTH) -> object:
    """Read JSON from a caller; whatever cannot be stored later is refused here already."""
    try:
        value = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValidationError(_why_not_json(raw, max_depth)) from None
    # Every level and every NUL leaves its mark in the text: without marks there is nothing to walk for.
    if raw.count(b"{") + raw.count(b"[") > max_depth or b"\\u0000" in raw:
        _refuse_flaws(value, "body", max_depth)
    return value


def _why_not_json(raw: bytes, max_depth: int) -> str:
    if not raw.strip():
        return "The body is empty; JSON is expected."
    try:
        raw.decode()
    except UnicodeDecodeError as problem:
        return f"The body is not UTF-8: byte {problem.start} is not part of a character."
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        if "depth limit" not in problem.msg:
            return (
                f"The body is not valid JSON: {problem.msg} at line {problem.lineno} column {problem.colno}."
            )
    return f"The body is nested deeper than {max_depth} levels."


def storable_json(
    value: object, *, name: str = "payload", limit: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> bytes:
    """Write a JSON value for PostgreSQL, or raise `ValidationError` with the path of what cannot be stored."""
    try:
        text = orjson.dumps(value, default=_plain)
    except TypeError:
        _refuse_flaws(value, name, max_depth)
        raise
    if len(text) > limit:
        raise ValidationError(f"{name} has {len(text)} bytes as JSON; at most {limit} are allowed", path=name)
    # orjson writes NaN and infinities as null, so these marks, too, tell when a walk is needed.
    if b"null" in text or b"\\u0000" in text or text.count(b"{") + text.count(b"[") > max_depth:
        _refuse_flaws(value, name, max_depth)
    return text


def storable_text(text: str, *, name: str) -> str:
    """Pass a text on to a text column, or raise `ValidationError` if PostgreSQL cannot hold it."""
    if _is_unstorable(text):
        raise ValidationError(f"{name} {_text_flaw(text)}", path=name)
    return text


def _is_unstorable(text: str) -> bool:
    """Whether PostgreSQL cannot hold a text; of a plain one this is known without reading it."""
    return "\0" in text or (not text.isascii() and _UNSTORABLE.search(text) is not None)


def _plain(value: object) -> str:
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _refuse_flaws(value: object, name: str, max_depth: int) -> None:
    flaw = _find_flaw(value, max_depth)
    if flaw is not None:
        inner_path, what = flaw
        path = (name + inner_path)[:_LONGEST_PATH]
        raise ValidationError(f"{path} {what}", path=path)


def _find_flaw(value: object, levels: int) -> tuple[str, str] | None:
    """Find the first part that cannot be stored: its path from here, and what is wrong with it."""
    match value:
        case dict() | list() | tuple() if levels == 0:
            return "", "is nested too deeply"
        case dict():
            return _find_flaw_in_object(cast("dict[object, object]", value), levels - 1)
        case list() | tuple():
            for index, part in enumerate(cast("list[object]", value)):
                flaw = _find_flaw(part, levels - 1)
                if flaw is not None:
                    return f"[{index}]{flaw[0]}", flaw[1]
            return None
        case _:
            what = _scalar_flaw(value)
            return ("", what) if what else None


def _find_flaw_in_object(value: dict[object, object], levels: int) -> tuple[str, str] | None:
    for key, part in value.items():
        if not isinstance(key, str):
            return "", f"has the key {key!r}, which is not a string"
        if _is_unstorable(key):
            return "", f"has a key that {_text_flaw(key)}"
        flaw = _find_flaw(part, levels)
        if flaw is not None:
            # Quoted in ASCII: the message must be storable and showable itself.
            return (f".{key}" if _PLAIN_KEY.fullmatch(key) else f"[{key[:64]!a}]") + flaw[0], flaw[1]
    return None


def _scalar_flaw(value: object) -> str | None:
    match value:
        case str() if _is_unstorable(value):
            return _text_flaw(value)
        case int() if not _LEAST_INT <= value <= _GREATEST_INT:
            return "is an integer beyond 64 bits; send it as a string"
        case float() if not math.isfinite(value):
            return "is not a finite number"
        case _:
            return None


def _text_flaw(text: str) -> str:
    return "contains a NUL character" if "\0" in text else "contains half of a surrogate pair"


def parse_vendor_json(raw: bytes) -> object:
    """Read JSON as vendors write it, lone surrogates, control characters and broken UTF-8 included.

    The value may hold what cannot be stored: `shown_json` comes next. Raises `NotJson`, a `ValueError`.
    """
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = raw.decode(json.detect_encoding(raw), "replace")
    try:
        return json.loads(text.removeprefix("\ufeff"), strict=False)
    except RecursionError:
        raise NotJson("the body is nested too deeply") from None
    except ValueError as problem:
        raise NotJson(f"the body is not JSON: {problem}") from None


def shown_json(value: object) -> object:
    """Turn a vendor's JSON into what `storable_json` takes; a clean value comes back as it is.

    NUL and lone surrogates become U+FFFD, numbers that are not finite and levels that are too deep become null,
    integers beyond 64 bits their digits.
    """
    try:
        text = orjson.dumps(value)
    except TypeError:
        return _shown(value, MAX_DEPTH)
    if b"null" in text or b"\\u0000" in text or text.count(b"{") + text.count(b"[") > MAX_DEPTH:
        return _shown(value, MAX_DEPTH)
    return value


def _shown(value: object, levels: int) -> object:
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case int() if not _LEAST_INT <= value <= _GREATEST_INT:
            return str(value)
        case float() if not math.isfinite(value):
            return None
        case dict() | list() if levels == 0:
            return None
        case dict():
            members = cast("dict[str, object]", value).items()
            return {_UNSTORABLE.sub("\ufffd", key): _shown(part, levels - 1) for key, part in members}
        case list():
            return [_shown(part, levels - 1) for part in cast("list[object]", value)]
        case _:
            return value
