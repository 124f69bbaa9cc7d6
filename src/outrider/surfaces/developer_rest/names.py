"""Names as REST writes them: `eventType` is `event_type`, `PLATFORM_USER` is `platform_user`."""

import re
from collections.abc import Mapping
from typing import Final

_HUMP: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_TICKED: Final = re.compile(r"`[^`]*`")
_CAMEL: Final = re.compile(r"\b[a-z]+(?:[A-Z][a-z0-9]*)+\b")


def snake(name: str) -> str:
    """Write a name of the GraphQL schema as REST does."""
    return _HUMP.sub(lambda hump: "_" + hump[1].lower(), name)


def snake_text(text: str) -> str:
    """Write the names that stand between back-ticks in a description as REST does."""
    return _TICKED.sub(
        lambda ticked: _CAMEL.sub(lambda name: snake(name[0]), ticked[0]), " ".join(text.split())
    )


def renamed_text(text: str, names: Mapping[str, str]) -> str:
    """Write the names of arguments in what an operation says as REST does."""
    if not names:
        return text
    return re.sub(rf"\b({'|'.join(map(re.escape, names))})\b", lambda name: names[name[1]], text)


def split_description(text: str | None) -> tuple[str, str]:
    """Give the first sentence without its full stop, and the whole."""
    whole = snake_text(text or "")
    first = re.split(r"(?<=\w)\.(?: |$)|[:;] ", whole, maxsplit=1)[0]
    return first, whole
