"""What callers are told when something is refused: the documented envelope, with the names of REST."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from outrider.core.errors import AppError, ErrorKind, InternalError
from outrider.surfaces.developer_errors import STATUS
from outrider.surfaces.developer_rest.names import renamed_text, snake
from outrider.surfaces.developer_rest.routing import WrongMethod
from outrider.tenancy.rate_limits import Headers

_LONGEST_MESSAGE: Final = 500
# The first step of a path, and the second where the first is one of a list: what lies deeper is the caller's own.
_PATH: Final = re.compile(r"(\w+)(\[\d+\]\.)?(\w*)")


def status_of(problem: AppError) -> int:
    """Give the HTTP status of a refusal."""
    return STATUS[problem.kind]


def body_of(problem: AppError, names: Mapping[str, str]) -> bytes:
    """Write a refusal; `names` are those of arguments that are called otherwise here."""
    message = renamed_text(problem.message, names)
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + "…"
    error = {"code": problem.code, "message": message, "details": _details(problem.details, names)}
    return orjson.dumps({"error": error}, default=str)


def headers_of(problem: AppError) -> Headers:
    """Give the headers that belong to a refusal. Those of a limit are told by the limit."""
    if isinstance(problem, WrongMethod):
        return ((b"allow", ", ".join(problem.allowed).encode()),)
    if problem.kind is ErrorKind.UNAUTHENTICATED:
        return ((b"www-authenticate", b"Bearer"),)
    if problem.kind is ErrorKind.UNAVAILABLE:
        return ((b"retry-after", b"1"),)
    return ()


def broken() -> AppError:
    """What is told of a fault of ours."""
    return InternalError("Something went wrong on our side.")


def _details(details: Mapping[str, object], names: Mapping[str, str]) -> dict[str, Any]:
    found = {name: value for name, value in details.items() if name != "path"}
    place = details.get("path")
    return {"path": _path(str(place), names), **found} if place else found


def _path(path: str, names: Mapping[str, str]) -> str:
    def written(match: re.Match[str]) -> str:
        first, index, second = match[1], match[2] or "", match[3]
        return f"{names.get(first, first)}{index}{snake(second) if index else second}"

    return _PATH.sub(written, path, count=1)
