"""Phone numbers in one form, E.164 with its plus: what every provider that calls phones reads and compares.

The library's tables take 4 MB: they are loaded for the first number.
"""

import re
from typing import Final

# The library looks for a number in any text; an address is one and nothing else.
_NUMBER: Final = re.compile(r"\+[\d ().\-/\u00a0]{3,40}")


def read_phone_number(text: str) -> str | None:
    """Read one international number, None if no phone can have it. Asks nobody whether one has."""
    trimmed = text.strip()
    if not _NUMBER.fullmatch(trimmed):
        return None
    import phonenumbers  # noqa: PLC0415

    try:
        number = phonenumbers.parse(trimmed, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
