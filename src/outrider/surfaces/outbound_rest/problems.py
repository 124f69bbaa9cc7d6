"""Everything that the read API refuses with: problem documents, their slugs, and what each means.

A problem's `type` is the address of a page about it; `docs/guides/read-api.md` has the same table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from outrider.core.errors import AppError, ErrorKind, MethodNotAllowed, NotFound
from outrider.outreach.reading.finding import ResearchNotFound
from outrider.tenancy.rate_limits import Headers
from outrider.tenancy.read_limits import ReadRateExceeded

MEDIA_TYPE: Final = b"application/problem+json"
ALLOWED: Final = ("GET", "HEAD", "OPTIONS")
_LONGEST_DETAIL: Final = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of refusal: `slug` ends the address of its page, `advice` is for whoever reads that."""

    slug: str
    status: int
    title: str
    means: str
    advice: str


INVALID_REQUEST: Final = Problem(
    "invalid-request",
    400,
    "Invalid request",
    "a parameter is unknown, given twice, or has a value that it cannot have; `detail` says which",
    "correct the query string",
)
TOO_EXPENSIVE: Final = Problem(
    "query-too-expensive",
    400,
    "Query too expensive",
    "the read took longer than two seconds",
    "narrow the filter, or ask for fewer entries",
)
INVALID_API_KEY: Final = Problem(
    "invalid-api-key",
    401,
    "Invalid API key",
    "there is no `Authorization: Bearer obk_live_…`, or its key is unknown, expired or revoked",
    "check the key, or create another",
)
INSUFFICIENT_SCOPE: Final = Problem(
    "insufficient-scope",
    403,
    "Insufficient scope",
    "the key lacks the scope that the endpoint requires",
    "use a key with the scope that `detail` names",
)
NOT_FOUND: Final = Problem(
    "not-found",
    404,
    "Not found",
    "there is nothing of this id, or it belongs to another organisation, or there is no such endpoint",
    "check the address",
)
RESEARCH_NOT_FOUND: Final = Problem(
    "research-not-found",
    404,
    "Research not found",
    "no dossier of the contact is stored, or the stored one has expired; reading never starts research",
    "have the contact researched",
)
METHOD_NOT_ALLOWED: Final = Problem(
    "method-not-allowed",
    405,
    "Method not allowed",
    "the API only reads: `Allow` names the methods",
    "use GET",
)
RATE_LIMIT_EXCEEDED: Final = Problem(
    "rate-limit-exceeded",
    429,
    "Rate limit exceeded",
    "the key asked too often: 60 requests a minute in the long run, at most 120 within 30 seconds",
    "wait as many seconds as `Retry-After` says",
)
INTERNAL_ERROR: Final = Problem(
    "internal-error",
    500,
    "Internal error",
    "something went wrong on our side",
    "try again; tell the operator the `X-Request-Id`",
)
UNAVAILABLE: Final = Problem(
    "service-unavailable",
    503,
    "Service unavailable",
    "the server is starting, stopping, overloaded or without its database",
    "try again in a moment",
)
PROBLEMS: Final = (
    INVALID_REQUEST,
    TOO_EXPENSIVE,
    INVALID_API_KEY,
    INSUFFICIENT_SCOPE,
    NOT_FOUND,
    RESEARCH_NOT_FOUND,
    METHOD_NOT_ALLOWED,
    RATE_LIMIT_EXCEEDED,
    INTERNAL_ERROR,
    UNAVAILABLE,
)

_BY_KIND: Final[Mapping[ErrorKind, Problem]] = {
    ErrorKind.INVALID: INVALID_REQUEST,
    ErrorKind.TOO_EXPENSIVE: TOO_EXPENSIVE,
    ErrorKind.UNAUTHENTICATED: INVALID_API_KEY,
    ErrorKind.FORBIDDEN: INSUFFICIENT_SCOPE,
    ErrorKind.NOT_FOUND: NOT_FOUND,
    ErrorKind.WRONG_METHOD: METHOD_NOT_ALLOWED,
    ErrorKind.RATE_LIMITED: RATE_LIMIT_EXCEEDED,
    ErrorKind.UNAVAILABLE: UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as it is answered."""

    problem: Problem
    detail: str
    headers: Headers = ()

    def body(self, base_url: str) -> bytes:
        """The problem document; its `type` lies below this address."""
        told = {
            "type": f"{base_url}/{self.problem.slug}",
            "title": self.problem.title,
            "status": self.problem.status,
            "detail": self.detail,
        }
        return orjson.dumps(told)


def refusal_of(error: AppError) -> Refusal:
    """Give what is answered. A limit's headers are told by the limit."""
    if isinstance(error, ResearchNotFound):
        return Refusal(RESEARCH_NOT_FOUND, error.message)
    problem = _BY_KIND.get(error.kind, INTERNAL_ERROR)
    # one answer, whoever it belongs to and whatever was looked for
    detail = NotFound.default_message if problem is NOT_FOUND else error.message
    if len(detail) > _LONGEST_DETAIL:
        detail = detail[:_LONGEST_DETAIL] + "…"
    return Refusal(problem, detail, _headers_of(error))


def _headers_of(error: AppError) -> Headers:
    if isinstance(error, ReadRateExceeded):
        return error.headers()
    if isinstance(error, MethodNotAllowed):
        return ((b"allow", ", ".join(ALLOWED).encode()),)
    if error.kind is ErrorKind.UNAUTHENTICATED:
        return ((b"www-authenticate", b"Bearer"),)
    if error.kind is ErrorKind.UNAVAILABLE:
        return ((b"retry-after", b"1"),)
    return ()
