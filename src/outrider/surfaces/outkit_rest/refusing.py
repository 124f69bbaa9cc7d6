"""What submitters are told when something is refused: the contract's few codes and statuses."""

from dataclasses import dataclass
from typing import Final

import orjson

from outrider.core.errors import AppError, ErrorKind
from outrider.messaging.errors import RecipientSuppressed
from outrider.messaging.submissions.values import ConfigIssue
from outrider.surfaces.outkit_rest.access import HttpsRequired
from outrider.tenancy.rate_limits import Headers, RateExceeded

_LONGEST_MESSAGE: Final = 500
_STATUS: Final = {
    ErrorKind.UNAUTHENTICATED: (401, "unauthorized"),
    ErrorKind.NOT_FOUND: (404, "not_found"),
    ErrorKind.WRONG_METHOD: (404, "not_found"),
    ErrorKind.RATE_LIMITED: (429, "too_many_requests"),
    ErrorKind.UNAVAILABLE: (503, "internal_error"),
    ErrorKind.UPSTREAM: (503, "internal_error"),
    ErrorKind.INTERNAL: (500, "internal_error"),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as it is answered."""

    status: int
    code: str
    message: str
    headers: Headers = ()

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return orjson.dumps({"error": {"code": self.code, "message": self.message}})


def refusal_of(problem: AppError, method: str) -> Refusal:
    """Give what is answered; whatever a new message names and is not there makes the message wrong: 422."""
    status, code = _STATUS.get(problem.kind, (422, "bad_data"))
    if isinstance(problem, ConfigIssue):
        code = "config_issue"
    elif isinstance(problem, HttpsRequired):
        status, code = 403, "https_required"
    elif isinstance(problem, RecipientSuppressed):
        code = "recipient_suppressed"
    elif problem.kind is ErrorKind.NOT_FOUND and method == "POST":
        status, code = 422, "bad_data"
    message = problem.message
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + "…"
    headers = problem.headers() if isinstance(problem, RateExceeded) else ()
    return Refusal(status, code, message, headers)
