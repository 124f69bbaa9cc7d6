"""What callers are told when something is refused: the documented envelope, with its code and HTTP status."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from graphql import GraphQLError

from outrider.core.errors import AppError, InternalError, ValidationError
from outrider.surfaces.developer_errors import STATUS

INVALID: Final = ValidationError.code
INTERNAL: Final = InternalError.code
_LONGEST_MESSAGE: Final = 500

Location = Mapping[str, object]


class RequestRefused(Exception):
    """The request was not carried out at all: it is no valid request for this schema."""

    def __init__(self, problems: Iterable[GraphQLError]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems[0].message)


class FieldRefused(Exception):
    """One field of a valid request could not be answered, and with it the request."""

    def __init__(self, problem: AppError, path: Sequence[str | int], locations: Sequence[Location]) -> None:
        self.problem = problem
        self.path = path
        self.locations = locations
        super().__init__(problem.message)


def refusal(message: str) -> RequestRefused:
    """Refuse a request for a reason that has no place in the document."""
    return RequestRefused([GraphQLError(message)])


def entry(
    message: str,
    code: str,
    status: int,
    *,
    path: Sequence[str | int] | None = None,
    locations: Sequence[Location] | None = None,
    details: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Make one entry of `errors`."""
    extensions: dict[str, object] = {"code": code, "http": {"status": status}}
    if details:
        extensions["details"] = dict(details)
    found: dict[str, object] = {"message": _shortened(message), "extensions": extensions}
    if locations:
        found["locations"] = list(locations)
    if path:
        found["path"] = list(path)
    return found


def entry_of(
    problem: AppError,
    *,
    path: Sequence[str | int] | None = None,
    locations: Sequence[Location] | None = None,
) -> dict[str, object]:
    """Make an entry of what an operation refused with."""
    return entry(
        problem.message,
        problem.code,
        STATUS[problem.kind],
        path=path,
        locations=locations,
        details={name: value for name, value in problem.details.items() if _is_showable(value)},
    )


def entry_of_request(problem: GraphQLError) -> dict[str, object]:
    """Make an entry of what is wrong with a document or its variables."""
    locations = [location.formatted for location in problem.locations or ()]
    return entry(problem.message, INVALID, 400, locations=locations)


def _is_showable(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _shortened(message: str) -> str:
    """Keep the first line: graphql-core prints the document beneath, which the caller has."""
    line = message.split("\n", 1)[0]
    return line if len(line) <= _LONGEST_MESSAGE else line[:_LONGEST_MESSAGE] + "…"
