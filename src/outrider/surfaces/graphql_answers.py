"""The answers of the GraphQL endpoints: one envelope, and what HTTP says beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from outrider.core.errors import AppError, ErrorKind
from outrider.surfaces import graphql_errors as errors
from outrider.surfaces.graphql_errors import RequestRefused
from outrider.tenancy.rate_limits import Headers

JSON: Final = (b"application/json", b"application/graphql-response+json")
# Whole requests that are refused so before anything is carried out; all else answers 200 with `errors`.
OWN_STATUS: Final = {ErrorKind.UNAUTHENTICATED: 401, ErrorKind.RATE_LIMITED: 429, ErrorKind.TOO_LARGE: 413}


@dataclass(slots=True)
class Answer:
    """An answer on its way out, and what the log says of it; `is_sent`: it was a stream, and is out."""

    status: int
    body: bytes
    outcome: str = "ok"
    code: str | None = None
    reason: str | None = None
    headers: Headers = ()
    content_type: bytes = JSON[0]
    is_sent: bool = False


def failed(
    problem: AppError,
    status: int,
    *,
    path: Sequence[str | int] | None = None,
    locations: Sequence[errors.Location] | None = None,
) -> Answer:
    """Answer what an operation refused with."""
    entry = errors.entry_of(problem, path=path, locations=locations)
    headers: Headers = ()
    if status == 401:
        headers = ((b"www-authenticate", b"Bearer"),)
    elif problem.kind is ErrorKind.UNAVAILABLE:
        headers = ((b"retry-after", b"1"),)
    return Answer(status, envelope([entry]), "refused", problem.code, problem.message, headers)


def request_refused(refused: RequestRefused) -> Answer:
    """Answer what is no valid request of the schema."""
    entries = [errors.entry_of_request(problem) for problem in refused.problems]
    return Answer(400, envelope(entries), "refused", errors.INVALID, str(refused))


def refused(status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    """Answer what HTTP has a status for."""
    entry = errors.entry(message, errors.INVALID, status)
    return Answer(status, envelope([entry]), "refused", errors.INVALID, message, headers)


def broken() -> Answer:
    """Answer a fault of ours, of which callers hear nothing but that there was one."""
    entry = errors.entry("Something went wrong on our side.", errors.INTERNAL, 500)
    return Answer(200, envelope([entry]), "failed", errors.INTERNAL)


def envelope(entries: Sequence[dict[str, object]]) -> bytes:
    """Write errors."""
    return orjson.dumps({"data": None, "errors": entries})


def is_json(content_type: bytes | None) -> bool:
    """Tell whether a body is sent as JSON."""
    return content_type is not None and content_type.split(b";", 1)[0].strip().lower() in JSON
