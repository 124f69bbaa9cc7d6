"""Why a message fails for good, in the words of every provider."""

from enum import StrEnum


class FailureCode(StrEnum):
    """Why a message failed for good (`message.failed`, `error.code`)."""

    RECIPIENT_NOT_FOUND = "RECIPIENT_NOT_FOUND"
    RECIPIENT_BLOCKED = "RECIPIENT_BLOCKED"
    CONTENT_REJECTED = "CONTENT_REJECTED"
    WINDOW_CLOSED = "WINDOW_CLOSED"
    ACCOUNT_ERROR = "ACCOUNT_ERROR"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
