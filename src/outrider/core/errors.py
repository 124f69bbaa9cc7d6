"""What every operation may refuse with: a kind that surfaces map to a status, and a code that is contract.

A subclass states one fact; its docstring is the message unless the raiser has a better one. No HTTP number
appears here or in any domain.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar


class ErrorKind(StrEnum):
    """The families of refusal that a surface tells apart."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    WRONG_METHOD = "wrong_method"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_LARGE = "too_large"
    WRONG_MEDIA_TYPE = "wrong_media_type"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    UPSTREAM = "upstream"
    TOO_EXPENSIVE = "too_expensive"
    INTERNAL = "internal"


class AppError(Exception):
    """The request could not be completed."""

    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    code: ClassVar[str] = "ERROR"
    default_message: ClassVar[str] = "The request could not be completed."

    message: str
    details: Mapping[str, object]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__doc__:
            first_paragraph = cls.__doc__.strip().split("\n\n", 1)[0]
            cls.default_message = " ".join(first_paragraph.split())

    def __init__(self, message: str | None = None, /, **details: object) -> None:
        self.message = self.default_message if message is None else message
        self.details = MappingProxyType(details)
        super().__init__(self.message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code!r}, details={dict(self.details)!r})"


class ValidationError(AppError):
    """The request is not valid."""

    kind = ErrorKind.INVALID
    code = "VALIDATION_ERROR"


class Unauthorized(AppError):
    """Valid credentials are required."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "UNAUTHORIZED"


class Forbidden(AppError):
    """These credentials do not allow this operation."""

    kind = ErrorKind.FORBIDDEN
    code = "FORBIDDEN"


class NotFound(AppError):
    """The resource does not exist.

    Raise it with `resource_type` and `resource_id`. Another tenant's resource answers exactly like a missing
    one.
    """

    kind = ErrorKind.NOT_FOUND
    code = "NOT_FOUND"


class MethodNotAllowed(AppError):
    """There is no such method at this address."""

    kind = ErrorKind.WRONG_METHOD
    code = "METHOD_NOT_ALLOWED"


class ResourceExists(AppError):
    """A resource with this name exists already."""

    kind = ErrorKind.CONFLICT
    code = "RESOURCE_EXISTS"


class IdempotencyConflict(AppError):
    """This idempotency key was used before with different arguments."""

    kind = ErrorKind.CONFLICT
    code = "IDEMPOTENCY_CONFLICT"


class PayloadTooLarge(AppError):
    """The request body is too large."""

    kind = ErrorKind.TOO_LARGE
    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(AppError):
    """The body is of a type that is not taken here; JSON is."""

    kind = ErrorKind.WRONG_MEDIA_TYPE
    code = "UNSUPPORTED_MEDIA_TYPE"


class RateLimited(AppError):
    """Too many requests."""

    kind = ErrorKind.RATE_LIMITED
    code = "RATE_LIMITED"


class Unavailable(AppError):
    """The service cannot take this request right now; nothing was written and it may be repeated."""

    kind = ErrorKind.UNAVAILABLE
    code = "UNAVAILABLE"


class PlatformError(AppError):
    """The messaging platform did not carry out the request."""

    kind = ErrorKind.UPSTREAM
    code = "PLATFORM_ERROR"


class QueryTooExpensive(AppError):
    """This query takes too long; ask for less or narrow the filter."""

    kind = ErrorKind.TOO_EXPENSIVE
    code = "QUERY_TOO_EXPENSIVE"


class InternalError(AppError):
    """Something went wrong on our side; the log says what."""

    kind = ErrorKind.INTERNAL
    code = "INTERNAL_ERROR"
