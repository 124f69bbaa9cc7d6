"""How a link code is written: DDDD-DDDD-DDDD-CCCC, its last group the sum of the others modulo 10000."""

import re
import secrets

_CODE = re.compile(r"([0-9]{4})-([0-9]{4})-([0-9]{4})-([0-9]{4})")
# No part of a longer number, as bank and card numbers are written.
_CODE_IN_TEXT = re.compile(rf"(?<![0-9])(?<![0-9]-){_CODE.pattern}(?!-?[0-9])")
_GROUP = 10_000


def new_code() -> str:
    """Draw a code; 10^12 of them are possible."""
    return written_code([secrets.randbelow(_GROUP) for _ in range(3)])


def written_code(groups: list[int]) -> str:
    """Write three groups and their checksum."""
    return "-".join(f"{group:04}" for group in (*groups, sum(groups) % _GROUP))


def is_code(text: str) -> bool:
    """Whether the text is a code, with a checksum that is right."""
    match = _CODE.fullmatch(text)
    return match is not None and _is_sum_right(match)


def find_code(text: str) -> str | None:
    """Find the first code in a text; digits whose checksum is wrong are no code."""
    return next((match[0] for match in _CODE_IN_TEXT.finditer(text) if _is_sum_right(match)), None)


def _is_sum_right(match: re.Match[str]) -> bool:
    *groups, checksum = map(int, match.groups())
    return sum(groups) % _GROUP == checksum
