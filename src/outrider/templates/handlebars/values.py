"""Values as templates see them: JSON, read with the rules of JavaScript, and nothing of Python behind it."""

import re
from typing import Final, cast


class _Missing:
    """What is not there; not quite null, which is a value."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
_LAST_PLAIN: Final = 10**21
"""From here on numbers are written with an exponent."""
_INDEX: Final = re.compile("0|[1-9][0-9]{0,9}", re.ASCII)
_SPECIAL: Final = re.compile("[&<>\"'`=]")
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "`": "&#x60;", "=": "&#x3D;"}
)


def read(owner: object, key: str) -> object:
    """Give an own key of an object, an item or the length of a list or text; else `MISSING`."""
    if type(owner) is dict:
        return cast("dict[str, object]", owner).get(key, MISSING)
    if type(owner) is list or type(owner) is str:
        return _item(cast("list[object] | str", owner), key)
    return MISSING


def _item(owner: "list[object] | str", key: str) -> object:
    if key == "length":
        return _length(owner)
    if _INDEX.fullmatch(key) is None:
        return MISSING
    at = int(key)
    return owner[at] if at < len(owner) else MISSING


def _length(owner: "list[object] | str") -> int:
    """Of texts the number of UTF-16 units."""
    return len(owner) if isinstance(owner, list) or owner.isascii() else len(owner.encode("utf-16-le")) // 2


def is_nothing(value: object) -> bool:
    """Whether it is null or missing."""
    return value is None or value is MISSING


def is_false(value: object) -> bool:
    """Whether JavaScript takes it for false: lists and objects never are."""
    return not isinstance(value, list | dict) and not value


def is_empty(value: object) -> bool:
    """Whether blocks take it for nothing: false, empty texts and lists, not zero."""
    if type(value) is int or type(value) is float:
        return False
    return not value and type(value) is not dict


def text_of(value: object) -> str:
    """Write a value as JavaScript does."""
    if type(value) is str:
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is int:
        return str(value) if -_LAST_PLAIN < value < _LAST_PLAIN else _number(_as_float(value))
    if type(value) is float:
        return _number(value)
    if type(value) is list:
        return ",".join([text_of(one) for one in cast("list[object]", value)])
    return "[object Object]" if type(value) is dict else ""


def number_of(value: object) -> object:
    """What a text is as a number, NaN if none; other values stay."""
    if not isinstance(value, str):
        return value
    try:
        return float(value) if value.strip() else 0
    except ValueError:
        return float("nan")


def escaped(text: str) -> str:
    """Write text so that it is text in HTML, and in attributes too."""
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def own_keys(owner: "dict[str, object]") -> list[str]:
    """The keys of an object in JavaScript's order: indices first, ascending, then as they were written."""
    indices = [key for key in owner if key[:1].isdigit() and _INDEX.fullmatch(key)]
    if not indices:
        return list(owner)
    taken = set(indices)
    return sorted(indices, key=int) + [key for key in owner if key not in taken]


def spread(value: object) -> dict[str, object]:
    """A copy of an object to add to; of a list or text its items by index."""
    if type(value) is dict:
        return dict(cast("dict[str, object]", value))
    if type(value) is list or type(value) is str:
        return {str(at): one for at, one in enumerate(cast("list[object]", value))}
    return {}


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _number(value: float) -> str:
    if value != value:  # noqa: PLR0124 - that is what NaN is
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) < _LAST_PLAIN:
        return _plain(value) if value else "0"
    written = repr(value)
    if "e-" not in written:
        return written
    mantissa, _, exponent = written.partition("e-")
    places = int(exponent)
    if places > 6:
        return f"{mantissa}e-{places}"
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    return f"{sign}0.{'0' * (places - 1)}{digits.replace('.', '')}"


def _plain(value: float) -> str:
    """A whole number with the shortest digits that tell it from its neighbours, the rest noughts."""
    written = repr(value)
    if "e+" not in written:
        return written.removesuffix(".0")
    mantissa, _, exponent = written.partition("e+")
    whole, _, fraction = mantissa.partition(".")
    return whole + fraction + "0" * (int(exponent) - len(fraction))
