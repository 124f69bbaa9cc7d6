"""Every code that the developer API refuses with, GraphQL and REST alike: its status, its meaning, what to do.

`docs/errors.md` shows this table; `make drift` compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from outrider.core import errors
from outrider.core.errors import AppError, ErrorKind
from outrider.identity.errors import LinkCodeExhausted, LinkCodeExpired
from outrider.messaging.errors import NotCancellable, NotResendable, NotResolvable, RecipientSuppressed
from outrider.outreach.drafts.errors import DraftConflict
from outrider.outreach.errors import CompanyInUse, ContactInUse, ImportTaken
from outrider.surfaces.developer_access import AppIdRequired
from outrider.templates.errors import RenderError
from outrider.tenancy.managing_accounts import AccountInUse
from outrider.tenancy.members.errors import LastOwner
from outrider.webhooks.errors import NotRetryable

STATUS: Final[Mapping[ErrorKind, int]] = {
    ErrorKind.INVALID: 400,
    ErrorKind.TOO_EXPENSIVE: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.WRONG_METHOD: 405,
    ErrorKind.CONFLICT: 409,
    ErrorKind.GONE: 410,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.WRONG_MEDIA_TYPE: 415,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.INTERNAL: 500,
    ErrorKind.UPSTREAM: 502,
    ErrorKind.UNAVAILABLE: 503,
}


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """A code as its table has it."""

    error: type[AppError]
    means: str
    advice: str

    @property
    def code(self) -> str:
        """What programs compare."""
        return self.error.code

    @property
    def status(self) -> int:
        """The HTTP status; in GraphQL it stands in `extensions.http.status`."""
        return STATUS[self.error.kind]


ENTRIES: Final = (
    ErrorEntry(
        errors.ValidationError,
        "something in the request is wrong; `details` often names it: `path`, as `toExternalId` or `payload.total`",
        "correct it",
    ),
    ErrorEntry(
        RenderError,
        "a template could not be rendered; `details` has `part`, `template`, `line` and `column`",
        "correct the template, or the locals",
    ),
    ErrorEntry(
        AppIdRequired,
        "a member's access token without the header `X-Outeract-App-ID`; the request itself answers 400",
        "name the application",
    ),
    ErrorEntry(
        errors.QueryTooExpensive,
        "the read took longer than two seconds, or its answer has more than 16 MB",
        "ask for less, or narrow the filter",
    ),
    ErrorEntry(
        errors.Unauthorized,
        "no key or access token, or one that is unknown, expired or revoked; a wrong password",
        "check it, or sign in",
    ),
    ErrorEntry(
        errors.Forbidden,
        "the key lacks a scope, the role a permission, or they may not reach this",
        "use another key, or ask an owner",
    ),
    ErrorEntry(
        errors.NotFound,
        "it does not exist, or belongs to somebody else: both answer alike; `details` has `resource_type` and "
        "`resource_id`",
        "check the id",
    ),
    ErrorEntry(
        errors.MethodNotAllowed,
        "REST: the address takes other methods, which `Allow` names",
        "use one of them",
    ),
    ErrorEntry(errors.ResourceExists, "the name is taken", "choose another"),
    ErrorEntry(errors.IdempotencyConflict, "the key was used with other arguments", "use a new key"),
    ErrorEntry(LastOwner, "the organisation would have no active owner left", "make another owner first"),
    ErrorEntry(AccountInUse, "connections use the account", "delete them first"),
    ErrorEntry(ContactInUse, "there are drafts to the contact", "keep it"),
    ErrorEntry(CompanyInUse, "contacts belong to the company", "give them another first"),
    ErrorEntry(ImportTaken, "another process is at the import", "wait until it has ended"),
    ErrorEntry(
        NotRetryable,
        "the delivery has succeeded or is not finished, or its body is kept no longer; `details.state` says which",
        "nothing",
    ),
    ErrorEntry(
        RecipientSuppressed,
        "the recipient is on the application's suppression list: mail to them came back for good, or they complained "
        "or unsubscribed; `details` has `reason`, `since` and `event_id`",
        "do not send, or take them off the list",
    ),
    ErrorEntry(NotResendable, "the message has not failed", "send a new one if you want two"),
    ErrorEntry(NotResolvable, "the message is not held in doubt", "nothing"),
    ErrorEntry(
        DraftConflict,
        "the draft is in a state in which this cannot be done: it is being sent, was sent, or was changed meanwhile; "
        "`details.state` says which",
        "look at it again",
    ),
    ErrorEntry(NotCancellable, "the message is being sent, was sent, or has ended", "nothing"),
    ErrorEntry(LinkCodeExpired, "the link code is too old", "ask for a new one"),
    ErrorEntry(LinkCodeExhausted, "the link code was used as often as it may be", "ask for a new one"),
    ErrorEntry(errors.PayloadTooLarge, "the body is larger than 1 MB, or a file than 25 MB", "send less"),
    ErrorEntry(
        errors.UnsupportedMediaType,
        "REST: the `Content-Type` says that the body is nothing that is taken here",
        "send JSON",
    ),
    ErrorEntry(
        errors.RateLimited,
        "too many requests; `details` has `limit` and `reset_at`; too many live feeds of one key or organisation: only "
        "`limit`",
        "wait as `Retry-After` says, or end a feed",
    ),
    ErrorEntry(errors.InternalError, "our fault; the log has the traceback", "report it with `x-request-id`"),
    ErrorEntry(
        errors.PlatformError, "the platform did not do what this call needed at once", "try again later"
    ),
    ErrorEntry(
        errors.Unavailable,
        "overloaded, the disk nearly full, the database away, or stopping",
        "repeat with the same idempotency key",
    ),
)


def written_table() -> str:
    """Write the table as the page of errors has it."""
    rows = [f"| `{one.code}` | {one.status} | {one.means} | {one.advice} |" for one in ENTRIES]
    return "\n".join(["| Code | Status | Means | Do |", "| --- | --- | --- | --- |", *rows])
